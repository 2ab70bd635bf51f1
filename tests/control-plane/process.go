package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	readyWithin = 60 * time.Second
	goneWithin  = 10 * time.Second
	pollEvery   = 50 * time.Millisecond
)

// start runs a part in a session of its own: neither the end of this process nor Ctrl-C at its terminal ends it.
func (c *cluster) start(name part) error {
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(c.log(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	command := exec.Command(binary, append([]string{string(name)}, c.args(name)...)...)
	command.Stdout, command.Stderr = log, log
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	c.Pids[name] = command.Process.Pid
	return c.save()
}

// kill ends a part at once. With SIGTERM an API server would wait a minute for open watches.
func (c *cluster) kill(name part) error {
	pid, known := c.Pids[name]
	if !known {
		return nil
	}
	// The descriptor holds on to the process: once the command line matched, its number cannot pass to another.
	process, err := unix.PidfdOpen(pid, 0)
	if err == nil {
		defer unix.Close(process)
		if c.alive(name) {
			err = killAndWait(process)
		}
	}
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill %s, process %d: %w", name, pid, err)
	}
	delete(c.Pids, name)
	return c.save()
}

// killAndWait returns when the whole process is gone, its ports included: they may be wanted again at once.
func killAndWait(process int) error {
	if err := unix.PidfdSendSignal(process, unix.SIGKILL, nil, 0); err != nil {
		return err
	}
	ended := []unix.PollFd{{Fd: int32(process), Events: unix.POLLIN}}
	for deadline := time.Now().Add(goneWithin); time.Now().Before(deadline); {
		count, err := unix.Poll(ended, int(goneWithin.Milliseconds()))
		if count > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
	}
	return fmt.Errorf("still there %v after SIGKILL", goneWithin)
}

// alive compares the whole command line: the number in the record may have gone to another program.
func (c *cluster) alive(name part) bool {
	pid, known := c.Pids[name]
	if !known {
		return false
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(text) == 0 { // a process that ended and was not waited for has none
		return false
	}
	line := strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
	return slices.Equal(line[1:], append([]string{string(name)}, c.args(name)...))
}

// await returns when the part is ready to be used, or why it will not be.
func (c *cluster) await(ctx context.Context, name part) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		notReady := c.ready(ctx, name)
		// Asked after, not before: on a taken port somebody else may have answered.
		if !c.alive(name) {
			return c.whyEnded(name)
		}
		if notReady == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready (%w): %w; see %s", name, context.Cause(ctx), notReady, c.log(name))
		case <-time.After(pollEvery):
		}
	}
}

func (c *cluster) ready(ctx context.Context, name part) error {
	switch name {
	case etcdPart:
		return get(ctx, local("http", c.Ports.StoreClient)+"/health", nil)
	case apiServerPart:
		authority, err := os.ReadFile(c.pki("ca.crt"))
		if err != nil {
			return err
		}
		trusted := x509.NewCertPool()
		trusted.AppendCertsFromPEM(authority)
		return get(ctx, c.server()+"/readyz", &tls.Config{RootCAs: trusted})
	case controllerManagerPart:
		// It made its serving certificate itself, and nobody vouches for it.
		return get(ctx, local("https", c.Ports.ControllerManager)+"/healthz", &tls.Config{InsecureSkipVerify: true})
	default:
		clients, err := connect(c.kubeconfig(setUp))
		if err != nil {
			return err
		}
		_, err = clients.typed.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
		return err
	}
}

func get(ctx context.Context, url string, trust *tls.Config) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: trust, DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, response.Status)
	}
	return nil
}

// whyEnded reads the end of the part's log, where the reason is.
func (c *cluster) whyEnded(name part) error {
	text, err := os.ReadFile(c.log(name))
	if err != nil {
		return err
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	last := bytes.Join(lines[max(0, len(lines)-5):], []byte("\n"))
	ended := fmt.Errorf("%s ended before it was ready; the end of %s:\n%s", name, c.log(name), last)
	if bytes.Contains(text, []byte("address already in use")) {
		return errors.Join(errPortTaken, ended)
	}
	return ended
}
