// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"bytes"
	"slices"
	"syscall"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/genetlink/genltest"
	"github.com/mdlayher/netlink"
)

// fakeKernel stands for the kernel in examples. It keeps the attributes of requests and returns
// them in replies. In a reply a later attribute replaces an earlier one, so a change is appended.
type fakeKernel struct {
	contexts, policies [][]byte
	config             []byte
}

// DialFake is Dial for examples: the Client's kernel is a fakeKernel without objects.
func DialFake() *Client {
	family := genetlink.Family{ID: familyID, Name: familyName, Version: familyVersion}
	k := &fakeKernel{config: attributes(1, MaxContextsDefault, 2, MaxFlowsDefault, 3, TriggerPacketsDefault,
		4, TriggerTimeDefault, 5, SendTimeoutDefault, 6, IdleTimeoutDefault, 7, 0, 8, UdpPortDefault, 9, WatchStreamsDefault)}
	if _, err := parseConfig(k.config); err != nil {
		panic("the configuration in DialFake, netlink/fake_test.go: " + err.Error())
	}
	c, err := newClient(genltest.Dial(genltest.ServeFamily(family, k.serve)))
	if err != nil {
		panic(err)
	}
	return c
}

// find returns the index of the context that a request names, below 0 if there is none.
func (k *fakeKernel) find(request []byte) int {
	wanted, _ := parseContext(request)
	return slices.IndexFunc(k.contexts, func(b []byte) bool {
		c, _ := parseContext(b)
		return c.ULIDs == wanted.ULIDs
	})
}

func (k *fakeKernel) serve(m genetlink.Message, h netlink.Message) ([]genetlink.Message, error) {
	done := []genetlink.Message{{}}
	list := func(objects ...[]byte) (replies []genetlink.Message, _ error) {
		for _, o := range objects {
			replies = append(replies, genetlink.Message{Data: o})
		}
		return replies, nil
	}
	switch b := bytes.Clone(m.Data); m.Header.Command {
	case cmdConfigGet:
		return list(k.config)
	case cmdConfigSet:
		k.config = append(k.config, b...)
		return done, nil
	case cmdPolicyNew:
		k.policies = append(k.policies, b)
		return done, nil
	case cmdPolicyGet:
		return list(k.policies...)
	case cmdContextNew:
		k.contexts = append(k.contexts, b)
		return done, nil
	case cmdContextGet, cmdContextSet:
		if h.Header.Flags&netlink.Dump == netlink.Dump {
			return list(k.contexts...)
		}
		i := k.find(b)
		if i < 0 {
			return nil, genltest.Error(int(syscall.ENOENT))
		}
		if m.Header.Command == cmdContextGet {
			return list(k.contexts[i])
		}
		k.contexts[i] = append(k.contexts[i], b...)
		return done, nil
	}
	return nil, genltest.Error(int(syscall.EOPNOTSUPP))
}
