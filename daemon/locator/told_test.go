// SPDX-License-Identifier: BSD-3-Clause

package locator

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"shim6/daemon/wire"
)

func TestTold(t *testing.T) {
	l := Locator{Address: netip.MustParseAddr("2001:db8:1::a"), Interface: "eth0", Available: true, Why: "x",
		Preference: wire.Preference{Flags: wire.FlagBroken, Priority: 1, Weight: 2}, ValidUntil: 10 * time.Second}
	b, err := json.Marshal(l.Told(4 * time.Second))
	want := `{"address":"2001:db8:1::a","interface":"eth0","available":true,"operational":false,"why":"x","broken":true,"priority":1,"weight":2,"valid-lifetime":6000,"hba":false,"cga":false,"temporary":false}`
	if err != nil || string(b) != want {
		t.Errorf("got\n%s, %v\nwanted\n%s", b, err, want)
	}
}
