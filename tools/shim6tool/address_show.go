// SPDX-License-Identifier: BSD-3-Clause

package main

import "fmt"

func init() {
	for _, k := range []kind{kindCGA, kindHBA} {
		register(command{
			object: k.name, verb: "show", order: isDefault, args: "pds FILE", help: "print the addresses of a file",
			form: func(t *tool) form { return addressShow(t, k) },
		})
	}
}

func addressShow(t *tool, k kind) form {
	var path string
	return form{keys: []key{file("pds", &path)}, run: func([]string) error {
		if path == "" {
			return usageError(k.name + " show needs 'pds FILE', the file to show")
		}
		list, err := readPDS(path)
		if err != nil {
			return err
		}
		for _, a := range list {
			if _, err := a.PDS.MultiPrefix(); k.name == kindHBA.name && err != nil {
				return fmt.Errorf("%s: %w; 'shim6tool cga show' shows what it is", path, err)
			}
		}
		return t.printAddresses(list)
	}}
}
