// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"net/netip"
	"time"

	"shim6/daemon/wire"
)

// Record is what is worth keeping of a context and that the kernel does not
// keep. It is plain data, to be written and read as JSON or by any other means.
// It has secrets in it, the tags, and is for the eyes of the daemon alone. There
// are no absolute times in it.
type Record struct {
	ULIDs
	State    State           `json:"state"`
	TagLocal wire.ContextTag `json:"tag_local"`
	TagPeer  wire.ContextTag `json:"tag_peer"`
	// Exchange is the locator pair of the exchange that makes the context, and
	// the next four belong to it: they are there while it lasts.
	Exchange        Pair            `json:"exchange"`
	InitiatorNonce  uint32          `json:"initiator_nonce,omitempty"`
	ResponderNonce  uint32          `json:"responder_nonce,omitempty"`
	Validator       []byte          `json:"validator,omitempty"`
	PacketTag       wire.ContextTag `json:"packet_tag,omitempty"`
	PeerGeneration  uint32          `json:"peer_generation"`
	PeerListed      int             `json:"peer_listed"`
	PeerLocators    []PeerLocator   `json:"peer_locators"`
	PeerPDS         []byte          `json:"peer_pds,omitempty"`
	PeerKeepalive   time.Duration   `json:"peer_keepalive,omitempty"`
	RequestsSeen    []uint32        `json:"requests_seen,omitempty"`
	LocalGeneration uint32          `json:"local_generation"`
	// LocalLocators are Ls(local) as the peer last knew it.
	LocalLocators   []wire.Locator    `json:"local_locators"`
	LocalPreference []wire.Preference `json:"local_preference,omitempty"`
	// Uncertain: the peer has been told others as well, and which it has taken
	// is not known. It is to be told again once the context is established.
	Uncertain bool `json:"uncertain,omitempty"`
	// Alone: the peer is not told of locators that nothing proves.
	Alone bool `json:"alone,omitempty"`
	// Update is an Update Request that waits for its acknowledgement.
	Update *UpdateRecord `json:"update,omitempty"`
}

// UpdateRecord is an Update Request that has not been acknowledged.
type UpdateRecord struct {
	RequestNonce uint32            `json:"request_nonce"`
	Generation   uint32            `json:"generation"`
	Locators     []wire.Locator    `json:"locators"`
	Preference   []wire.Preference `json:"preference,omitempty"`
}

// PeerLocator is a member of Ls(peer) (RFC 5533, section 6.1).
type PeerLocator struct {
	Address netip.Addr              `json:"address"`
	Method  wire.VerificationMethod `json:"method"`
	// Preference is what the peer has said of it.
	Flags    wire.PreferenceFlags `json:"flags,omitempty"`
	Priority uint8                `json:"priority,omitempty"`
	Weight   uint8                `json:"weight,omitempty"`
	// Verified: it is the peer's, by HBA, CGA or a trusted prefix. Nothing is
	// sent there before.
	Verified bool `json:"verified"`
	// Probed: something has come back from there, so the peer is there. No
	// payload is sent there before.
	Probed bool `json:"probed"`
	// Dropped: it is not in the peer's newest list, and is here because it is
	// still in use. It is not to be chosen again.
	Dropped bool `json:"dropped,omitempty"`
	// Index is its place in the peer's list, by which preferences are told;
	// -1 if it isn't in the list, as the ULID may be.
	Index int `json:"index"`
}
