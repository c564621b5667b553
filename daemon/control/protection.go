// SPDX-License-Identifier: BSD-3-Clause

package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// MaxProtections is of how many contexts one question can be: the daemon looks through
// all pairs of each.
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
	// LackLocal and LackPeer say why a host has but one.
	LackLocal string `json:"lack-local,omitempty"`
	LackPeer  string `json:"lack-peer,omitempty"`
	// Text says all that in words.
	Text string `json:"text"`
}

// Protections asks what contexts would have if their provider failed, MaxProtections of
// them at most. Those that shim6d does not know are left out.
func (c *Client) Protections(ctx context.Context, names []Name) (l []Protection, err error) {
	q := url.Values{}
	for _, n := range names {
		q.Add("context", fmt.Sprintf("%v,%v,%d", n.ULIDLocal, n.ULIDPeer, n.FII))
	}
	return l, c.ask(ctx, http.MethodGet, "/protection?"+q.Encode(), nil, &l)
}

// protections serves GET /protection.
func (s *Server) protections(w http.ResponseWriter, r *http.Request) {
	names, err := parseNames(r.URL.Query()["context"])
	if err != nil {
		s.refuse(w, http.StatusBadRequest, err)
		return
	}
	list, err := s.backend.Protections(r.Context(), names)
	if err != nil {
		s.fail(w, err)
		return
	}
	s.answer(w, http.StatusOK, list)
}

func parseNames(words []string) ([]Name, error) {
	if len(words) > MaxProtections {
		return nil, fmt.Errorf("%d contexts are more than can be asked for at once: take up to %d", len(words), MaxProtections)
	}
	names := make([]Name, 0, len(words))
	for _, w := range words {
		n, err := parseName(w)
		if err != nil {
			return nil, fmt.Errorf("context %q: %w", w, err)
		}
		names = append(names, n)
	}
	return names, nil
}

func parseName(word string) (n Name, err error) {
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
	return n, n.check()
}
