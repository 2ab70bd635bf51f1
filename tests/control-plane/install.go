package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
)

//go:embed podmetrics-crd.yaml
var podMetricsDefinition []byte

//go:embed storage-class.yaml
var storageClass []byte

// kinds are those of one sort of file.
type kinds map[string]schema.GroupVersionResource

// definitions are all that a directory of --crds may hold.
var definitions = kinds{
	"CustomResourceDefinition": {Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"},
	"StorageClass":             {Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"},
}

// admission is what is taken of a file of --install: it lets the operator in, but does not run it.
var admission = kinds{
	"Namespace":          {Version: "v1", Resource: "namespaces"},
	"ServiceAccount":     {Version: "v1", Resource: "serviceaccounts"},
	"ClusterRole":        {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"},
	"ClusterRoleBinding": {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings"},
	"Role":               {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"},
	"RoleBinding":        {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
}

// manifests is what a cluster starts with.
type manifests struct {
	definitions []*unstructured.Unstructured
	admission   []*unstructured.Unstructured
}

// readManifests reads our own two objects, all files of the directories, and what lets the operator in.
func readManifests(dirs, installFiles []string) (found manifests, err error) {
	if found.definitions, err = readDefinitions(dirs); err != nil {
		return found, err
	}
	for _, path := range installFiles {
		text, err := os.ReadFile(path)
		if err != nil {
			return found, err
		}
		all, err := parseManifests(text)
		if err != nil {
			return found, fmt.Errorf("read %s: %w", path, err)
		}
		for _, manifest := range all {
			if _, taken := admission[manifest.GetKind()]; taken {
				found.admission = append(found.admission, manifest)
			}
		}
	}
	return found, nil
}

func readDefinitions(dirs []string) ([]*unstructured.Unstructured, error) {
	files := map[string][]byte{"podmetrics-crd.yaml": podMetricsDefinition, "storage-class.yaml": storageClass}
	for _, dir := range dirs {
		paths, err := filepath.Glob(filepath.Join(dir, "*.y*ml"))
		if err != nil {
			return nil, err
		}
		if len(paths) == 0 {
			return nil, fmt.Errorf("no YAML file in %s: check --crds", dir)
		}
		for _, path := range paths {
			if files[path], err = os.ReadFile(path); err != nil {
				return nil, err
			}
		}
	}
	var manifests []*unstructured.Unstructured
	for path, text := range files {
		found, err := parseManifests(text)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		for _, manifest := range found {
			if _, known := definitions[manifest.GetKind()]; !known {
				return nil, fmt.Errorf("read %s: kind %q is no CustomResourceDefinition: keep it in another directory", path, manifest.GetKind())
			}
		}
		manifests = append(manifests, found...)
	}
	return manifests, nil
}

func parseManifests(text []byte) ([]*unstructured.Unstructured, error) {
	var manifests []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		manifest := &unstructured.Unstructured{}
		err := decoder.Decode(manifest)
		if errors.Is(err, io.EOF) {
			return manifests, nil
		}
		if err != nil {
			return nil, err
		}
		if len(manifest.Object) == 0 { // nothing but comments
			continue
		}
		manifests = append(manifests, manifest)
	}
}

// install creates the objects, waits until the server knows the new kinds, and lets the operator in.
func (c *cluster) install(ctx context.Context, found manifests) error {
	clients, err := connect(c.kubeconfig(setUp))
	if err != nil {
		return err
	}
	if err := create(ctx, clients, definitions, found.definitions); err != nil {
		return err
	}
	if err := create(ctx, clients, admission, found.admission); err != nil {
		return err
	}
	for _, manifest := range found.definitions {
		if manifest.GetKind() != "CustomResourceDefinition" {
			continue
		}
		resource := clients.untyped.Resource(definitions[manifest.GetKind()])
		if err := awaitEstablished(ctx, resource, manifest.GetName()); err != nil {
			return err
		}
	}
	return c.admitOperator(ctx, clients, found.admission)
}

func create(ctx context.Context, clients clients, known kinds, manifests []*unstructured.Unstructured) error {
	for _, manifest := range manifests {
		resource := clients.untyped.Resource(known[manifest.GetKind()]).Namespace(manifest.GetNamespace())
		if _, err := resource.Create(ctx, manifest, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("create %s %q: %w", manifest.GetKind(), manifest.GetName(), err)
		}
	}
	return nil
}

func awaitEstablished(ctx context.Context, resource dynamic.ResourceInterface, name string) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		definition, err := resource.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("wait for CustomResourceDefinition %q: %w", name, err)
		}
		// Right after its creation a definition has null for conditions, which a slice accessor refuses.
		field, _, err := unstructured.NestedFieldNoCopy(definition.Object, "status", "conditions")
		if err != nil {
			return err
		}
		conditions, _ := field.([]any)
		for _, condition := range conditions {
			fields, _ := condition.(map[string]any)
			if fields["type"] == "Established" && fields["status"] == "True" {
				return nil
			}
			if fields["type"] == "NamesAccepted" && fields["status"] == "False" {
				return fmt.Errorf("the names of CustomResourceDefinition %q are refused: %v", name, fields["message"])
			}
		}
		time.Sleep(pollEvery)
	}
}
