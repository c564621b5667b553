// SPDX-License-Identifier: BSD-3-Clause

package main

func init() {
	register(command{
		object: "doctor", verb: "check", order: isDefault,
		help: "check module, shim6d, addresses, routes, firewall, counters, and the peers of contexts", form: doctorCheck,
	})
}

func doctorCheck(t *tool) form {
	return form{run: func([]string) error { return t.examine(nil) }}
}
