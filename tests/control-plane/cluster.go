package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

//go:embed audit-policy.yaml
var auditPolicy []byte

// errPortTaken says that somebody took a port between our choosing it and its use.
var errPortTaken = errors.New("a port was taken meanwhile")

// cluster is one control plane. What is exported is kept in DIR/pids.json: enough to end the
// cluster, or to start a part of it again, from another process.
type cluster struct {
	dir          string
	Store        string `json:"store"`
	Ports        ports  `json:"ports"`
	FeatureGates string `json:"featureGates,omitempty"`
	OperatorUser string `json:"operatorUser,omitempty"`
	// Tests would wait for the default of Kubernetes; who measures would measure little else with ours.
	AutoscalerSync time.Duration `json:"autoscalerSync"`
	Pids           map[part]int  `json:"pids"`
}

type ports struct {
	StoreClient       int `json:"storeClient"`
	StorePeer         int `json:"storePeer"`
	APIServer         int `json:"apiServer"`
	ControllerManager int `json:"controllerManager"`
}

func (c *cluster) record() string                  { return filepath.Join(c.dir, "pids.json") }
func (c *cluster) auditLog() string                { return filepath.Join(c.dir, "audit.log") }
func (c *cluster) log(name part) string            { return filepath.Join(c.dir, string(name)+".log") }
func (c *cluster) pki(file string) string          { return filepath.Join(c.dir, "pki", file) }
func (c *cluster) server() string                  { return fmt.Sprintf("https://127.0.0.1:%d", c.Ports.APIServer) }
func (c *cluster) auditPolicy() string             { return filepath.Join(c.dir, "audit-policy.yaml") }
func (c *cluster) operatorKubeconfig() string      { return filepath.Join(c.dir, "operator.kubeconfig") }
func (c *cluster) kubeconfig(user identity) string { return filepath.Join(c.dir, user.kubeconfig) }

// up starts everything, each part when what it needs is there, and returns when all of it is usable.
func (c *cluster) up(ctx context.Context, found manifests) error {
	if err := c.prepare(); err != nil {
		return err
	}
	// The API server waits for the store by itself: its own start takes much longer.
	if err := errors.Join(c.start(etcdPart), c.start(apiServerPart)); err != nil {
		return err
	}
	for _, name := range []part{etcdPart, apiServerPart} {
		if err := c.await(ctx, name); err != nil {
			return err
		}
	}
	// Controllers look for new kinds only every 30 s: all kinds must be there before they start.
	if err := c.install(ctx, found); err != nil {
		return err
	}
	for _, name := range []part{controllerManagerPart, fakeNodePart} {
		if err := c.start(name); err != nil {
			return err
		}
	}
	// The store once more: on a taken port a store of somebody else may have answered for ours.
	for _, name := range []part{controllerManagerPart, fakeNodePart, etcdPart} {
		if err := c.await(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// prepare fills DIR, anew at each attempt.
func (c *cluster) prepare() error {
	for _, name := range startOrder {
		if err := os.RemoveAll(c.log(name)); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(c.auditLog()); err != nil {
		return err
	}
	var err error
	if c.Ports, err = freePorts(); err != nil {
		return err
	}
	if c.Store, err = makeStore(c.dir); err != nil {
		return err
	}
	c.Pids, c.OperatorUser = map[part]int{}, ""
	if err := c.save(); err != nil {
		return errors.Join(err, os.RemoveAll(c.Store))
	}
	if err := os.WriteFile(c.auditPolicy(), auditPolicy, 0o600); err != nil {
		return err
	}
	if err := writePKI(c.pki("")); err != nil {
		return err
	}
	if err := c.writeKubeconfigs(); err != nil {
		return err
	}
	return c.linkKubectl()
}

// makeStore prefers a file system in memory: nothing of a test's cluster is worth a disk's time.
func makeStore(dir string) (string, error) {
	if store, err := os.MkdirTemp("/dev/shm", "kaspr-control-plane-"); err == nil {
		return store, nil
	}
	return os.MkdirTemp(dir, "etcd-")
}

// freePorts finds ports that were free a moment ago. All are held until the last is found, so that they differ.
func freePorts() (ports, error) {
	var found [4]int
	for i := range found {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return ports{}, err
		}
		defer listener.Close()
		found[i] = listener.Addr().(*net.TCPAddr).Port
	}
	return ports{found[0], found[1], found[2], found[3]}, nil
}

// linkKubectl leaves a kubectl of the server's own version beside the kubeconfig.
func (c *cluster) linkKubectl() error {
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	link := filepath.Join(c.dir, string(kubectlPart))
	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(binary, link)
}

// end kills all parts, the store last, and removes the store's data.
func (c *cluster) end() error {
	for _, name := range slices.Backward(startOrder) {
		if err := c.kill(name); err != nil {
			return err
		}
	}
	// The data may lie in memory, outside of DIR.
	return os.RemoveAll(c.Store)
}

func (c *cluster) save() error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	// A reader in another process never sees half a record.
	half := c.record() + ".new"
	if err := os.WriteFile(half, text, 0o600); err != nil {
		return err
	}
	return os.Rename(half, c.record())
}

func load(dir string) (*cluster, error) {
	c := &cluster{dir: dir, Pids: map[part]int{}}
	text, err := os.ReadFile(c.record())
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s has no pids.json, so it is not the directory of a cluster: check --dir", dir)
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("read %s: %w", c.record(), err)
	}
	return c, nil
}
