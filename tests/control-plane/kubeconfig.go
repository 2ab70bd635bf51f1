package main

import (
	"os"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// identity is a user of the API server. Each has its own name, so that the audit log tells them apart.
type identity struct {
	name       string
	groups     []string
	kubeconfig string
}

var (
	// admin is the user of tests and people.
	admin = identity{"admin", []string{"system:masters"}, "kubeconfig"}
	// operator is the user of the program under test.
	operator = identity{"kaspr-operator", []string{"system:masters"}, "operator.kubeconfig"}
	// setUp installs what a cluster starts with; the audit log leaves it out.
	setUp = identity{"control-plane", []string{"system:masters"}, "set-up.kubeconfig"}
	// fakeNode plays scheduler, kubelet, volume driver and metrics source; the audit log leaves it out.
	fakeNode = identity{"fake-node", []string{"system:masters"}, "fake-node.kubeconfig"}
	// controllerManager has its rights by name, from a default role binding.
	controllerManager = identity{"system:kube-controller-manager", nil, "controller-manager.kubeconfig"}

	identities = []identity{admin, operator, setUp, fakeNode, controllerManager}
)

// writeKubeconfigs embeds the certificates, so that a kubeconfig can be copied elsewhere.
func (c *cluster) writeKubeconfigs() error {
	authority, err := os.ReadFile(c.pki("ca.crt"))
	if err != nil {
		return err
	}
	for _, user := range identities {
		certificate, err := os.ReadFile(c.pki(user.name + ".crt"))
		if err != nil {
			return err
		}
		key, err := os.ReadFile(c.pki(user.name + ".key"))
		if err != nil {
			return err
		}
		config := clientcmdapi.NewConfig()
		config.Clusters["test"] = &clientcmdapi.Cluster{Server: c.server(), CertificateAuthorityData: authority}
		config.AuthInfos[user.name] = &clientcmdapi.AuthInfo{ClientCertificateData: certificate, ClientKeyData: key}
		config.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: user.name, Namespace: "default"}
		config.CurrentContext = "test"
		if err := clientcmd.WriteToFile(*config, c.kubeconfig(user)); err != nil {
			return err
		}
	}
	return nil
}

// clients talk to the API server: typed for its own kinds, untyped for custom resources.
type clients struct {
	typed   kubernetes.Interface
	untyped dynamic.Interface
}

func connect(kubeconfig string) (clients, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return clients{}, err
	}
	config.QPS = -1 // no limit on this side
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		return clients{}, err
	}
	untyped, err := dynamic.NewForConfig(config)
	return clients{typed, untyped}, err
}
