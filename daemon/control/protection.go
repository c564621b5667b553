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

// Protection is what a context would have if its provider failed. Only a context that can
// send has it.
type Protection struct {
	Name
	Protected bool `json:"protected"`
	// Pairs are the other locator pairs, between other networks than the current one.
	Pairs int `json:"pairs"`
	// NetworksLocal and NetworksPeer are those of these pairs and of the current one.
	NetworksLocal int `json:"networks-local"`
	NetworksPeer  int `json:"networks-peer"`
	// LackLocal and LackPeer say why a host has only one.
	LackLocal string `json:"lack-local,omitempty"`
	LackPeer  string `json:"lack-peer,omitempty"`
	// Text says all that in words.
	Text string `json:"text"`
}

// Protections asks what up to MaxProtections contexts would have if their provider failed.
// Contexts that shim6d does not know are left out.
func (c *Client) Protections(ctx context.Context, names []Name) (l []Protection, err error) {
	q := url.Values{}
	for _, n := range names {
		q.Add("context", n.text())
	}
	return l, c.ask(ctx, http.MethodGet, "/protection?"+q.Encode(), nil, &l)
}
