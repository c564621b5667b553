// SPDX-License-Identifier: BSD-3-Clause

package main

import "shim6/netlink"

func init() {
	register(command{
		object: "policy", verb: "add", order: changes,
		args: "[preference N] [MATCH ...] action shim|ignore|bypass [trigger-packets N] [trigger-time TIME]",
		help: "add a rule; without preference, before all others. ignore: its packets ask for no context; " +
			"bypass: they use none either",
		form: policyAdd,
	})
}

func policyAdd(t *tool) form {
	var p netlink.Policy
	var action *netlink.PolicyAction
	return form{keys: policyKeys(&p, &action), run: func([]string) error {
		if action == nil {
			return usageError("policy add needs an action: shim, ignore or bypass")
		}
		p.Action = *action
		return t.with(func(c client) error { return c.NewPolicy(p) })
	}}
}
