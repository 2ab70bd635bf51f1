// A real Kubernetes control plane for tests, without containers: etcd, the API
// server, the controller manager and kubectl in one binary, and a make-believe
// node that plays what needs a machine.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

const usage = `usage: control-plane COMMAND [flag ...]

A cluster:
  up --dir DIR [--crds DIR]... [--install FILE]... [--feature-gates NAME=BOOL,...]
     [--autoscaler-sync DURATION]
                        start one, print where it is as one line of JSON; of FILE it takes
                        what lets the operator in: namespace, ServiceAccount, roles
  down --dir DIR        end it and remove DIR; nothing to end is fine
  stop --dir DIR PART   kill one part, as a crash would
  start --dir DIR PART  start it again, on the same store, ports and flags

Its parts, each with its own flags (--help):
  etcd | kube-apiserver | kube-controller-manager | fake-node | kubectl
`

func main() {
	name, args := "", os.Args[1:]
	if filepath.Base(os.Args[0]) == string(kubectlPart) { // through the link that "up" leaves in DIR
		name = string(kubectlPart)
	} else if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	// Each part must see itself as the program: its flag parser reads os.Args.
	os.Args = append([]string{name}, args...)
	if command, ours := commands[name]; ours {
		if err := command(args); err != nil {
			fmt.Fprintf(os.Stderr, "control-plane %s: %v\n", name, err)
			os.Exit(1)
		}
		return
	}
	switch part(name) {
	case etcdPart:
		etcdmain.Main(os.Args)
	case apiServerPart:
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case controllerManagerPart:
		os.Exit(cli.Run(controllermanager.NewControllerManagerCommand()))
	case kubectlPart:
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			kubectlutil.CheckErr(err)
		}
	default:
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
}

var commands = map[string]func(args []string) error{
	"up":                 upCommand,
	"down":               downCommand,
	"stop":               stopCommand,
	"start":              startCommand,
	string(fakeNodePart): fakeNodeCommand,
}
