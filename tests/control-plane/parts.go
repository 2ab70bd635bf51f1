package main

import (
	"fmt"
	"strconv"
	"strings"
)

// part is the name of one part of the control plane, and the command that runs it.
type part string

const (
	etcdPart              part = "etcd"
	apiServerPart         part = "kube-apiserver"
	controllerManagerPart part = "kube-controller-manager"
	fakeNodePart          part = "fake-node"
	kubectlPart           part = "kubectl"
)

// startOrder lists the parts that run as processes, each before those that need it.
var startOrder = []part{etcdPart, apiServerPart, controllerManagerPart, fakeNodePart}

// controllers are those that tests can notice. Left out on purpose: endpoint slices refuse
// loopback addresses, which our pods have; node life cycle and pod garbage collection would
// miss a real kubelet.
var controllers = []string{
	"statefulset-controller",
	"deployment-controller",
	"replicaset-controller",
	"horizontal-pod-autoscaler-controller",
	"disruption-controller",
	"persistentvolume-binder-controller",
	"persistentvolume-expander-controller",
	"persistentvolumeclaim-protection-controller",
	"garbage-collector-controller",
	"namespace-controller",
	"serviceaccount-controller",
	"root-ca-certificate-publisher-controller",
	"clusterrole-aggregation-controller",
}

// args follow from the cluster's record alone: the same for the first start and for every later one.
func (c *cluster) args(name part) []string {
	switch name {
	case etcdPart:
		return c.etcdArgs()
	case apiServerPart:
		return c.apiServerArgs()
	case controllerManagerPart:
		return c.controllerManagerArgs()
	default:
		return []string{"--kubeconfig=" + c.kubeconfig(fakeNode)}
	}
}

func (c *cluster) etcdArgs() []string {
	client, peer := local("http", c.Ports.StoreClient), local("http", c.Ports.StorePeer)
	return []string{
		"--data-dir=" + c.Store,
		"--listen-client-urls=" + client,
		"--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=default=" + peer,
		// Nobody else can win the election: do not wait a second for it.
		"--heartbeat-interval=20",
		"--election-timeout=200",
		"--unsafe-no-fsync",
		"--log-level=warn",
	}
}

func (c *cluster) apiServerArgs() []string {
	return c.withFeatureGates([]string{
		"--etcd-servers=" + local("http", c.Ports.StoreClient),
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(c.Ports.APIServer),
		// It would write the advertised address into an endpoint, where loopback is not allowed.
		"--endpoint-reconciler-type=none",
		"--tls-cert-file=" + c.pki("apiserver.crt"),
		"--tls-private-key-file=" + c.pki("apiserver.key"),
		"--client-ca-file=" + c.pki("ca.crt"),
		"--requestheader-client-ca-file=" + c.pki("front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + c.pki("front-proxy.crt"),
		"--proxy-client-key-file=" + c.pki("front-proxy.key"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.pki("sa.pub"),
		"--service-account-signing-key-file=" + c.pki("sa.key"),
		"--service-cluster-ip-range=10.0.0.0/16",
		"--authorization-mode=RBAC",
		"--allow-privileged",
		"--audit-policy-file=" + c.auditPolicy(),
		"--audit-log-path=" + c.auditLog(),
	})
}

func (c *cluster) controllerManagerArgs() []string {
	kubeconfig := c.kubeconfig(controllerManager)
	return c.withFeatureGates([]string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(c.Ports.ControllerManager),
		"--leader-elect=false",
		"--controllers=" + strings.Join(controllers, ","),
		// Each controller with its own default role: the manager's certificate alone is refused most writes.
		"--use-service-account-credentials",
		"--service-account-private-key-file=" + c.pki("sa.key"),
		"--root-ca-file=" + c.pki("ca.crt"),
		// The default, 20 requests/s, is made for real clusters: tests would wait for it.
		"--kube-api-qps=1000",
		"--kube-api-burst=2000",
		"--concurrent-statefulset-syncs=20",
		"--horizontal-pod-autoscaler-sync-period=" + c.AutoscalerSync.String(),
		// Claims whose volume came too soon for the binder are looked at again only then.
		"--pvclaimbinder-sync-period=1s",
	})
}

func (c *cluster) withFeatureGates(args []string) []string {
	if c.FeatureGates != "" {
		args = append(args, "--feature-gates="+c.FeatureGates)
	}
	return args
}

func local(scheme string, port int) string {
	return fmt.Sprintf("%s://127.0.0.1:%d", scheme, port)
}
