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

var installable = map[string]schema.GroupVersionResource{
	"CustomResourceDefinition": {Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"},
	"StorageClass":             {Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"},
}

// readManifests reads what a cluster starts with: our own two objects and all files of the directories.
func readManifests(dirs []string) ([]*unstructured.Unstructured, error) {
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
		if _, known := installable[manifest.GetKind()]; !known {
			return nil, fmt.Errorf("kind %q is no CustomResourceDefinition: keep it in another directory", manifest.GetKind())
		}
		manifests = append(manifests, manifest)
	}
}

// install creates the objects and waits until the server knows the new kinds.
func (c *cluster) install(ctx context.Context, manifests []*unstructured.Unstructured) error {
	clients, err := connect(c.kubeconfig(setUp))
	if err != nil {
		return err
	}
	for _, manifest := range manifests {
		resource := clients.untyped.Resource(installable[manifest.GetKind()])
		if _, err := resource.Create(ctx, manifest, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("create %s %q: %w", manifest.GetKind(), manifest.GetName(), err)
		}
	}
	for _, manifest := range manifests {
		if manifest.GetKind() != "CustomResourceDefinition" {
			continue
		}
		resource := clients.untyped.Resource(installable[manifest.GetKind()])
		if err := awaitEstablished(ctx, resource, manifest.GetName()); err != nil {
			return err
		}
	}
	return nil
}

func awaitEstablished(ctx context.Context, definitions dynamic.ResourceInterface, name string) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		definition, err := definitions.Get(ctx, name, metav1.GetOptions{})
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
