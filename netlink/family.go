// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/mdlayher/genetlink"
)

// The controller: the family that tells of families, which every kernel has.
const (
	controllerName      = "nlctrl"
	controllerGroup     = "notify"
	controllerID        = 16
	controllerDelFamily = 2
	controllerFamilyID  = 1
)

// familyGone reports whether a message of the controller says that the family with this
// number is gone.
func familyGone(m genetlink.Message, family uint16) (bool, error) {
	if m.Header.Command != controllerDelFamily {
		return false, nil
	}
	var id uint16
	err := decode(m.Data, "family", func(d *decoder) {
		if d.Type() == controllerFamilyID {
			id = d.Uint16()
		}
	})
	return err == nil && id == family, err
}

// Loaded reports whether the kernel has the family now. Unlike Dial it does not make the
// kernel load the module.
func Loaded(options *Options) (bool, error) {
	conn, err := options.dial(false)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	return loaded(genetlink.NewConn(conn))
}

// loaded is Loaded on an open connection.
func loaded(conn *genetlink.Conn) (bool, error) {
	families, err := conn.ListFamilies()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("listing the kernel's families: %w", err)
	}
	return slices.ContainsFunc(families, func(f genetlink.Family) bool { return f.Name == familyName }), nil
}
