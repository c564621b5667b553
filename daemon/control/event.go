// SPDX-License-Identifier: BSD-3-Clause

package control

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// EventWait is how long the daemon waits for an Event before it answers that there is none.
const EventWait = 20 * time.Second

// MaxEvents is how many Events an answer has.
const MaxEvents = 100

// Event is a Switch or a Change; the other is nil.
type Event struct {
	Sequence uint64  `json:"sequence"`
	Switch   *Switch `json:"switch,omitempty"`
	Change   *Change `json:"change,omitempty"`
}

// Events are Events in their order.
type Events struct {
	// Sequence is the number to ask behind the next time. Numbers only grow, also when the
	// daemon is started again.
	Sequence uint64 `json:"sequence"`
	// Missed: there were Events in between that the daemon does not remember, or it was started
	// again.
	Missed bool    `json:"missed"`
	Events []Event `json:"events"`
}

// Events returns the Events behind the one with a number. If there are none yet, it waits for the
// next, up to EventWait.
func (c *Client) Events(ctx context.Context, after uint64) (e Events, err error) {
	return e, c.get(ctx, fmt.Sprintf("/events?after=%d", after), &e)
}

// get asks for something.
func (c *Client) get(ctx context.Context, path string, reply any) error {
	return c.ask(ctx, http.MethodGet, path, nil, reply)
}
