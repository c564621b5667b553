// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"errors"

	"shim6/daemon/control"
	"shim6/netlink"
)

func init() {
	register(command{
		object: "path", verb: "doubt", order: changes, args: "CONTEXT",
		help: "have the current pair asked, since it may not work; only an answer by another one moves the session",
		form: pathDoubt,
	})
}

// doubted is what JSON says of path doubt.
type doubted struct {
	control.Name
	Result string `json:"result"`
	// Text is why the pair was not asked.
	Text string `json:"text,omitempty"`
}

func pathDoubt(t *tool) form {
	var u netlink.ULIDs
	return form{context: &u, run: func([]string) error {
		result := doubted{Name: nameOf(u), Result: resultOK.String()}
		err := t.ask(func(ctx context.Context, d daemon) error { return d.Doubt(ctx, result.Name) })
		if !t.json {
			return err
		}
		if err != nil {
			result.Result, result.Text = resultFail.String(), err.Error()
		}
		return errors.Join(t.printJSON([]doubted{result}), err)
	}}
}
