// SPDX-License-Identifier: BSD-3-Clause

package reap

import "shim6/daemon/internal/engine"

// Sentences that say why a context is not protected. Each has a name in lackNames.
const (
	noShim6       = "the peer has no Shim6"
	unanswering   = "the peer does not answer Shim6: it has none, or a firewall drops it"
	notYet        = "the peer has not answered yet"
	noLocator     = "our ULID is no address that Shim6 may use"
	noContext     = "shim6d has no context with the peer"
	temporaryULID = "our ULID is a temporary address, which proves no other"
	foreignULID   = "our ULID was not made by shim6d, and proves no other address"
	oneProvider   = "we have one provider"
	ourBroken     = "our locators by other providers are broken or not to be used"
	ourUnfit      = "our other locators go with none of the peer's that can be used"
	theirBroken   = "the peer's by other providers are broken or not proved"
	theirUnfit    = "the peer's other locators go with none of ours that can be used"
	theirOne      = "the peer has told of no other provider"
	theirUnknown  = "the peer has told of no other provider: it has none, or its ULID proves none"
)

// lackNames are short names of the sentences, for counters. They are part of the control socket.
var lackNames = map[string]string{
	noShim6: "no-shim6", unanswering: "no-answer", notYet: "not-answered-yet", noLocator: "no-locator", noContext: "no-context",
	engine.PeerTranslated.String(): "peer-translated", engine.ProofIgnored.String(): "proof-ignored",
	temporaryULID: "temporary-ulid", foreignULID: "unproved-ulid", oneProvider: "one-provider", ourBroken: "broken-or-unused", ourUnfit: "no-fitting-pair",
	theirBroken: "broken-or-unproved", theirUnfit: "no-fitting-pair", theirOne: "one-provider", theirUnknown: "none-told",
}

// Lacks are short names, of which there are only a few, for the reasons why a context is not
// protected: why there is no context that can send or, if there is one, what each host lacks. They
// are "" for a host that lacks nothing, and for a context that is protected.
func (p Protection) Lacks() (why, local, peer string) {
	if p.Protected() {
		return "", "", ""
	}
	return lackNames[p.Why], lackNames[p.LackLocal], lackNames[p.LackPeer]
}
