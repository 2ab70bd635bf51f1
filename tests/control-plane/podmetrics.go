package main

import (
	"context"
	"encoding/json"
	"log"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// A new pod is measured soon enough for an autoscaler that looks every second.
	measureEvery = 250 * time.Millisecond
	// A measurement stays fresh for as long as its window.
	measureWindow = 30 * time.Second
	memoryUsage   = "160Mi"
	cpuUsage      = "10m"
)

var podMetrics = schema.GroupVersionResource{Group: "metrics.k8s.io", Version: "v1beta1", Resource: "pods"}

// measure plays the metrics server: the usage of every ready pod of a StatefulSet, which is what autoscalers
// of ours ask for. Each measurement is owned by its pod and goes with it.
func (n *node) measure(ctx context.Context) {
	measured := map[types.UID]time.Time{}
	for ctx.Err() == nil {
		measured = n.measureAll(ctx, measured)
		select {
		case <-ctx.Done():
		case <-time.After(measureEvery):
		}
	}
}

// measureAll returns when each pod of now was measured last.
func (n *node) measureAll(ctx context.Context, before map[types.UID]time.Time) map[types.UID]time.Time {
	measured := map[types.UID]time.Time{}
	for _, object := range n.pods.GetStore().List() {
		pod, _ := object.(*corev1.Pod)
		owner := metav1.GetControllerOf(pod)
		if owner == nil || owner.Kind != "StatefulSet" || !isReady(pod) || pod.DeletionTimestamp != nil {
			continue
		}
		last, known := before[pod.UID]
		if known && time.Since(last) < measureWindow {
			measured[pod.UID] = last
			continue
		}
		err := n.measurePod(ctx, pod)
		if apierrors.IsForbidden(err) || apierrors.IsNotFound(err) { // its namespace is going
			continue
		}
		if err != nil {
			log.Printf("measure pod %s/%s: %v", pod.Namespace, pod.Name, err)
			return before // the server is away: the next round tries again
		}
		measured[pod.UID] = time.Now()
	}
	return measured
}

func (n *node) measurePod(ctx context.Context, pod *corev1.Pod) error {
	resource := n.untyped.Resource(podMetrics).Namespace(pod.Namespace)
	measurement := measurementOf(pod)
	_, err := resource.Create(ctx, measurement, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	// An older one of this pod, or of its predecessor with the same name.
	patch, err := json.Marshal(measurement)
	if err != nil {
		return err
	}
	_, err = resource.Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

func measurementOf(pod *corev1.Pod) *unstructured.Unstructured {
	var containers []any
	for _, container := range pod.Spec.Containers {
		usage := map[string]any{"memory": memoryUsage, "cpu": cpuUsage}
		containers = append(containers, map[string]any{"name": container.Name, "usage": usage})
	}
	measurement := &unstructured.Unstructured{Object: map[string]any{
		"timestamp":  time.Now().UTC().Format(time.RFC3339),
		"window":     measureWindow.String(),
		"containers": containers,
	}}
	measurement.SetAPIVersion("metrics.k8s.io/v1beta1")
	measurement.SetKind("PodMetrics")
	measurement.SetNamespace(pod.Namespace)
	measurement.SetName(pod.Name)
	measurement.SetLabels(pod.Labels) // the autoscaler lists by its selector
	measurement.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID}})
	return measurement
}
