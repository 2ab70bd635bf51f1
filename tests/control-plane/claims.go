package main

import (
	"context"
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// As in storage-class.yaml. A driver's name must be a DNS name, so it has no slash.
	volumeDriver = "disk.fake-node"
	// The binder writes the provisioner of the claim's class there.
	provisionerAnnotation = "volume.kubernetes.io/storage-provisioner"
)

// syncClaim makes the volume of a new claim and grows the volume of a claim that wants more. The
// binder of the controller manager does the rest. Volumes of deleted claims stay, as Released:
// their names do not come again.
func (n *node) syncClaim(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	if claim.Annotations[provisionerAnnotation] != volumeDriver || claim.DeletionTimestamp != nil {
		return nil
	}
	if claim.Annotations[holdAnnotation] == "true" {
		return nil
	}
	wanted := claim.Spec.Resources.Requests[corev1.ResourceStorage]
	has := claim.Status.Capacity[corev1.ResourceStorage]
	switch {
	case claim.Spec.VolumeName == "":
		_, err := n.typed.CoreV1().PersistentVolumes().Create(ctx, volumeFor(claim), metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) { // made, but not bound yet
			return nil
		}
		return err
	case claim.Status.Phase == corev1.ClaimBound && wanted.Cmp(has) > 0:
		return n.grow(ctx, claim)
	}
	return nil
}

func volumeFor(claim *corev1.PersistentVolumeClaim) *corev1.PersistentVolume {
	name := "disk-" + string(claim.UID)
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name:        name,
			Annotations: map[string]string{"pv.kubernetes.io/provisioned-by": volumeDriver},
		},
		Spec: corev1.PersistentVolumeSpec{
			AccessModes:                   claim.Spec.AccessModes,
			Capacity:                      claim.Spec.Resources.Requests,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			StorageClassName:              *claim.Spec.StorageClassName,
			VolumeMode:                    claim.Spec.VolumeMode,
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				CSI: &corev1.CSIPersistentVolumeSource{Driver: volumeDriver, VolumeHandle: name},
			},
		},
	}
}

// grow plays the resizer of a volume driver: first the volume, then what the claim says of it. The
// claim's conditions are not ours: the controller manager keeps one there.
func (n *node) grow(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	size := map[string]any{"capacity": claim.Spec.Resources.Requests}
	patch, err := json.Marshal(map[string]any{"spec": size})
	if err != nil {
		return err
	}
	core := n.typed.CoreV1()
	if _, err := core.PersistentVolumes().
		Patch(ctx, claim.Spec.VolumeName, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return err
	}
	size["allocatedResources"], size["allocatedResourceStatuses"] = nil, nil
	patch, err = json.Marshal(map[string]any{"metadata": map[string]any{"uid": claim.UID}, "status": size})
	if err != nil {
		return err
	}
	_, err = core.PersistentVolumeClaims(claim.Namespace).
		Patch(ctx, claim.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}
