// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"encoding/binary"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// told is a link's message with these sysctls, of which some come before and after those that matter.
func told(values ...int32) netlink.Message {
	var conf []byte
	for _, v := range values {
		conf = binary.NativeEndian.AppendUint32(conf, uint32(v))
	}
	b := make([]byte, unix.SizeofIfInfomsg)
	b = append(b, attributes(func(e *netlink.AttributeEncoder) {
		e.String(unix.IFLA_IFNAME, "up1")
		e.Nested(unix.IFLA_AF_SPEC, func(e *netlink.AttributeEncoder) error {
			e.Bytes(unix.AF_INET, []byte{1, 2, 3, 4})
			e.Nested(unix.AF_INET6, func(e *netlink.AttributeEncoder) error {
				e.Bytes(1, []byte{0, 0, 0, 0})
				e.Bytes(iflaInet6Conf, conf)
				return nil
			})
			return nil
		})
	})...)
	return netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWLINK}, Data: b}
}

func TestParseLifetimes(t *testing.T) {
	before := make([]int32, tempValidAt)
	for _, c := range []struct {
		m    netlink.Message
		want Lifetimes
		ok   bool
	}{
		{told(append(before, 604800, 3600, 7)...), Lifetimes{time.Hour, 168 * time.Hour}, true},
		{told(append(before, 0, -1)...), DefaultLifetimes, true},
		{told(append(before, 604800)...), Lifetimes{}, false},
		{netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWLINK}, Data: make([]byte, unix.SizeofIfInfomsg)}, Lifetimes{}, false},
		{netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWLINK}, Data: make([]byte, 3)}, Lifetimes{}, false},
		{netlink.Message{Header: netlink.Header{Type: unix.RTM_DELLINK}, Data: told(append(before, 1, 2)...).Data}, Lifetimes{}, false},
	} {
		if got, ok := parseLifetimes(c.m); got != c.want || ok != c.ok {
			t.Errorf("%v, %v; wanted %v, %v", got, ok, c.want, c.ok)
		}
	}
}

// The running kernel tells what its sysctls say.
func TestKernelLifetimes(t *testing.T) {
	k, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	got, err := k.Lifetimes(1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Lifetimes(1 << 30); err == nil {
		t.Error("of a link that is not there it tells lifetimes")
	}
	for name, l := range map[string]time.Duration{"temp_prefered_lft": got.Preferred, "temp_valid_lft": got.Valid} {
		b, err := os.ReadFile("/proc/sys/net/ipv6/conf/lo/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if want, err := strconv.Atoi(strings.TrimSpace(string(b))); err != nil || l != time.Duration(want)*time.Second {
			t.Errorf("%s is %v; it says %s", name, l, b)
		}
	}
}
