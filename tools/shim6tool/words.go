// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// key is a word that takes a value.
type key struct {
	name string
	set  func(value string) error
	// flag says that it takes none; set gets "".
	flag bool
}

// parseKeys reads pairs of a key, which may be shortened, and its value. No
// key may stand twice. It returns the names that were given.
func parseKeys(kind string, keys []key, args []string) ([]string, error) {
	var names, given []string
	for _, k := range keys {
		names = append(names, k.name)
	}
	for len(args) > 0 {
		found, err := words(kind, args[0], names)
		if err != nil {
			return nil, err
		}
		// A guess is not good enough for what gets changed.
		if len(found) > 1 {
			return nil, usageError(fmt.Sprintf("%q may be %s", args[0], strings.Join(found, " or ")))
		}
		name := found[0]
		if slices.Contains(given, name) {
			return nil, usageError(name + " is given twice")
		}
		given = append(given, name)
		k := keys[slices.Index(names, name)]
		value := ""
		if args = args[1:]; !k.flag {
			if len(args) == 0 {
				return nil, usageError(name + " needs a value")
			}
			value, args = args[0], args[1:]
		}
		if err := k.set(value); err != nil {
			return nil, usageError(fmt.Sprintf("%s: %v", name, err))
		}
	}
	return given, nil
}

// number is a key whose value is a number of so many bits, decimal or, with 0x
// before it, hexadecimal.
func number[T uint8 | uint16 | uint32 | uint64](name string, bits int, to **T) key {
	return key{name: name, set: func(value string) error {
		n, err := strconv.ParseUint(value, 0, bits)
		if err != nil {
			return fmt.Errorf("%q is not a number from 0 to %d", value, ^uint64(0)>>(64-bits))
		}
		v := T(n)
		*to = &v
		return nil
	}}
}

func duration(name string, to **time.Duration) key {
	return key{name: name, set: func(value string) error {
		d, err := time.ParseDuration(value)
		if err != nil {
			return fmt.Errorf("%q is not a time: write a number and its unit, as in 15s or 500ms", value)
		}
		*to = &d
		return nil
	}}
}

// parseAddr takes an IPv6 address without a zone.
func parseAddr(value string) (netip.Addr, error) {
	a, err := netip.ParseAddr(value)
	if err != nil || !a.Is6() || a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%q is not an IPv6 address", value)
	}
	return a, nil
}

func addr(name string, to **netip.Addr) key {
	return key{name: name, set: func(value string) error {
		a, err := parseAddr(value)
		*to = &a
		return err
	}}
}

// addrs takes addresses with commas between them; "none" is the empty list.
func addrs(name string, to **[]netip.Addr) key {
	return key{name: name, set: func(value string) error {
		list := []netip.Addr{}
		*to = &list
		if value == "none" {
			return nil
		}
		for _, s := range strings.Split(value, ",") {
			a, err := parseAddr(s)
			if err != nil {
				return err
			}
			list = append(list, a)
		}
		return nil
	}}
}

// prefix takes ADDRESS/LENGTH, or an address alone.
func prefix(name string, to *netip.Prefix) key {
	return key{name: name, set: func(value string) error {
		p, err := netip.ParsePrefix(value)
		if err != nil {
			a, err := parseAddr(value)
			if err != nil {
				return fmt.Errorf("%q is not an IPv6 prefix", value)
			}
			p = netip.PrefixFrom(a, 128)
		}
		if !p.Addr().Is6() {
			return fmt.Errorf("%q is not an IPv6 prefix", value)
		}
		*to = p
		return nil
	}}
}

// enum takes the name of a value of one of the family's enumerations.
func enum[T any, P interface {
	*T
	UnmarshalText([]byte) error
}](name string, to **T) key {
	return key{name: name, set: func(value string) error {
		v := new(T)
		*to = v
		return P(v).UnmarshalText([]byte(value))
	}}
}

// field is one value of an object that is shown, under the specification's
// name.
type field struct {
	name  string
	value any
}

// object is shown with its fields in this order.
type object []field

// MarshalJSON writes the object.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for i, f := range o {
		b.WriteByte("{,"[min(i, 1)])
		value, err := json.Marshal(f.value)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%q:%s", f.name, value)
	}
	if len(o) == 0 {
		b.WriteByte('{')
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// UnmarshalJSON reads an object; its values stay as they are written.
func (o *object) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if _, err := d.Token(); err != nil {
		return err
	}
	*o = nil
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		*o = append(*o, field{fmt.Sprint(name), value})
	}
	return nil
}

// printJSON prints an array, as ip -j does.
func (t *tool) printJSON(list any) error {
	if l, ok := list.([]object); ok && l == nil {
		list = []object{}
	}
	return t.encode(list)
}

func (t *tool) encode(v any) error {
	enc := json.NewEncoder(t.out)
	if t.pretty {
		enc.SetIndent("", "    ")
	}
	return enc.Encode(v)
}
