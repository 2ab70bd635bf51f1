package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// Free ports are free only until someone takes them; this many times is bad luck enough.
const upAttempts = 4

func upCommand(args []string) error {
	flags := flag.NewFlagSet("up", flag.ExitOnError)
	dir := dirFlag(flags)
	gates := flags.String("feature-gates", "", "of the API server and the controller manager")
	autoscalerSync := flags.Duration("autoscaler-sync", time.Second,
		"how often autoscalers are looked at; Kubernetes' own default is 15s")
	var crdDirs, installFiles []string
	flags.Func("crds", "directory of CustomResourceDefinitions to install (again and again)", collect(&crdDirs))
	flags.Func("install", "file with the operator's ServiceAccount and roles (again and again)", collect(&installFiles))
	root, err := parseDir(flags, dir, args)
	if err != nil {
		return err
	}
	manifests, err := readManifests(crdDirs, installFiles)
	if err != nil {
		return err
	}
	if err := makeDir(root); err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()

	c := &cluster{dir: root, FeatureGates: *gates, AutoscalerSync: *autoscalerSync}
	for range upAttempts {
		if err = c.up(ctx, manifests); err == nil {
			return c.announce()
		}
		// Not deferred to "down": nobody may know that a start which failed left something behind.
		err = errors.Join(err, c.end())
		if !errors.Is(err, errPortTaken) {
			break
		}
	}
	return fmt.Errorf("%w\nthe logs are in %s: \"control-plane down --dir %s\" removes them", err, root, root)
}

// collect appends each use of a flag.
func collect(values *[]string) func(string) error {
	return func(value string) error {
		*values = append(*values, value)
		return nil
	}
}

// makeDir refuses a directory that exists: it may belong to a running cluster, whose pids would be lost.
func makeDir(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists: end its cluster with \"control-plane down --dir %s\", or choose another", dir, dir)
	}
	return err
}

// announce tells the caller all that it needs, in one line.
func (c *cluster) announce() error {
	operatorKubeconfig := ""
	if c.OperatorUser != "" {
		operatorKubeconfig = c.operatorKubeconfig()
	}
	return json.NewEncoder(os.Stdout).Encode(struct {
		Kubeconfig         string `json:"kubeconfig"`
		OperatorKubeconfig string `json:"operatorKubeconfig"`
		OperatorUser       string `json:"operatorUser"`
		AuditLog           string `json:"auditLog"`
		Server             string `json:"server"`
	}{c.kubeconfig(admin), operatorKubeconfig, c.OperatorUser, c.auditLog(), c.server()})
}

func downCommand(args []string) error {
	flags := flag.NewFlagSet("down", flag.ExitOnError)
	dir := dirFlag(flags)
	root, err := parseDir(flags, dir, args)
	if err != nil {
		return err
	}
	if _, err := os.Stat(root); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	// Without the record DIR may be anybody's directory: then it is not ours to remove.
	c, err := load(root)
	if err != nil {
		return err
	}
	if err := c.end(); err != nil {
		return err
	}
	return os.RemoveAll(root)
}

func stopCommand(args []string) error {
	c, name, err := onePart("stop", args)
	if err != nil {
		return err
	}
	return c.kill(name)
}

func startCommand(args []string) error {
	c, name, err := onePart("start", args)
	if err != nil {
		return err
	}
	if c.alive(name) {
		return fmt.Errorf("%s runs already, as process %d: stop it first", name, c.Pids[name])
	}
	if err := c.start(name); err != nil {
		return err
	}
	return c.await(context.Background(), name)
}

func onePart(command string, args []string) (*cluster, part, error) {
	flags := flag.NewFlagSet(command, flag.ExitOnError)
	dir := dirFlag(flags)
	root, err := parseDir(flags, dir, args)
	if err != nil {
		return nil, "", err
	}
	name := part(flags.Arg(0))
	if flags.NArg() != 1 || !slices.Contains(startOrder, name) {
		return nil, "", fmt.Errorf("%q is no part of a cluster: name one of %v", flags.Args(), startOrder)
	}
	c, err := load(root)
	return c, name, err
}

func dirFlag(flags *flag.FlagSet) *string {
	return flags.String("dir", "", "directory of the cluster (required)")
}

// parseDir makes the directory absolute: the parts outlive this process and its working directory.
func parseDir(flags *flag.FlagSet, dir *string, args []string) (string, error) {
	if err := flags.Parse(args); err != nil {
		return "", err
	}
	if *dir == "" {
		return "", errors.New("--dir is missing: name the directory of the cluster")
	}
	return filepath.Abs(*dir)
}
