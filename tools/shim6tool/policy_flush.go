// SPDX-License-Identifier: BSD-3-Clause

package main

func init() {
	register(command{object: "policy", verb: "flush", order: changes, help: "delete all rules", form: policyFlush})
}

func policyFlush(t *tool) form {
	return form{run: func([]string) error { return t.with(client.FlushPolicies) }}
}
