// SPDX-License-Identifier: BSD-3-Clause

package main

func init() {
	register(command{object: "policy", verb: "del", order: changes, args: "preference N", help: "delete a rule", form: policyDel})
}

func policyDel(t *tool) form {
	var preference *uint32
	return form{keys: []key{number("preference", 32, &preference)}, run: func([]string) error {
		if preference == nil {
			return usageError("policy del needs the preference of the rule")
		}
		return t.with(func(c client) error { return c.DeletePolicy(*preference) })
	}}
}
