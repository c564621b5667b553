// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"fmt"
	"net/netip"

	"shim6/daemon/cga"
)

func init() {
	for _, k := range []kind{kindCGA, kindHBA} {
		register(command{
			object: k.name, verb: "verify", order: onlyShows, args: "ADDRESS pds FILE",
			help: "say whether a file has the proof of an address",
			form: func(t *tool) form { return addressVerify(t, k) },
		})
	}
}

func addressVerify(t *tool, k kind) form {
	var addr netip.Addr
	var path string
	return form{address: &addr, addressOf: "an address, and 'pds FILE'", keys: []key{file("pds", &path)}, run: func([]string) error {
		if path == "" {
			return usageError(k.name + " verify needs 'pds FILE', the file with the PDS")
		}
		list, err := readPDS(path)
		if err != nil {
			return err
		}
		err = verifyByAny(k, list, addr)
		if t.json {
			o := object{{"address", addr}, {"valid", err == nil}, {"sec", cga.SecOf(addr)}}
			if err != nil {
				o = append(o, field{"reason", err.Error()})
			}
			return errors.Join(t.printJSON([]object{o}), err)
		}
		if err != nil {
			return fmt.Errorf("%v does not verify: %w", addr, err)
		}
		_, err = fmt.Fprintf(t.out, "%v %s %s, Sec %d\n", addr, k.success, path, cga.SecOf(addr))
		return err
	}}
}

// verifyByAny verifies addr with each entry of a list; one that fits is enough. If none fits, it
// returns the first error, or a later one that is not about another prefix.
func verifyByAny(k kind, list []cga.Address, addr netip.Addr) error {
	var first error
	for _, a := range list {
		err := k.verify(a.PDS, addr)
		if err == nil {
			return nil
		}
		if first == nil || errors.Is(first, cga.ErrSubnetPrefix) {
			first = err
		}
	}
	return first
}
