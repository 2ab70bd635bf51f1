package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

const (
	nodeName = "fake-node"
	// Pods and claims handled at the same time.
	nodeWorkers = 16
)

// node plays scheduler, kubelet, volume driver and metrics source, for all pods and claims.
// Level-triggered: each step follows from what the caches hold, so it may be restarted at any time.
type node struct {
	clients
	pods, claims, configMaps, secrets cache.SharedIndexInformer
	queue                             workqueue.TypedRateLimitingInterface[item]
	addresses                         addresses
	stopwatch                         stopwatch
}

// item names what to look at, not what happened.
type item struct {
	kind, namespace, name string
}

const (
	podItem   = "pod"
	claimItem = "claim"
)

func fakeNodeCommand(args []string) error {
	flags := flag.NewFlagSet(string(fakeNodePart), flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "how to reach the API server")
	if err := flags.Parse(args); err != nil {
		return err
	}
	clients, err := connect(*kubeconfig)
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()

	factory := informers.NewSharedInformerFactory(clients.typed, 0)
	core := factory.Core().V1()
	n := &node{
		clients:    clients,
		pods:       core.Pods().Informer(),
		claims:     core.PersistentVolumeClaims().Informer(),
		configMaps: core.ConfigMaps().Informer(),
		secrets:    core.Secrets().Informer(),
		queue:      workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[item]()),
	}
	if err := n.feed(podItem, n.pods); err != nil {
		return err
	}
	if err := n.feed(claimItem, n.claims); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	n.addresses.skipUsed(n.pods.GetStore().List())
	// Whoever sees the Node may count on us.
	if err := n.register(ctx); err != nil {
		return err
	}
	n.run(ctx)
	return nil
}

func (n *node) run(ctx context.Context) {
	var running sync.WaitGroup
	for range nodeWorkers {
		running.Go(func() { n.work(ctx) })
	}
	running.Go(func() { n.measure(ctx) })
	<-ctx.Done()
	n.queue.ShutDown()
	running.Wait()
}

func (n *node) feed(kind string, informer cache.SharedIndexInformer) error {
	add := func(object any) {
		id, err := cache.DeletionHandlingObjectToName(object)
		if err == nil {
			n.queue.Add(item{kind, id.Namespace, id.Name})
		}
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    add,
		UpdateFunc: func(_, object any) { add(object) },
		DeleteFunc: add,
	})
	return err
}

func (n *node) work(ctx context.Context) {
	for {
		next, closed := n.queue.Get()
		if closed {
			return
		}
		again, err := n.look(ctx, next)
		switch {
		case err == nil, apierrors.IsNotFound(err), ctx.Err() != nil:
			n.queue.Forget(next)
			if again > 0 {
				n.queue.AddAfter(next, again)
			}
		case apierrors.IsConflict(err):
			n.queue.AddRateLimited(next) // the watch is behind
		default:
			log.Printf("%s %s/%s: %v", next.kind, next.namespace, next.name, err)
			n.queue.AddRateLimited(next)
		}
		n.queue.Done(next)
	}
}

// look takes one object one step further, and says when to look again if no event will.
func (n *node) look(ctx context.Context, next item) (time.Duration, error) {
	key := next.namespace + "/" + next.name
	if next.kind == claimItem {
		object, found, err := n.claims.GetStore().GetByKey(key)
		if err != nil || !found {
			return 0, err
		}
		return 0, n.syncClaim(ctx, object.(*corev1.PersistentVolumeClaim))
	}
	object, found, err := n.pods.GetStore().GetByKey(key)
	if err != nil || !found {
		return 0, err
	}
	return n.syncPod(ctx, object.(*corev1.Pod))
}

// register makes the Node object. It is for show: pods can be bound without.
func (n *node) register(ctx context.Context) error {
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("1000"),
		corev1.ResourceMemory: resource.MustParse("4Ti"),
		corev1.ResourcePods:   resource.MustParse("10000"),
	}
	_, err := n.typed.CoreV1().Nodes().Create(ctx, &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: nodeName, Labels: map[string]string{corev1.LabelHostname: nodeName}},
		Status: corev1.NodeStatus{
			Capacity:    capacity,
			Allocatable: capacity,
			Conditions: []corev1.NodeCondition{{
				Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "MakeBelieve",
				LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now(),
			}},
		},
	}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("create Node %q: %w", nodeName, err)
	}
	return nil
}
