// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"net/netip"
	"time"

	"shim6/daemon/wire"
)

// Record is the part of a context that a restart needs and the kernel does not keep. It is
// plain data, to be written and read as JSON or in another form. It contains secrets, the
// tags, so only the daemon may read it. It contains no absolute times.
type Record struct {
	ULIDs
	State    State           `json:"state"`
	TagLocal wire.ContextTag `json:"tag_local"`
	TagPeer  wire.ContextTag `json:"tag_peer"`
	// Exchange is the locator pair of the exchange that makes the context. The next four
	// fields belong to the exchange, and are there as long as it lasts.
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
	// Uncertain: the peer was told other locators as well, and we don't know which of them
	// it has accepted. It must be told again once the context is established.
	Uncertain bool `json:"uncertain,omitempty"`
	// Alone: the peer is told only what can be proved (trustRefused).
	Alone bool `json:"alone,omitempty"`
	// Plain: the peer is told only of locators that need no signature.
	Plain bool `json:"plain,omitempty"`
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
	// Flags, Priority and Weight are the preference that the peer has told.
	Flags    wire.PreferenceFlags `json:"flags,omitempty"`
	Priority uint8                `json:"priority,omitempty"`
	Weight   uint8                `json:"weight,omitempty"`
	// Verified: the locator is the peer's, by HBA, CGA or a trusted prefix. Before that,
	// nothing is sent there.
	Verified bool `json:"verified"`
	// Probed: something has come back from there, so the peer is there. Before that, no
	// payload is sent there.
	Probed bool `json:"probed"`
	// Dropped: the locator is not in the peer's newest list, and is only kept because it is
	// still in use. It must not be chosen again.
	Dropped bool `json:"dropped,omitempty"`
	// Index is the locator's place in the peer's list, in whose order preferences are told.
	// It is -1 if the locator isn't in the list. That may be so even for the ULID.
	Index int `json:"index"`
}
