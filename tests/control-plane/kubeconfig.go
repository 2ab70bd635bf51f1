package main

import (
	"context"
	"fmt"
	"os"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
	// setUp installs what a cluster starts with; the audit log leaves it out.
	setUp = identity{"control-plane", []string{"system:masters"}, "set-up.kubeconfig"}
	// fakeNode plays scheduler, kubelet, volume driver and metrics source; the audit log leaves it out.
	fakeNode = identity{"fake-node", []string{"system:masters"}, "fake-node.kubeconfig"}
	// controllerManager has its rights by name, from a default role binding.
	controllerManager = identity{"system:kube-controller-manager", nil, "controller-manager.kubeconfig"}

	identities = []identity{admin, setUp, fakeNode, controllerManager}
)

// writeKubeconfigs embeds the certificates, so that a kubeconfig can be copied elsewhere.
func (c *cluster) writeKubeconfigs() error {
	for _, user := range identities {
		certificate, err := os.ReadFile(c.pki(user.name + ".crt"))
		if err != nil {
			return err
		}
		key, err := os.ReadFile(c.pki(user.name + ".key"))
		if err != nil {
			return err
		}
		credentials := &clientcmdapi.AuthInfo{ClientCertificateData: certificate, ClientKeyData: key}
		if err := c.writeKubeconfig(c.kubeconfig(user), user.name, "default", credentials); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) writeKubeconfig(path, user, namespace string, credentials *clientcmdapi.AuthInfo) error {
	authority, err := os.ReadFile(c.pki("ca.crt"))
	if err != nil {
		return err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["test"] = &clientcmdapi.Cluster{Server: c.server(), CertificateAuthorityData: authority}
	config.AuthInfos[user] = credentials
	config.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: user, Namespace: namespace}
	config.CurrentContext = "test"
	return clientcmd.WriteToFile(*config, path)
}

// admitOperator writes the kubeconfig of the program under test: with a token of the one
// ServiceAccount that was installed, so that it has the rights that ship, and no others.
func (c *cluster) admitOperator(ctx context.Context, clients clients, installed []*unstructured.Unstructured) error {
	for _, manifest := range installed {
		if manifest.GetKind() != "ServiceAccount" {
			continue
		}
		if c.OperatorUser != "" {
			return fmt.Errorf("ServiceAccount %q is the second: whose is the operator? check --install", manifest.GetName())
		}
		seconds := int64(validFor.Seconds())
		request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
		accounts := clients.typed.CoreV1().ServiceAccounts(manifest.GetNamespace())
		answer, err := accounts.CreateToken(ctx, manifest.GetName(), request, metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("ask for a token of ServiceAccount %q: %w", manifest.GetName(), err)
		}
		c.OperatorUser = fmt.Sprintf("system:serviceaccount:%s:%s", manifest.GetNamespace(), manifest.GetName())
		credentials := &clientcmdapi.AuthInfo{Token: answer.Status.Token}
		if err := c.writeKubeconfig(c.operatorKubeconfig(), manifest.GetName(), manifest.GetNamespace(), credentials); err != nil {
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
