// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"errors"
	"fmt"
	"net/netip"
)

func init() {
	register(command{
		object: "path", verb: "probe", order: onlyShows, args: "PEER [from LOCAL]",
		help: "see if IP protocol 140 passes there and back, and UDP, and there in packets as long as the path allows",
		form: pathProbe,
	})
}

func pathProbe(t *tool) form {
	var peer netip.Addr
	var from *netip.Addr
	return form{address: &peer, addressOf: "the address of a peer", keys: []key{addr("from", &from).as("LOCAL")}, run: func([]string) error {
		var local netip.Addr
		if from != nil {
			local = *from
		}
		p, err := t.probe(local, peer)
		if err != nil {
			return err
		}
		v := p.verdict()
		if t.json {
			err = t.printJSON([]object{p.object(v)})
		} else {
			t.printProbe(p)
		}
		if v.result != resultFail {
			if !t.json {
				fmt.Fprintln(t.out, "    "+v.text)
			}
			return err
		}
		return errors.Join(err, fmt.Errorf("%s; %s", v.text, v.advice))
	}}
}
