// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"shim6/daemon/control"
	"shim6/daemon/internal/engine"
	"shim6/daemon/internal/reap"
)

// Sessions makes one page at a time. The loop makes a list of names, and a page of glances; what takes
// long with many contexts, to look at their texts, is done beside it.
func (b backend) Sessions(ctx context.Context, r control.SessionsRequest) (*control.Sessions, error) {
	b.d.overviews.pages.Lock()
	defer b.d.overviews.pages.Unlock()
	names, err := look(ctx, b.d, func() []engine.ULIDs { return slices.Collect(b.d.session.engine.Names()) })
	if err != nil {
		return nil, err
	}
	if find := strings.ToLower(strings.TrimSpace(r.Find)); find != "" {
		names = slices.DeleteFunc(names, func(u engine.ULIDs) bool {
			return !strings.Contains(u.Peer.String(), find) && !strings.Contains(u.Local.String(), find)
		})
	}
	page := &control.Sessions{Total: len(names), From: min(r.From, len(names)), Glances: []control.Glance{}}
	names = names[page.From:min(page.From+control.MaxGlances, len(names))]
	_, err = look(ctx, b.d, func() any {
		s := b.d.session
		interfaces := map[netip.Addr]string{}
		for _, l := range b.d.host.assess() {
			interfaces[l.Address] = l.Interface
		}
		for _, u := range names {
			x, ok := s.engine.Session(u)
			if !ok {
				continue
			}
			w := shown{ulids: u, switched: b.d.history.tally.last[u], protection: s.protectionOf(u, x)}
			if g, ok := s.glance(interfaces, &w); ok {
				page.Glances = append(page.Glances, g)
			}
		}
		return nil
	})
	return page, err
}

// protectionOf says how far a context is protected.
func (s *session) protectionOf(u engine.ULIDs, x *engine.Session) reap.Protection {
	if x.Info().State.Sends() {
		return s.explorer.Protection(x)
	}
	return s.protection(u)
}
