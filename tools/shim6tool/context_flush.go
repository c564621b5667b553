// SPDX-License-Identifier: BSD-3-Clause

package main

func init() {
	register(command{object: "context", verb: "flush", order: changes, help: "delete all contexts of the kernel", form: contextFlush})
}

func contextFlush(t *tool) form {
	return form{run: func([]string) error { return t.with(client.FlushContexts) }}
}
