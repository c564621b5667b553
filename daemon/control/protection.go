// SPDX-License-Identifier: BSD-3-Clause

package control

import (
	"context"
	"net/http"
	"net/url"
)

// MaxProtections is how many contexts one request can name: the daemon looks through all
// pairs of each.
const MaxProtections = 100

// Protection is what a context would have if its provider failed. A ULID pair without a context
// that can send has none, and Why says why.
type Protection struct {
	Name
	Protected bool `json:"protected"`
	// Pairs are the other locator pairs, between other networks than the current one.
	Pairs int `json:"pairs"`
	// NetworksLocal and NetworksPeer are those of these pairs and of the current one.
	NetworksLocal int `json:"networks-local"`
	NetworksPeer  int `json:"networks-peer"`
	// LackLocal and LackPeer say why a host has only one, or that ours are by one router.
	LackLocal string `json:"lack-local,omitempty"`
	LackPeer  string `json:"lack-peer,omitempty"`
	// Why says why there is no context that can send; "" if there is one.
	Why string `json:"why,omitempty"`
	// Text says all that in words.
	Text string `json:"text"`
}

// Protections asks what up to MaxProtections ULID pairs would have if their provider failed.
func (c *Client) Protections(ctx context.Context, names []Name) (l []Protection, err error) {
	q := url.Values{}
	for _, n := range names {
		q.Add("context", n.text())
	}
	return l, c.ask(ctx, http.MethodGet, "/protection?"+q.Encode(), nil, &l)
}
