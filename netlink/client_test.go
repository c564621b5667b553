// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"math"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/genetlink/genltest"
	"github.com/mdlayher/netlink"
)

const familyID = 0x20

var wantConfig = Config{
	MaxContexts: 1, MaxFlows: 2, TriggerPackets: 3,
	TriggerTime: 4 * time.Millisecond, SendTimeout: 5 * time.Millisecond, IdleTimeout: math.MaxUint32 * time.Millisecond, ICMPToULP: 1, UDPPort: 8, WatchStreams: 1,
}

// attributes encodes 32-bit attributes given as number, value pairs.
func attributes(pairs ...uint32) []byte {
	var b []byte
	for i := 0; i < len(pairs); i += 2 {
		b = binary.NativeEndian.AppendUint16(b, 8)
		b = binary.NativeEndian.AppendUint16(b, uint16(pairs[i]))
		b = binary.NativeEndian.AppendUint32(b, pairs[i+1])
	}
	return b
}

func configMessage() []byte {
	return attributes(1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, math.MaxUint32, 7, 1, 8, 8, 9, 1)
}

// kernel connects a client to a function that stands for the kernel.
func kernel(t *testing.T, fn genltest.Func) *Client {
	t.Helper()
	family := genetlink.Family{ID: familyID, Name: familyName, Version: familyVersion}
	c, err := newClient(genltest.Dial(genltest.ServeFamily(family, fn)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestConfig(t *testing.T) {
	c := kernel(t, genltest.CheckRequest(familyID, cmdConfigGet, netlink.Request,
		func(greq genetlink.Message, _ netlink.Message) ([]genetlink.Message, error) {
			if len(greq.Data) != 0 {
				t.Errorf("config-get has attributes: %x", greq.Data)
			}
			return []genetlink.Message{{Data: configMessage()}}, nil
		}))
	got, err := c.Config()
	if err != nil {
		t.Fatalf("configMessage, which stands for the kernel's reply: %v", err)
	}
	if d := cmp.Diff(wantConfig, got); d != "" {
		t.Error(d)
	}
}

func TestConfigRepliesCounted(t *testing.T) {
	for _, n := range []int{0, 2} {
		c := kernel(t, func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) {
			return make([]genetlink.Message, n), nil
		})
		if _, err := c.Config(); err == nil || n == 2 && !strings.Contains(err.Error(), "2 replies") {
			t.Errorf("%d replies: %v", n, err)
		}
	}
}

func TestSetConfig(t *testing.T) {
	num := func(n uint32) *uint32 { return &n }
	dur := func(d time.Duration) *time.Duration { return &d }
	for _, tt := range []struct {
		name   string
		update ConfigUpdate
		want   []byte
	}{
		{"nothing", ConfigUpdate{}, nil},
		{"one", ConfigUpdate{MaxFlows: num(7)}, attributes(2, 7)},
		{"zero is a value", ConfigUpdate{TriggerPackets: num(0), TriggerTime: dur(0)}, attributes(3, 0, 4, 0)},
		{"all", ConfigUpdate{num(1), num(2), num(3), dur(time.Second), dur(15 * time.Second), dur(math.MaxUint32 * time.Millisecond), num(1), num(8), num(0)},
			attributes(1, 1, 2, 2, 3, 3, 4, 1000, 5, 15000, 6, math.MaxUint32, 7, 1, 8, 8, 9, 0)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := kernel(t, genltest.CheckRequest(familyID, cmdConfigSet, netlink.Request|netlink.Acknowledge,
				func(greq genetlink.Message, _ netlink.Message) ([]genetlink.Message, error) {
					if d := cmp.Diff(tt.want, greq.Data); d != "" && len(tt.want)+len(greq.Data) > 0 {
						t.Error(d)
					}
					return []genetlink.Message{{}}, nil
				}))
			if err := c.SetConfig(tt.update); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSetConfigBadDuration(t *testing.T) {
	c := kernel(t, func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) {
		t.Error("the kernel was asked")
		return nil, nil
	})
	for _, tt := range []struct {
		d    time.Duration
		want string
	}{
		{-time.Second, "idle-timeout: -1s is negative"},
		{1500 * time.Microsecond, "idle-timeout: 1.5ms is not a whole number of milliseconds"},
		{(math.MaxUint32 + 1) * time.Millisecond, "more than the kernel can count"},
	} {
		if err := c.SetConfig(ConfigUpdate{IdleTimeout: &tt.d}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v", tt.d, err)
		}
	}
}

func TestErrno(t *testing.T) {
	for _, tt := range []struct {
		errno syscall.Errno
		is    error
		want  string
	}{
		{syscall.EPERM, fs.ErrPermission, "CAP_NET_ADMIN"},
		{syscall.ERANGE, syscall.ERANGE, "out of range"},
	} {
		c := kernel(t, func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) {
			return nil, genltest.Error(int(tt.errno))
		})
		err := c.SetConfig(ConfigUpdate{})
		if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v", tt.errno, err)
		}
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%T is not an *Error", err)
		}
	}
}

func TestNoFamily(t *testing.T) {
	_, err := newClient(genltest.Dial(func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) {
		return nil, genltest.Error(int(syscall.ENOENT))
	}))
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "modprobe shim6") {
		t.Error(err)
	}
}

func TestAttributeAt(t *testing.T) {
	two := attributes(2, 7, 1, 5)
	for _, tt := range []struct {
		b      []byte
		offset int
		want   string
	}{
		{two, 0, "max-flows"}, {two, 4, "max-flows"}, {two, 8, "max-contexts"}, {two, 12, "max-contexts"},
		{two, 16, ""}, {two, -20, ""}, {nil, 0, ""}, {two[:10], 8, ""},
		{attributes(77, 0), 4, ""},
		{[]byte{0, 0, 0, 0, 0, 0, 0, 0}, 4, ""},
		{[]byte{255, 255, 1, 0}, 2, "max-contexts"},
		{[]byte{12, 0, 2, 0x80, 8, 0, 1, 0, 1, 2, 3, 4}, 8, "max-flows"},
	} {
		if got := attributeAt(tt.b, tt.offset, configAttributes); got != tt.want {
			t.Errorf("%x at %d: %q, want %q", tt.b, tt.offset, got, tt.want)
		}
	}
}

func TestErrorText(t *testing.T) {
	for _, tt := range []struct {
		err  Error
		want string
	}{
		{Error{Err: syscall.ERANGE}, "numerical result out of range"},
		{Error{Err: syscall.ERANGE, Message: "integer out of range"}, "integer out of range"},
		{Error{Err: syscall.ERANGE, Message: "integer out of range", Attribute: "max-flows"}, "max-flows: integer out of range"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestParseConfigErrors(t *testing.T) {
	whole := configMessage()
	if want := 8 * (len(configAttributes) - 1); len(whole) != want {
		t.Fatalf("configMessage has %d octets, want %d: 8 for each attribute", len(whole), want)
	}
	for i, name := range configAttributes[1:] {
		missing := append(append([]byte{}, whole[:i*8]...), whole[i*8+8:]...)
		if _, err := parseConfig(missing); err == nil || !strings.Contains(err.Error(), "lacks "+name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	short := append([]byte{6, 0, 1, 0, 9, 9, 0, 0}, whole[8:]...)
	if _, err := parseConfig(short); err == nil {
		t.Error("an attribute of two octets passed as a number")
	}
	if _, err := parseConfig(whole[:11]); err == nil {
		t.Error("half an attribute passed")
	}
	// Attributes of a newer kernel are ignored.
	got, err := parseConfig(append(attributes(99, 1), whole...))
	if err != nil || got != wantConfig {
		t.Errorf("%v, %v", got, err)
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add(configMessage())
	f.Add([]byte{})
	f.Add([]byte{3, 0, 1, 0})
	f.Add([]byte{255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseConfig(b)
		if err != nil && c != (Config{}) {
			t.Error("an error and a configuration")
		}
	})
}
