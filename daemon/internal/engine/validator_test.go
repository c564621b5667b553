// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"shim6/tools/conformance/shows"
)

// The secret changes. A validator that was made with the last secret is good for its lifetime.
// One that was made with the secret before that is not.
func TestSecretChanges(t *testing.T) {
	shows.IDs(t, "5533-16-02")
	r := random{rand.NewPCG(1, 3)}
	v := newValidator(&r)
	p := packet{source: netip.MustParseAddr("3fff:bad::1"), destination: netip.MustParseAddr("2001:db8:1::1")}
	make := func(now time.Duration) []byte { return v.r1bis(now, 0, v.nonce(now), p, 7) }
	period := secretPeriods * noncePeriod
	now := 50*period - time.Second
	nonce, first := v.nonce(now), make(now)
	now += ValidatorMinLifetime
	age, ok := v.recent(now, nonce)
	if !ok || !slices.Equal(v.r1bis(now, age, nonce, p, 7), first) {
		t.Error("the validator does not outlive the secret")
	}
	// The same nonce, with each secret there has been.
	seen := map[string]bool{}
	for i := range time.Duration(5) {
		seen[string(v.r1bis(now+i*period, 0, 1, p, 7))] = true
	}
	if len(seen) != 5 {
		t.Errorf("%d secrets in five periods", len(seen))
	}
	if _, ok := v.recent(now+period, nonce); ok {
		t.Error("the nonce is still recent")
	}
}
