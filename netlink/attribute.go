// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
)

// encoder collects the attributes of a request. The first value that the kernel could not
// take is the error of encode.
type encoder struct {
	*netlink.AttributeEncoder
	names []string // of the attributes, by number: for errors
	err   error
}

func newEncoder(names []string) *encoder {
	return &encoder{AttributeEncoder: netlink.NewAttributeEncoder(), names: names}
}

func (e *encoder) encode() ([]byte, error) {
	if e.err != nil {
		return nil, e.err
	}
	return e.Encode()
}

func (e *encoder) fail(attr uint16, err error) {
	if e.err == nil {
		e.err = fmt.Errorf("%s: %w", e.names[attr], err)
	}
}

// optional adds *v by add, a method of the encoder; nothing if v is nil.
func optional[T any](attr uint16, v *T, add func(uint16, T)) {
	if v != nil {
		add(attr, *v)
	}
}

// enum adds the number of *v; nothing if v is nil.
func enum[E ~uint32](e *encoder, attr uint16, v *E) {
	if v != nil {
		e.Uint32(attr, uint32(*v))
	}
}

// addr adds the 16 octets of an IPv6 address; the kernel knows no others.
func (e *encoder) addr(attr uint16, a netip.Addr) {
	if !a.Is6() || a.Zone() != "" {
		e.fail(attr, fmt.Errorf("%v is no IPv6 address without a zone", a))
		return
	}
	b := a.As16()
	e.Bytes(attr, b[:])
}

// locators adds a nest of addresses. An empty list empties the kernel's.
func (e *encoder) locators(attr uint16, list []netip.Addr) {
	nest := newEncoder(locatorsAttributes)
	for _, a := range list {
		nest.addr(attrLocatorsLocator, a)
	}
	b, err := nest.encode()
	if err != nil {
		e.fail(attr, err)
		return
	}
	e.Bytes(netlink.Nested|attr, b)
}

// milliseconds adds a duration as 32 bits of whole milliseconds.
func (e *encoder) milliseconds(attr uint16, d time.Duration) {
	ms := d / time.Millisecond
	switch {
	case d < 0:
		e.fail(attr, fmt.Errorf("%v is negative", d))
	case d%time.Millisecond != 0:
		e.fail(attr, fmt.Errorf("%v is not a whole number of milliseconds", d))
	case ms > math.MaxUint32:
		e.fail(attr, fmt.Errorf("%v is more than the kernel can count (%v)", d, math.MaxUint32*time.Millisecond))
	default:
		e.Uint32(attr, uint32(ms))
	}
}

// decoder reads the attributes of a reply or a notification.
type decoder struct {
	*netlink.AttributeDecoder
	err error
}

// decode calls read for each attribute; what names the object in errors. Attributes of a
// newer kernel are for read to ignore.
func decode(b []byte, what string, read func(*decoder)) error {
	ad, err := netlink.NewAttributeDecoder(b)
	if err == nil {
		d := &decoder{AttributeDecoder: ad}
		for ad.Next() {
			read(d)
		}
		if err = ad.Err(); err == nil {
			err = d.err
		}
	}
	if err != nil {
		return fmt.Errorf("the kernel's %s can't be read: %w", what, err)
	}
	return nil
}

func (d *decoder) addr() netip.Addr {
	b := d.Bytes()
	if len(b) != 16 && d.err == nil {
		d.err = fmt.Errorf("attribute %d is %d octets long, an IPv6 address 16", d.Type(), len(b))
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func (d *decoder) locators() (list []netip.Addr) {
	d.Nested(func(ad *netlink.AttributeDecoder) error {
		nest := &decoder{AttributeDecoder: ad}
		for ad.Next() {
			if ad.Type() == attrLocatorsLocator {
				list = append(list, nest.addr())
			}
		}
		return nest.err
	})
	return list
}

// milliseconds reads 32 bits of milliseconds.
func (d *decoder) milliseconds() time.Duration {
	return time.Duration(d.Uint32()) * time.Millisecond
}

// milliseconds64 reads 64 bits of milliseconds; what no time.Duration can hold becomes the
// longest.
func (d *decoder) milliseconds64() time.Duration {
	return time.Duration(min(d.Uint64(), math.MaxInt64/uint64(time.Millisecond))) * time.Millisecond
}

func pointer[T any](v T) *T { return &v }
