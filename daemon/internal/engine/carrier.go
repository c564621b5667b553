// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"container/list"
	"net/netip"
	"time"
)

const (
	// maxCarriers is how many pairs of networks are remembered between which native messages
	// are lost. The one learned least recently is forgotten first.
	maxCarriers = 4096
	// carrierTrial is for how long that is believed at first, because a message may be lost by
	// chance; and carrierTime if it is found again later. A firewall that has changed is noticed
	// no later.
	carrierTrial = 10 * time.Minute
	carrierTime  = 24 * time.Hour
)

// Carrier says that messages between two networks pass in UDP, and natively not. Networks are
// the first 64 bits of the addresses.
type Carrier struct {
	Local, Peer netip.Prefix
	// Left is for how long this is to be believed; 0 says that it is not true any more.
	Left time.Duration
}

type network struct{ local, peer prefix }

func networkOf(p Pair) network { return network{prefixOf(p.Local), prefixOf(p.Peer)} }

// carriers are the networks between which messages pass in UDP alone. The zero carriers know of
// none.
type carriers struct {
	by    map[network]*list.Element
	order list.List
}

type carrier struct {
	network network
	until   time.Duration
}

// udp reports whether messages between the networks of a pair are known to pass in UDP alone.
func (t *carriers) udp(p Pair, now time.Duration) bool {
	e := t.by[networkOf(p)]
	return e != nil && now < e.Value.(*carrier).until
}

// learn takes over what a pair has shown, and reports whether that is news.
func (t *carriers) learn(p Pair, now time.Duration) bool {
	of := networkOf(p)
	e := t.by[of]
	if p.Encapsulation == Native {
		if e == nil {
			return false
		}
		t.forget(e)
		return true
	}
	lasts := carrierTrial
	if e != nil {
		switch until := e.Value.(*carrier).until; {
		case now < until:
			return false
		case now-until < carrierTime:
			lasts = carrierTime
		}
	}
	t.put(of, now+lasts)
	return true
}

func (t *carriers) put(of network, until time.Duration) {
	if t.by == nil {
		t.by = make(map[network]*list.Element)
	}
	if e := t.by[of]; e != nil {
		t.forget(e)
	}
	if t.order.Len() >= maxCarriers {
		t.forget(t.order.Back())
	}
	t.by[of] = t.order.PushFront(&carrier{of, until})
}

func (t *carriers) forget(e *list.Element) {
	delete(t.by, e.Value.(*carrier).network)
	t.order.Remove(e)
}

// entry is what is to be kept of the networks of a pair.
func (t *carriers) entry(p Pair, now time.Duration) Carrier {
	c := Carrier{Local: slash64(p.Local), Peer: slash64(p.Peer)}
	if e := t.by[networkOf(p)]; e != nil {
		c.Left = e.Value.(*carrier).until - now
	}
	return c
}

// restore takes over what was kept by an earlier Engine.
func (t *carriers) restore(list []Carrier, now time.Duration) {
	for _, c := range list {
		if c.Left > 0 && c.Local.Addr().Is6() && c.Peer.Addr().Is6() {
			t.put(networkOf(Pair{Local: c.Local.Addr(), Peer: c.Peer.Addr()}), now+min(c.Left, carrierTime))
		}
	}
}

func slash64(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, 64).Masked() }
