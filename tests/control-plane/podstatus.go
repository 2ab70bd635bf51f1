package main

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// writeTo writes the stage as a kubelet would. What is true already keeps its times.
func (s stage) writeTo(pod *corev1.Pod) {
	status := &pod.Status
	status.ObservedGeneration = pod.Generation
	status.HostIP = "127.0.0.1"
	if status.StartTime == nil {
		status.StartTime = new(metav1.Now())
	}
	status.Phase = corev1.PodPending
	if s.started {
		status.Phase = corev1.PodRunning
		status.PodIPs = []corev1.PodIP{{IP: status.PodIP}}
	}
	s.writeCondition(pod, corev1.PodInitialized, s.started)
	s.writeCondition(pod, corev1.ContainersReady, s.ready)
	s.writeCondition(pod, corev1.PodReady, s.ready)

	before := status.ContainerStatuses
	status.ContainerStatuses = nil
	for _, container := range pod.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, s.containerStatus(pod, container, before))
	}
	status.InitContainerStatuses = s.initContainerStatuses(pod)
}

func (s stage) writeCondition(pod *corev1.Pod, kind corev1.PodConditionType, is bool) {
	next := corev1.PodCondition{
		Type:               kind,
		Status:             corev1.ConditionTrue,
		ObservedGeneration: pod.Generation,
		LastTransitionTime: metav1.Now(),
	}
	if !is {
		next.Status, next.Reason, next.Message = corev1.ConditionFalse, s.reason, s.message
	}
	for i, old := range pod.Status.Conditions {
		if old.Type != kind {
			continue
		}
		if old.Status == next.Status {
			next.LastTransitionTime = old.LastTransitionTime
		}
		pod.Status.Conditions[i] = next
		return
	}
	pod.Status.Conditions = append(pod.Status.Conditions, next)
}

func (s stage) containerStatus(pod *corev1.Pod, container corev1.Container, before []corev1.ContainerStatus) corev1.ContainerStatus {
	status := corev1.ContainerStatus{Name: container.Name, Image: container.Image, Started: new(s.started), Ready: s.ready}
	if !s.started {
		status.State.Waiting = &corev1.ContainerStateWaiting{Reason: s.reason, Message: s.message}
		return status
	}
	status.ImageID = "fake-node://" + container.Image
	status.ContainerID = "fake-node://" + string(pod.UID) + "/" + container.Name
	status.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.Now()}
	for _, old := range before {
		if old.Name == container.Name && old.State.Running != nil {
			status.State.Running = old.State.Running
		}
	}
	return status
}

// initContainerStatuses: all have done their work in no time once the pod has started.
func (s stage) initContainerStatuses(pod *corev1.Pod) []corev1.ContainerStatus {
	if !s.started || len(pod.Status.InitContainerStatuses) > 0 {
		return pod.Status.InitContainerStatuses
	}
	var statuses []corev1.ContainerStatus
	for _, container := range pod.Spec.InitContainers {
		statuses = append(statuses, corev1.ContainerStatus{
			Name:        container.Name,
			Image:       container.Image,
			ImageID:     "fake-node://" + container.Image,
			ContainerID: "fake-node://" + string(pod.UID) + "/" + container.Name,
			Ready:       true,
			Started:     new(false),
			State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
				Reason: "Completed", StartedAt: metav1.Now(), FinishedAt: metav1.Now(),
			}},
		})
	}
	return statuses
}

func isReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}
