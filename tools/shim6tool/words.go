// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
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
	// flag says that the key takes no value; set gets "".
	flag bool
	// value stands for the value, in help and in the manual page.
	value string
	// help says what the key is about; "" if the help of its command says so.
	help string
	// path says that the value is the name of a file, which shells complete.
	path bool
}

// says explains a key in help.
func (k key) says(help string) key {
	k.help = help
	return k
}

// as says what stands for the value, in place of what the type says.
func (k key) as(value string) key {
	k.value = value
	return k
}

// usage is the key with what stands for its value.
func (k key) usage() string {
	if k.flag {
		return k.name
	}
	return k.name + " " + k.value
}

// parseKeys reads pairs of a key, which may be shortened, and its value. A key may be given once.
// It returns the names that were given.
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
		// Keys change things, so a guess is not good enough.
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

// flag is a key without a value.
func flag(name string, to *bool) key {
	return key{name: name, flag: true, set: func(string) error {
		*to = true
		return nil
	}}
}

// file is a key whose value is the name of a file.
func file(name string, to *string) key {
	return key{name: name, value: "FILE", path: true, set: func(value string) error {
		if value == "" {
			return errors.New("the name of a file is not empty")
		}
		*to = value
		return nil
	}}
}

// words returns the choices that begin with s, or only s if it is one of them.
func words(kind, s string, choices []string) ([]string, error) {
	if slices.Contains(choices, s) {
		return []string{s}, nil
	}
	var found []string
	for _, c := range choices {
		if s != "" && strings.HasPrefix(c, s) {
			found = append(found, c)
		}
	}
	if len(found) == 0 {
		return nil, usageError(fmt.Sprintf("there is no %s %q: take one of %s", kind, s, strings.Join(choices, ", ")))
	}
	return found, nil
}

// number is a key whose value is a number of so many bits: decimal, or hexadecimal after 0x.
func number[T uint8 | uint16 | uint32 | uint64](name string, bits int, to **T) key {
	return key{name: name, value: "N", set: func(value string) error {
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
	return key{name: name, value: "TIME", set: func(value string) error {
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
	return key{name: name, value: "ADDR", set: func(value string) error {
		a, err := parseAddr(value)
		*to = &a
		return err
	}}
}

// addrs takes a list of addresses, separated by commas; "none" is the empty list.
func addrs(name string, to **[]netip.Addr) key {
	return key{name: name, value: "ADDRS", set: func(value string) error {
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
	return key{name: name, value: "PREFIX", set: func(value string) error {
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

// enum takes the name of a value of one of the enumerations of netlink/shim6.yaml.
func enum[T any, P interface {
	*T
	UnmarshalText([]byte) error
}](name string, to **T) key {
	return key{name: name, value: "STATE", set: func(value string) error {
		v := new(T)
		*to = v
		return P(v).UnmarshalText([]byte(value))
	}}
}
