// SPDX-License-Identifier: BSD-3-Clause

package main

import "shim6/netlink"

func init() {
	register(command{object: "config", verb: "show", order: isDefault, help: "print the configuration", form: configShow})
}

func configShow(t *tool) form {
	return form{run: func([]string) error {
		var config netlink.Config
		if err := t.with(func(c client) (err error) {
			config, err = c.Config()
			return err
		}); err != nil {
			return err
		}
		if t.json {
			return t.printJSON([]object{configObject(config)})
		}
		t.printConfig(config, "")
		return nil
	}}
}
