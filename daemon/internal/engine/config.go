// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"
)

// The protocol constants of RFC 5533, section 14.
const (
	I1RetriesMax         = 4
	I1Timeout            = 4 * time.Second
	NoR1HolddownTime     = time.Minute
	ICMPHolddownTime     = 10 * time.Minute
	I2Timeout            = 4 * time.Second
	I2RetriesMax         = 2
	I2bisTimeout         = 4 * time.Second
	I2bisRetriesMax      = 2
	ValidatorMinLifetime = 30 * time.Second
	UpdateTimeout        = 4 * time.Second
	MaxUpdateTimeout     = 120 * time.Second
)

// OtherTimeout is how long a message that was sent by one encapsulation waits for an answer
// before it is sent by the other one as well. RFC 5533 knows no other.
const OtherTimeout = 500 * time.Millisecond

const (
	// DefaultSendTimeout is the Send Timeout that a peer assumes (RFC 5534, section 7).
	DefaultSendTimeout = 15 * time.Second
	// MinIdleTimeout is the least time that a context must be quiescent before it may be
	// discarded (RFC 5533, section 9).
	MinIdleTimeout = 5 * time.Minute
	// MaxLocators is how many locators of each side a context can have in
	// the kernel.
	MaxLocators = 32
)

// Config is the configuration of an Engine. A field that is zero has its default value. Random
// has no default.
type Config struct {
	// Random is the source of all random numbers: tags, nonces, secrets and jitter. Except
	// in tests nobody must be able to predict it: for example, it is a rand.ChaCha8 seeded
	// from crypto/rand.
	Random rand.Source
	// Verifier proves the locators of peers. The default is CGAVerifier, which does what RFC
	// 5533, section 7.2, requires.
	Verifier Verifier
	// TrustedPrefixes are prefixes whose addresses need no proof: if a peer's ULID is in one
	// of them, every locator in one of them is taken to be the peer's. Anybody who can send
	// from there can then take over sessions, so this is for the laboratory. There are none
	// by default.
	TrustedPrefixes []netip.Prefix
	// SendTimeout is our Send Timeout in new contexts (RFC 5534, section 7), in whole
	// milliseconds. Adopted contexts keep theirs. The default is DefaultSendTimeout; any
	// other value is told to peers in a Keepalive Timeout option.
	SendTimeout time.Duration
	// IdleTimeout is how long a context must have been quiescent before it is discarded. The
	// default and the least value is MinIdleTimeout.
	IdleTimeout time.Duration
	// MaxContexts is how many contexts there can be; 131072 by default. An eighth of this
	// limit and of the next two is kept for contexts that this host begins, so that peers
	// can't fill them.
	MaxContexts int
	// MaxPeerContexts is how many contexts there can be with one ULID of a
	// peer; 256 by default.
	MaxPeerContexts int
	// MaxPrefixContexts is how many contexts there can be with ULIDs of one
	// /64; 8192 by default.
	MaxPrefixContexts int
	// R1, R1bis and ErrorMessages limit the answers to packets that prove nothing. The
	// defaults are 200 a second to a /64 and 20000 a second in total for R1, 50 and 5000 for
	// R1bis, 10 and 1000 for Error messages. A quarter of each total is for known hosts. Of
	// R1's, another quarter is for strangers that come again.
	R1, R1bis, ErrorMessages Limit
	// DebugErrors: Error messages with codes 120 to 127 are sent for messages that the RFC
	// wants discarded silently (RFC 5533, section 5.14).
	DebugErrors bool
	// UDP is whether messages and payload are sent in UDP; UDPNever by default.
	UDP UseUDP
	// Explorer is REAP (RFC 5534). Without it, Probes and Reap events have no effect, and no
	// context leaves its locator pair.
	Explorer Explorer
}

// Limit is how many messages may be sent a second, on average and at once.
type Limit struct {
	// PerPrefix is the limit for the addresses of one /64.
	PerPrefix int
	// Total is the limit for all addresses.
	Total int
}

func (c Config) withDefaults() (Config, error) {
	if c.Random == nil {
		return c, errors.New("engine: Config.Random is nil: it needs a source of random numbers")
	}
	if c.Verifier == nil {
		c.Verifier = CGAVerifier{}
	}
	for _, p := range c.TrustedPrefixes {
		if !p.IsValid() || !p.Addr().Is6() || p.Addr().Is4In6() {
			return c, fmt.Errorf("engine: Config.TrustedPrefixes has %v: it takes IPv6 prefixes", p)
		}
	}
	for _, d := range []struct {
		name     string
		v        *time.Duration
		def      time.Duration
		min, max time.Duration
	}{
		{"SendTimeout", &c.SendTimeout, DefaultSendTimeout, 10 * time.Second, 100 * time.Second},
		{"IdleTimeout", &c.IdleTimeout, MinIdleTimeout, MinIdleTimeout, 365 * 24 * time.Hour},
	} {
		if *d.v == 0 {
			*d.v = d.def
		}
		if *d.v < d.min || *d.v > d.max {
			return c, fmt.Errorf("engine: Config.%s is %v: it must be from %v to %v", d.name, *d.v, d.min, d.max)
		}
	}
	// The kernel stores milliseconds, and the value is compared with the kernel's.
	c.SendTimeout = c.SendTimeout.Round(time.Millisecond)
	for _, n := range []struct {
		name string
		v    *int
		def  int
	}{
		{"MaxContexts", &c.MaxContexts, 131072},
		{"MaxPeerContexts", &c.MaxPeerContexts, 256},
		{"MaxPrefixContexts", &c.MaxPrefixContexts, 8192},
		{"R1.PerPrefix", &c.R1.PerPrefix, 200},
		{"R1.Total", &c.R1.Total, 20000},
		{"R1bis.PerPrefix", &c.R1bis.PerPrefix, 50},
		{"R1bis.Total", &c.R1bis.Total, 5000},
		{"ErrorMessages.PerPrefix", &c.ErrorMessages.PerPrefix, 10},
		{"ErrorMessages.Total", &c.ErrorMessages.Total, 1000},
	} {
		if *n.v == 0 {
			*n.v = n.def
		}
		if *n.v < 0 {
			return c, fmt.Errorf("engine: Config.%s is %d: it must be positive, or 0 for the default of %d", n.name, *n.v, n.def)
		}
	}
	return c, nil
}
