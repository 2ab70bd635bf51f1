package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// How a test tells the node what to play: annotations of the pod, which come from its template.
const (
	// "true": the containers run but do not get ready, as if the readiness probe failed, until it is removed.
	// On a claim: the volume is neither made nor grown.
	holdAnnotation = "fake-node/hold"
	// A duration: how long the containers run before they are ready.
	readyAfterAnnotation = "fake-node/ready-after"
	// A duration: how long a deleted pod takes to go. Not limited by the grace period: nodes hang, too.
	stopAfterAnnotation = "fake-node/stop-after"
	// An image with this in its name cannot be pulled.
	brokenImage = ":broken"
)

// A pod that waits for a mount is looked at again this often: nothing says which pods an object concerns.
const mountPoll = 50 * time.Millisecond

// stage is how far a pod has come, and why no further.
type stage struct {
	started, ready  bool
	reason, message string
}

// syncPod takes a pod one step further: bound, then started, then ready, then gone.
func (n *node) syncPod(ctx context.Context, pod *corev1.Pod) (time.Duration, error) {
	pods := n.typed.CoreV1().Pods(pod.Namespace)
	finished := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	switch {
	case pod.DeletionTimestamp != nil:
		return n.stopPod(ctx, pod)
	case pod.Spec.NodeName == "" && len(pod.Spec.SchedulingGates) == 0:
		return 0, pods.Bind(ctx, &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
			Target:     corev1.ObjectReference{Kind: "Node", Name: nodeName},
		}, metav1.CreateOptions{})
	case pod.Spec.NodeName != nodeName || finished:
		return 0, nil
	}
	stage, again, err := n.stageOf(pod)
	if err != nil {
		return 0, err
	}
	next := pod.DeepCopy()
	if stage.started && next.Status.PodIP == "" {
		next.Status.PodIP = n.addresses.of(pod.UID)
	}
	stage.writeTo(next)
	if equality.Semantic.DeepEqual(pod.Status, next.Status) {
		return again, nil
	}
	// The resourceVersion in it guards against a stale cache and against another pod of the same name.
	_, err = pods.UpdateStatus(ctx, next, metav1.UpdateOptions{})
	return again, err
}

func (n *node) stopPod(ctx context.Context, pod *corev1.Pod) (time.Duration, error) {
	delay, err := durationOf(pod, stopAfterAnnotation)
	if err != nil {
		return 0, err
	}
	if wait := delay - n.stopwatch.since("deleted", pod.UID); wait > 0 && delay > 0 {
		return wait, nil
	}
	options := metav1.NewDeleteOptions(0)
	options.Preconditions = metav1.NewUIDPreconditions(string(pod.UID))
	if err := n.typed.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, *options); err != nil {
		return 0, err
	}
	n.addresses.forget(pod.UID)
	n.stopwatch.forget(pod.UID)
	return 0, nil
}

// stageOf says how far the pod should be by now, and when that may change without an event.
func (n *node) stageOf(pod *corev1.Pod) (stage, time.Duration, error) {
	// What a container was started with stays with it: later changes concern its successor.
	if pod.Status.Phase != corev1.PodRunning {
		if missing := n.missing(pod); missing != "" {
			return stage{reason: "ContainerCreating", message: missing}, mountPoll, nil
		}
		for _, container := range pod.Spec.Containers {
			if strings.Contains(container.Image, brokenImage) {
				message := fmt.Sprintf("Back-off pulling image %q", container.Image)
				return stage{reason: "ImagePullBackOff", message: message}, 0, nil
			}
		}
	}
	if pod.Annotations[holdAnnotation] == "true" {
		return stage{started: true, reason: "ContainersNotReady", message: "held by " + holdAnnotation}, 0, nil
	}
	delay, err := durationOf(pod, readyAfterAnnotation)
	if err != nil {
		return stage{}, 0, err
	}
	if wait := delay - n.stopwatch.since("started", pod.UID); wait > 0 && delay > 0 {
		return stage{started: true, reason: "ContainersNotReady", message: "held by " + readyAfterAnnotation}, wait, nil
	}
	return stage{started: true, ready: true}, 0, nil
}

func durationOf(pod *corev1.Pod, annotation string) (time.Duration, error) {
	text, set := pod.Annotations[annotation]
	if !set {
		return 0, nil
	}
	duration, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("annotation %s: %w: write it like 2s or 500ms", annotation, err)
	}
	return duration, nil
}

// stopwatch measures from the first look: the API's own timestamps have whole seconds only.
type stopwatch struct {
	lock   sync.Mutex
	starts map[types.UID]map[string]time.Time
}

func (s *stopwatch) since(what string, uid types.UID) time.Duration {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.starts == nil {
		s.starts = map[types.UID]map[string]time.Time{}
	}
	if s.starts[uid] == nil {
		s.starts[uid] = map[string]time.Time{}
	}
	if _, known := s.starts[uid][what]; !known {
		s.starts[uid][what] = time.Now()
	}
	return time.Since(s.starts[uid][what])
}

func (s *stopwatch) forget(uid types.UID) {
	s.lock.Lock()
	defer s.lock.Unlock()
	delete(s.starts, uid)
}
