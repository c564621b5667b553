// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/mdlayher/netlink"

	"shim6/daemon/cga"
)

// encoded is a message in hexadecimal digits: its type and flags, its fixed header, and its
// attributes, sorted.
func encoded(t *testing.T, m netlink.Message) string {
	t.Helper()
	const header = 12
	ad, err := netlink.NewAttributeDecoder(m.Data[header:])
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for ad.Next() {
		list = append(list, fmt.Sprintf("%02x=%s", ad.Type(), hex.EncodeToString(ad.Bytes())))
	}
	if ad.Err() != nil {
		t.Fatal(ad.Err())
	}
	slices.Sort(list)
	return fmt.Sprintf("%d %x %s %s", m.Header.Type, uint16(m.Header.Flags), hex.EncodeToString(m.Data[:header]), strings.Join(list, " "))
}

// The octets are those that the kernel was given before a library encoded them.
func TestEncoding(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the octets are those of a little-endian machine")
	}
	source, router := cga.PrefixOf(a1), netip.MustParseAddr("fe80::1")
	rule, specific := Rule{Source: source, Priority: 32000, Table: 14002}, Rule{Source: source, Priority: 32000, Table: 14002, Specific: true}
	byDefault := Route{Table: 14002, Index: 2, Router: router, Metric: 1024}
	onLink := Route{Table: 14002, Index: 2, Metric: 1025}
	throw := Route{Table: 14002, Metric: 1024, Destination: netip.MustParsePrefix("2001:db8:9::/48"), Throw: true}
	mapped := Route{Table: 14002, Metric: 1024, Destination: netip.MustParsePrefix("::ffff:10.0.0.0/104"), Throw: true}
	global := Route{Table: 14002, Index: 2, Router: a2, Metric: 1024, Destination: netip.MustParsePrefix("2001:db8:9::/48")}
	for _, c := range []struct {
		action Action
		want   string
	}{
		{AddRule(rule),
			"32 605 0a0040000000000100000000 02=20010db8000100000000000000000000 06=007d0000 0f=b2360000 15=8c"},
		{AddRule(specific),
			"32 605 0a0040000000000100000000 02=20010db8000100000000000000000000 06=007d0000 0e=03000000 0f=b2360000 15=8c"},
		{DeleteRule(rule),
			"33 5 0a0040000000000100000000 02=20010db8000100000000000000000000 06=007d0000 0f=b2360000 15=8c"},
		{DeleteRule(specific),
			"33 5 0a0040000000000100000000 02=20010db8000100000000000000000000 06=007d0000 0e=03000000 0f=b2360000 15=8c"},
		{AddRule(Rule{Unsourced: true, Priority: 32000, Table: 14002}),
			"32 605 0a0003000000000102000000 02=20000000000000000000000000000000 06=007d0000 0f=b2360000 15=8c"},
		{AddRoute(byDefault),
			"24 605 0a000000008c000100000000 04=02000000 05=fe800000000000000000000000000001 06=00040000 0f=b2360000"},
		{DeleteRoute(byDefault),
			"25 5 0a000000008c000100000000 04=02000000 05=fe800000000000000000000000000001 06=00040000 0f=b2360000"},
		{AddRoute(onLink),
			"24 605 0a000000008c000100000000 04=02000000 06=01040000 0f=b2360000"},
		{AddRoute(throw),
			"24 605 0a300000008c000900000000 01=20010db8000900000000000000000000 06=00040000 0f=b2360000"},
		{DeleteRoute(throw),
			"25 5 0a300000008c000900000000 01=20010db8000900000000000000000000 06=00040000 0f=b2360000"},
		{AddRoute(mapped),
			"24 605 0a680000008c000900000000 01=00000000000000000000ffff0a000000 06=00040000 0f=b2360000"},
		{AddRoute(global),
			"24 605 0a300000008c000104000000 01=20010db8000900000000000000000000 04=02000000 05=20010db800020000000000000000000a 06=00040000 0f=b2360000"},
	} {
		if got := encoded(t, c.action.Message()); got != c.want {
			t.Errorf("%v:\n%s\nwanted\n%s", c.action, got, c.want)
		}
	}
}
