// SPDX-License-Identifier: BSD-3-Clause

package control

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	"shim6/daemon/internal/engine"
	"shim6/daemon/locator"
	"shim6/daemon/wire"
)

// Backend is the daemon behind the socket. Its methods are called by several
// goroutines.
type Backend interface {
	Status(context.Context) (Status, error)
	// Contexts have all tags; the server leaves them out for who may not see
	// them.
	Contexts(context.Context) ([]Context, error)
	Locators(context.Context) ([]Locator, error)
	History(context.Context) ([]Change, error)
	// Paths are the locator pairs of all contexts, and Switches how those came
	// to others lately, the oldest first.
	Paths(context.Context) ([]Path, error)
	Switches(context.Context) ([]Switch, error)
	// Protections are those of the contexts that there are of these.
	Protections(context.Context, []Name) ([]Protection, error)
	Open(context.Context, OpenRequest) error
	Close(context.Context, Name) error
	Refresh(context.Context, Name) error
	Use(context.Context, UseRequest) error
}

// ErrUnavailable says that the daemon can't do anything now, as when it ends.
var ErrUnavailable = errors.New("shim6d is not available")

// Status is how the daemon is.
type Status struct {
	Version string `json:"version"`
	PID     int    `json:"pid"`
	// Uptime is in milliseconds.
	Uptime int64  `json:"uptime"`
	Config string `json:"config"`
	// Kernel is false while the module is not loaded.
	Kernel bool `json:"kernel"`
	// Contexts are those in any state, HoldDowns ULID pairs in E-FAILED and
	// NO-SUPPORT, Records contexts in the state file.
	Contexts  int `json:"contexts"`
	HoldDowns int `json:"hold-downs"`
	Records   int `json:"records"`
	Locators  int `json:"locators"`
	// RecordsError is why contexts are not kept for a restart, and KeysError why
	// the state directory lacks the keys and addresses of shim6d; both are ""
	// if all is well.
	RecordsError string `json:"records-error"`
	KeysError    string `json:"keys-error"`
	// EventsLost is how often the kernel's or rtnetlink's events came faster
	// than they were read, and SendErrors how many messages did not leave.
	EventsLost uint64 `json:"events-lost"`
	SendErrors uint64 `json:"send-errors"`
	// Sent and Received are control messages, by their type; those that are 0
	// are left out.
	Sent     map[string]uint64 `json:"sent"`
	Received map[string]uint64 `json:"received"`
	// Dropped are messages that were not answered or made use of, by reason.
	Dropped map[string]uint64 `json:"dropped"`
}

// Name names a context.
type Name struct {
	ULIDLocal netip.Addr `json:"ulid-local"`
	ULIDPeer  netip.Addr `json:"ulid-peer"`
	FII       uint32     `json:"fii"`
}

// ULIDs are n as the engine has them.
func (n Name) ULIDs() engine.ULIDs {
	return engine.ULIDs{Local: n.ULIDLocal, Peer: n.ULIDPeer, FII: n.FII}
}

// NameOf is the reverse of Name.ULIDs.
func NameOf(u engine.ULIDs) Name { return Name{u.Local, u.Peer, u.FII} }

func (n Name) check() error {
	if !n.ULIDLocal.Is6() || !n.ULIDPeer.Is6() {
		return errors.New("a context is named by ulid-local and ulid-peer, which are IPv6 addresses")
	}
	return nil
}

// OpenRequest asks for a context.
type OpenRequest struct {
	Name
	// LocatorLocal and LocatorPeer, both or none, are by which pair to begin.
	LocatorLocal netip.Addr `json:"locator-local,omitzero"`
	LocatorPeer  netip.Addr `json:"locator-peer,omitzero"`
	// Force begins even while a hold-down lasts.
	Force bool `json:"force,omitempty"`
}

func (r OpenRequest) check() error {
	if r.LocatorLocal.IsValid() != r.LocatorPeer.IsValid() {
		return errors.New("a locator pair is locator-local and locator-peer, both")
	}
	return r.Name.check()
}

// UseRequest asks for another current locator pair.
type UseRequest struct {
	Name
	LocatorLocal netip.Addr `json:"locator-local"`
	LocatorPeer  netip.Addr `json:"locator-peer"`
}

func (r UseRequest) check() error {
	if !r.LocatorLocal.Is6() || !r.LocatorPeer.Is6() {
		return errors.New("a locator pair is locator-local and locator-peer, which are IPv6 addresses")
	}
	return r.Name.check()
}

// Context is a context (RFC 5533, section 6.1) as the daemon has it.
type Context struct {
	Name
	// State is a name of the specification, or e-failed or no-support.
	State string `json:"state"`
	// Tags are for privileged readers.
	TagLocal     *wire.ContextTag `json:"tag-local,omitempty"`
	TagPeer      *wire.ContextTag `json:"tag-peer,omitempty"`
	LocatorLocal netip.Addr       `json:"locator-local,omitzero"`
	LocatorPeer  netip.Addr       `json:"locator-peer,omitzero"`
	// Encapsulation is that of the current locator pair; nil if there is none.
	Encapsulation       *Encapsulation `json:"encapsulation,omitempty"`
	InboundLocatorLocal netip.Addr     `json:"inbound-locator-local,omitzero"`
	InboundLocatorPeer  netip.Addr     `json:"inbound-locator-peer,omitzero"`
	LocatorsLocal       []netip.Addr   `json:"locators-local,omitempty"`
	LocatorsPeer        []PeerLocator  `json:"locators-peer,omitempty"`
	GenerationLocal     uint32         `json:"generation-local"`
	GenerationPeer      uint32         `json:"generation-peer"`
	// Updating: the peer has not yet acknowledged our newest locators.
	Updating bool `json:"updating"`
	// KeepaliveTimeout is in milliseconds.
	KeepaliveTimeout int64  `json:"keepalive-timeout"`
	ReapState        string `json:"reap-state,omitempty"`
}

// PeerLocator is a locator of a peer.
type PeerLocator struct {
	Address  netip.Addr `json:"address"`
	Method   string     `json:"method"`
	Verified bool       `json:"verified"`
	Probed   bool       `json:"probed"`
	Preference
}

// Preference is what is told to peers, or by them, of a locator.
type Preference struct {
	Broken    bool  `json:"broken,omitempty"`
	Transient bool  `json:"transient,omitempty"`
	Priority  uint8 `json:"priority"`
	Weight    uint8 `json:"weight"`
}

func preferenceOf(f wire.PreferenceFlags, priority, weight uint8) Preference {
	return Preference{f&wire.FlagBroken != 0, f&wire.FlagTransient != 0, priority, weight}
}

// StateName is the specification's name of a state.
func StateName(s engine.State) string { return strings.ToLower(s.String()) }

var reapNames = map[engine.ReapState]string{
	engine.ReapOperational: "operational",
	engine.ReapExploring:   "exploring",
	engine.ReapInboundOK:   "inbound-ok",
}

var methodNames = map[wire.VerificationMethod]string{wire.MethodHBA: "hba", wire.MethodCGA: "cga"}

// EncapsulationOf is an engine's encapsulation.
func EncapsulationOf(e engine.Encapsulation) Encapsulation {
	if e == engine.Native {
		return ""
	}
	return Encapsulation(e.String())
}

// ContextOf is a context of an engine.
func ContextOf(i engine.Info) Context {
	c := Context{Name: NameOf(i.ULIDs), State: StateName(i.State)}
	if i.State == engine.EFailed || i.State == engine.NoSupport {
		return c
	}
	c.TagLocal = &i.TagLocal
	if i.State.Sends() {
		c.TagPeer = &i.TagPeer
	}
	c.LocatorLocal, c.LocatorPeer = i.Current.Local, i.Current.Peer
	e := EncapsulationOf(i.Current.Encapsulation)
	c.Encapsulation = &e
	c.InboundLocatorLocal, c.InboundLocatorPeer = i.Inbound.Local, i.Inbound.Peer
	c.LocatorsLocal = i.LocalLocators
	for _, p := range i.PeerLocators {
		c.LocatorsPeer = append(c.LocatorsPeer, PeerLocator{
			Address: p.Address, Method: methodNames[p.Method], Verified: p.Verified, Probed: p.Probed,
			Preference: preferenceOf(p.Flags, p.Priority, p.Weight),
		})
	}
	c.GenerationLocal, c.GenerationPeer = i.LocalGeneration, i.PeerGeneration
	c.Updating = i.Updating
	c.KeepaliveTimeout = i.KeepaliveTimeout.Milliseconds()
	c.ReapState = reapNames[i.Reap]
	return c
}

// Locator is an address of this host.
type Locator struct {
	Address     netip.Addr `json:"address"`
	Interface   string     `json:"interface"`
	Available   bool       `json:"available"`
	Operational bool       `json:"operational"`
	// Why says why it is not, or why others are preferred.
	Why string `json:"why,omitempty"`
	Preference
	// ValidLifetime is in milliseconds; it is left out if it does not end.
	ValidLifetime *int64 `json:"valid-lifetime,omitempty"`
	// HBA and CGA say how peers can prove it.
	HBA bool `json:"hba"`
	CGA bool `json:"cga"`
}

// LocatorOf is a locator as it is at a time.
func LocatorOf(l locator.Locator, now time.Duration) Locator {
	j := Locator{
		Address: l.Address, Interface: l.Interface, Available: l.Available, Operational: l.Operational, Why: l.Why,
		Preference: preferenceOf(l.Preference.Flags, l.Preference.Priority, l.Preference.Weight),
	}
	if l.ValidUntil != 0 {
		ms := max(0, l.ValidUntil-now).Milliseconds()
		j.ValidLifetime = &ms
	}
	if l.PDS != nil {
		j.HBA = l.PDS.VerifyHBA(l.Address) == nil
		_, err := l.PDS.RSAPublicKey()
		j.CGA = err == nil
	}
	return j
}

// Change is something that has happened to a context.
type Change struct {
	Time time.Time `json:"time"`
	Name
	// From and To are states; they are left out if it is not the state that
	// has changed.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	Why  string `json:"why"`
}
