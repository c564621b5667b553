// SPDX-License-Identifier: BSD-3-Clause

package netlink_test

import (
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net/netip"
	"time"

	"shim6/netlink"
)

// The contexts in the examples are between 2001:db8:1::a and 2001:db8:2::b.
var ulids = netlink.ULIDs{
	Local: netip.MustParseAddr("2001:db8:1::a"),
	Peer:  netip.MustParseAddr("2001:db8:2::b"),
}

func pointer[T any](v T) *T { return &v }

// Contexts lists what `shim6tool context` shows. A list that changes while it is read comes with
// ErrInterrupted, and is good enough for many uses.
func ExampleClient_Contexts() {
	c := netlink.DialFake() // in a program: netlink.Dial(nil)
	defer c.Close()
	err := c.NewContext(ulids, 0x123456789abc, netlink.ContextUpdate{
		TagPeer:      pointer(uint64(0x3456789abcde)),
		State:        pointer(netlink.ContextStateEstablished),
		LocatorLocal: pointer(netip.MustParseAddr("2001:db8:3::a")),
		LocatorPeer:  &ulids.Peer,
	})
	if err != nil {
		log.Fatal(err)
	}

	contexts, err := c.Contexts()
	if err != nil && !errors.Is(err, netlink.ErrInterrupted) {
		log.Fatal(err)
	}
	for _, x := range contexts {
		fmt.Printf("%s to %s is %s and goes from %s to %s\n", x.Local, x.Peer, x.State, x.LocatorLocal, x.LocatorPeer)
	}
	// Output:
	// 2001:db8:1::a to 2001:db8:2::b is established and goes from 2001:db8:3::a to 2001:db8:2::b
}

// The kernel selects the contexts that a filter fits.
func ExampleClient_ContextsWith() {
	c, err := netlink.Dial(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	contexts, err := c.ContextsWith(netlink.ContextFilter{ReapState: pointer(netlink.ReapStateExploring)})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(contexts), "contexts look for another pair")
}

// Only the values of the update change. If there is no such context, the error is an
// fs.ErrNotExist.
func ExampleClient_SetContext() {
	c := netlink.DialFake() // in a program: netlink.Dial(nil)
	defer c.Close()
	if err := c.NewContext(ulids, 1, netlink.ContextUpdate{SendTimeout: pointer(15 * time.Second)}); err != nil {
		log.Fatal(err)
	}

	if err := c.SetContext(ulids, netlink.ContextUpdate{SendTimeout: pointer(10 * time.Second)}); err != nil {
		log.Fatal(err)
	}
	x, err := c.Context(ulids)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("Send Timeout:", x.SendTimeout)

	forked := ulids
	forked.FII = 7
	err = c.SetContext(forked, netlink.ContextUpdate{SendTimeout: pointer(10 * time.Second)})
	fmt.Println("there is a forked context:", !errors.Is(err, fs.ErrNotExist))
	// Output:
	// Send Timeout: 10s
	// there is a forked context: false
}

// Packets of SSH never go by another locator pair.
func ExampleClient_NewPolicy() {
	c := netlink.DialFake() // in a program: netlink.Dial(nil)
	defer c.Close()
	err := c.NewPolicy(netlink.Policy{
		Preference: pointer(uint32(100)),
		Protocol:   pointer(uint8(6)),
		Port:       pointer(uint16(22)),
		Action:     netlink.PolicyActionBypass,
	})
	if err != nil {
		log.Fatal(err)
	}

	policies, err := c.Policies()
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range policies {
		fmt.Printf("%d: %s port %d\n", *p.Preference, p.Action, *p.Port)
	}
	// Output:
	// 100: bypass port 22
}

// A duration that the kernel can't count is refused before the kernel is asked.
func ExampleClient_SetConfig() {
	c := netlink.DialFake() // in a program: netlink.Dial(nil)
	defer c.Close()
	if err := c.SetConfig(netlink.ConfigUpdate{TriggerTime: pointer(5 * time.Second)}); err != nil {
		log.Fatal(err)
	}
	config, err := c.Config()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(config.TriggerPackets, "packets or", config.TriggerTime)
	fmt.Println(c.SetConfig(netlink.ConfigUpdate{TriggerTime: pointer(1500 * time.Microsecond)}))
	// Output:
	// 45 packets or 5s
	// trigger-time: 1.5ms is not a whole number of milliseconds
}

// A Monitor that has lost notifications goes on, but the contexts are to be read again.
func ExampleWatch() {
	m, err := netlink.Watch(nil, netlink.GroupContext)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	for {
		list, err := m.Receive()
		switch {
		case errors.Is(err, netlink.ErrOverflow):
			fmt.Println("some changes were lost: read the contexts again")
		case err != nil:
			log.Fatal(err)
		}
		for _, n := range list {
			fmt.Println(n.Context.Local, n.Context.Peer, "deleted:", n.Deleted)
		}
	}
}

// A daemon receives the changes of other programs, but not those of its own Commander.
func ExampleRegister() {
	c, err := netlink.DialCommander(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	events, err := netlink.Register(nil, netlink.RoleMain, c.Port())
	if err != nil {
		log.Fatal(err)
	}
	defer events.Close()
	// Register comes first: the list and the events that follow miss nothing.
	contexts, err := c.Contexts()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(contexts), "contexts")
	for {
		list, err := events.Receive()
		if err != nil {
			log.Fatal(err)
		}
		for _, ev := range list {
			switch ev := ev.(type) {
			case netlink.AcquireEvent:
				fmt.Println("a context is wanted for", ev.Local, ev.Peer)
			case netlink.GoneEvent:
				return
			}
		}
	}
}
