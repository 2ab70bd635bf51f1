package main

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
)

// reference is something that a pod cannot start without.
type reference struct {
	kind, name string
	key        string // empty: any content will do
}

const (
	configMapKind = "configmap"
	secretKind    = "secret"
	claimKind     = "persistentvolumeclaim"
)

// missing names the first thing that the pod needs and does not have, in a kubelet's words; empty if none.
func (n *node) missing(pod *corev1.Pod) string {
	for _, needed := range references(pod) {
		if why := n.lacks(pod.Namespace, needed); why != "" {
			return why
		}
	}
	return ""
}

func (n *node) lacks(namespace string, needed reference) string {
	stores := map[string]cache.SharedIndexInformer{configMapKind: n.configMaps, secretKind: n.secrets, claimKind: n.claims}
	object, found, err := stores[needed.kind].GetStore().GetByKey(namespace + "/" + needed.name)
	if err != nil || !found {
		return fmt.Sprintf("%s %q not found", needed.kind, needed.name)
	}
	has := true
	switch object := object.(type) {
	case *corev1.ConfigMap:
		_, text := object.Data[needed.key]
		_, binary := object.BinaryData[needed.key]
		has = text || binary
	case *corev1.Secret:
		_, has = object.Data[needed.key]
	case *corev1.PersistentVolumeClaim:
		if object.Status.Phase != corev1.ClaimBound {
			return fmt.Sprintf("%s %q is not bound", needed.kind, needed.name)
		}
	}
	if needed.key != "" && !has {
		return fmt.Sprintf("%s %q has no key %q", needed.kind, needed.name, needed.key)
	}
	return ""
}

// references lists all that is not optional: volumes first, then the environment.
func references(pod *corev1.Pod) []reference {
	var found []reference
	for _, volume := range pod.Spec.Volumes {
		found = append(found, volumeReferences(volume)...)
	}
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for _, container := range containers {
			found = append(found, environmentReferences(container)...)
		}
	}
	return found
}

func volumeReferences(volume corev1.Volume) []reference {
	var found []reference
	if source := volume.ConfigMap; source != nil {
		found = append(found, files(configMapKind, source.Name, source.Items, source.Optional)...)
	}
	if source := volume.Secret; source != nil {
		found = append(found, files(secretKind, source.SecretName, source.Items, source.Optional)...)
	}
	if source := volume.PersistentVolumeClaim; source != nil {
		found = append(found, reference{kind: claimKind, name: source.ClaimName})
	}
	if volume.Projected == nil {
		return found
	}
	for _, projection := range volume.Projected.Sources {
		if source := projection.ConfigMap; source != nil {
			found = append(found, files(configMapKind, source.Name, source.Items, source.Optional)...)
		}
		if source := projection.Secret; source != nil {
			found = append(found, files(secretKind, source.Name, source.Items, source.Optional)...)
		}
	}
	return found
}

func environmentReferences(container corev1.Container) []reference {
	var found []reference
	for _, from := range container.EnvFrom {
		if source := from.ConfigMapRef; source != nil {
			found = append(found, files(configMapKind, source.Name, nil, source.Optional)...)
		}
		if source := from.SecretRef; source != nil {
			found = append(found, files(secretKind, source.Name, nil, source.Optional)...)
		}
	}
	for _, variable := range container.Env {
		if variable.ValueFrom == nil {
			continue
		}
		if source := variable.ValueFrom.ConfigMapKeyRef; source != nil {
			found = append(found, files(configMapKind, source.Name, []corev1.KeyToPath{{Key: source.Key}}, source.Optional)...)
		}
		if source := variable.ValueFrom.SecretKeyRef; source != nil {
			found = append(found, files(secretKind, source.Name, []corev1.KeyToPath{{Key: source.Key}}, source.Optional)...)
		}
	}
	return found
}

func files(kind, name string, items []corev1.KeyToPath, optional *bool) []reference {
	if optional != nil && *optional {
		return nil
	}
	found := []reference{{kind: kind, name: name}}
	for _, item := range items {
		found = append(found, reference{kind, name, item.Key})
	}
	return found
}
