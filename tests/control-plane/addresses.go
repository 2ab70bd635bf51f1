package main

import (
	"fmt"
	"net/netip"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// addresses gives each pod one of 127.77.0.0/16, the same on every try. A test can listen on the
// address of a pod and so play its program. An address comes again only after 65,000 others.
type addresses struct {
	lock  sync.Mutex
	last  uint16
	known map[types.UID]string
}

func (a *addresses) of(uid types.UID) string {
	a.lock.Lock()
	defer a.lock.Unlock()
	if address, known := a.known[uid]; known {
		return address
	}
	if a.known == nil {
		a.known = map[types.UID]string{}
	}
	a.last++
	address := fmt.Sprintf("127.77.%d.%d", a.last>>8, a.last&0xff)
	a.known[uid] = address
	return address
}

func (a *addresses) forget(uid types.UID) {
	a.lock.Lock()
	defer a.lock.Unlock()
	delete(a.known, uid)
}

// skipUsed goes on behind the addresses that pods got from us before a restart.
func (a *addresses) skipUsed(pods []any) {
	for _, object := range pods {
		pod, _ := object.(*corev1.Pod)
		address, err := netip.ParseAddr(pod.Status.PodIP)
		if err != nil || !address.Is4() {
			continue
		}
		bytes := address.As4()
		a.last = max(a.last, uint16(bytes[2])<<8|uint16(bytes[3]))
	}
}
