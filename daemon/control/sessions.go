// SPDX-License-Identifier: BSD-3-Clause

package control

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"unicode/utf8"
)

// MaxFind is how many octets SessionsRequest.Find has at most: more than an address.
const MaxFind = 64

// SessionsRequest asks for some of all contexts.
type SessionsRequest struct {
	// From is how many contexts are left out, the oldest first. It is not below 0.
	From int
	// Find has only contexts count one of whose ULIDs has this text in it.
	Find string
}

// Check says why the request makes no sense.
func (r SessionsRequest) Check() error {
	switch {
	case r.From < 0:
		return fmt.Errorf("from %d is below 0", r.From)
	case len(r.Find) > MaxFind || !utf8.ValidString(r.Find):
		return fmt.Errorf("what to find is a text of up to %d octets", MaxFind)
	}
	return nil
}

// ParseSessionsRequest reads the request of a query.
func ParseSessionsRequest(q url.Values) (r SessionsRequest, err error) {
	r.Find = q.Get("find")
	if from := q.Get("from"); from != "" {
		if r.From, err = strconv.Atoi(from); err != nil {
			return r, fmt.Errorf("from: %w", err)
		}
	}
	return r, r.Check()
}

// Query is the request as a query.
func (r SessionsRequest) Query() url.Values {
	return url.Values{"from": {strconv.Itoa(r.From)}, "find": {r.Find}}
}

// Sessions are up to MaxGlances contexts, the oldest first.
type Sessions struct {
	// Total counts all contexts, or those that have what was to be found. From is how many of them
	// are before the Glances.
	Total   int      `json:"total"`
	From    int      `json:"from"`
	Glances []Glance `json:"glances"`
}

// Sessions asks for some of all contexts.
func (c *Client) Sessions(ctx context.Context, r SessionsRequest) (s *Sessions, err error) {
	s = &Sessions{}
	return s, c.get(ctx, "/sessions?"+r.Query().Encode(), s)
}
