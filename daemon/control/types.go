// SPDX-License-Identifier: BSD-3-Clause

package control

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"shim6/daemon/wire"
)

// Backend is the daemon behind the socket. Several goroutines call its methods.
type Backend interface {
	Status(context.Context) (Status, error)
	// Contexts have all tags: the server removes them for clients that may not see them.
	Contexts(context.Context) ([]Context, error)
	Locators(context.Context) ([]Locator, error)
	History(context.Context) ([]Change, error)
	// Paths are the locator pairs of all contexts. Switches tell how contexts came to
	// other pairs lately, the oldest first.
	Paths(context.Context) ([]Path, error)
	Switches(context.Context) ([]Switch, error)
	// Overview may be some time old. Callers do not change it.
	Overview(context.Context) (*Overview, error)
	// Sessions are some of all contexts at a glance.
	Sessions(context.Context, SessionsRequest) (*Sessions, error)
	// Events are those behind a number. Without any it waits for one until the context ends, and
	// then returns none.
	Events(ctx context.Context, after uint64) (Events, error)
	// Protections are those of the named ULID pairs, whether they have contexts or not.
	Protections(context.Context, []Name) ([]Protection, error)
	Open(context.Context, OpenRequest) error
	Close(context.Context, Name) error
	Refresh(context.Context, Name) error
	Use(context.Context, UseRequest) error
	// ProbeAll returns once Probes by all pairs have begun. Paths has what they show.
	ProbeAll(context.Context, Name) error
	// Doubt returns once the current pair is asked.
	Doubt(context.Context, Name) error
}

// ErrUnavailable says that the daemon can't do anything now, as when it ends.
var ErrUnavailable = errors.New("shim6d is not available")

// Status is the state of the daemon.
type Status struct {
	Version string `json:"version"`
	PID     int    `json:"pid"`
	// Uptime is in milliseconds.
	Uptime int64  `json:"uptime"`
	Config string `json:"config"`
	// Kernel is false while the module is not loaded.
	Kernel bool `json:"kernel"`
	// Contexts counts contexts in any state, HoldDowns ULID pairs in E-FAILED and
	// NO-SUPPORT, and Records contexts in the state file.
	Contexts  int `json:"contexts"`
	HoldDowns int `json:"hold-downs"`
	Records   int `json:"records"`
	Locators  int `json:"locators"`
	// RecordsError is why contexts are not kept for a restart, and KeysError why
	// the state directory lacks the keys and addresses of shim6d; both are ""
	// if all is well.
	RecordsError string `json:"records-error"`
	KeysError    string `json:"keys-error"`
	// EventsLost counts how often the events of the kernel or of rtnetlink came faster
	// than they were read. SendErrors counts messages that could not be sent.
	EventsLost uint64 `json:"events-lost"`
	SendErrors uint64 `json:"send-errors"`
	// Sent and Received count control messages by their type. Types without any are
	// left out.
	Sent     map[string]uint64 `json:"sent"`
	Received map[string]uint64 `json:"received"`
	// Dropped counts messages that were neither answered nor used, by reason.
	Dropped map[string]uint64 `json:"dropped"`
	// Reap has the counters of REAP since the protocol was last configured. Those that
	// are 0 are left out.
	Reap map[string]uint64 `json:"reap"`
}

// Name names a context.
type Name struct {
	ULIDLocal netip.Addr `json:"ulid-local"`
	ULIDPeer  netip.Addr `json:"ulid-peer"`
	FII       uint32     `json:"fii"`
}

// Check says what is wrong with a Name in a request.
func (n Name) Check() error {
	if !n.ULIDLocal.Is6() || !n.ULIDPeer.Is6() {
		return errors.New("a context is named by ulid-local and ulid-peer, which are IPv6 addresses")
	}
	return nil
}

// text is a Name in the query of GET /protection, as ParseName reads it.
func (n Name) text() string { return fmt.Sprintf("%v,%v,%d", n.ULIDLocal, n.ULIDPeer, n.FII) }

// ParseName reads a Name that is written ULID-LOCAL,ULID-PEER,FII.
func ParseName(word string) (n Name, err error) {
	parts := strings.Split(word, ",")
	if len(parts) != 3 {
		return n, errors.New("it is written ULID-LOCAL,ULID-PEER,FII")
	}
	if n.ULIDLocal, err = netip.ParseAddr(parts[0]); err != nil {
		return n, err
	}
	if n.ULIDPeer, err = netip.ParseAddr(parts[1]); err != nil {
		return n, err
	}
	fii, err := strconv.ParseUint(parts[2], 10, 32)
	if err != nil {
		return n, err
	}
	n.FII = uint32(fii)
	return n, n.Check()
}

// OpenRequest asks for a context.
type OpenRequest struct {
	Name
	// LocatorLocal and LocatorPeer, both or none, are the first pair to use.
	LocatorLocal netip.Addr `json:"locator-local,omitzero"`
	LocatorPeer  netip.Addr `json:"locator-peer,omitzero"`
	// Force begins even while a hold-down lasts.
	Force bool `json:"force,omitempty"`
}

// Check says what is wrong with a request.
func (r OpenRequest) Check() error {
	if r.LocatorLocal.IsValid() != r.LocatorPeer.IsValid() {
		return errors.New("a locator pair is locator-local and locator-peer, both")
	}
	return r.Name.Check()
}

// UseRequest asks for another current locator pair.
type UseRequest struct {
	Name
	LocatorLocal netip.Addr `json:"locator-local"`
	LocatorPeer  netip.Addr `json:"locator-peer"`
}

// Check says what is wrong with a request.
func (r UseRequest) Check() error {
	if !r.LocatorLocal.Is6() || !r.LocatorPeer.Is6() {
		return errors.New("a locator pair is locator-local and locator-peer, which are IPv6 addresses")
	}
	return r.Name.Check()
}

// Context is a context (RFC 5533, section 6.1) as the daemon has it.
type Context struct {
	Name
	// State is a name of the netlink specification, or e-failed or no-support.
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

// PreferenceOf is a preference as it is in messages.
func PreferenceOf(p wire.Preference) Preference {
	return Preference{
		Broken: p.Flags&wire.FlagBroken != 0, Transient: p.Flags&wire.FlagTransient != 0, Priority: p.Priority, Weight: p.Weight,
	}
}

// Locator is an address of this host.
type Locator struct {
	Address   netip.Addr `json:"address"`
	Interface string     `json:"interface"`
	// Router is the one by which packets from the locator leave. It is left out if there is none.
	Router      netip.Addr `json:"router,omitzero"`
	Available   bool       `json:"available"`
	Operational bool       `json:"operational"`
	// Why says why the locator is not available or operational, or why others are
	// preferred.
	Why string `json:"why,omitempty"`
	Preference
	// ValidLifetime is in milliseconds. It is left out if it does not end.
	ValidLifetime *int64 `json:"valid-lifetime,omitempty"`
	// HBA and CGA say how peers can verify the locator.
	HBA bool `json:"hba"`
	CGA bool `json:"cga"`
	// Temporary: the address changes for privacy (RFC 8981).
	Temporary bool `json:"temporary"`
}

// Failure is the answer to a request that was not done.
type Failure struct {
	Error string `json:"error"`
}

// Change is an event of a context.
type Change struct {
	Time time.Time `json:"time"`
	Name
	// From and To are states. They are left out if the state has not changed.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	Why  string `json:"why"`
}
