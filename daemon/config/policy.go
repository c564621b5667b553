// SPDX-License-Identifier: BSD-3-Clause

package config

import (
	"fmt"
	"slices"
)

// InterfacePolicy says which interfaces to send from, and so which addresses.
type InterfacePolicy uint8

const (
	// PolicyNormal is the default.
	PolicyNormal InterfacePolicy = iota
	// PolicyPreferred goes before all others.
	PolicyPreferred
	// PolicyBackup goes behind normal interfaces, and PolicyMetered behind those.
	PolicyBackup
	PolicyMetered
	// PolicyNever: no context is moved there.
	PolicyNever
)

var policyNames = [...]string{"normal", "preferred", "backup", "metered", "never"}

// String is the name that a file has for it.
func (p InterfacePolicy) String() string {
	if int(p) < len(policyNames) {
		return policyNames[p]
	}
	return fmt.Sprintf("InterfacePolicy(%d)", uint8(p))
}

// MarshalText returns what String does.
func (p InterfacePolicy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText takes what MarshalText returns.
func (p *InterfacePolicy) UnmarshalText(text []byte) error {
	i := slices.Index(policyNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("unknown policy %q of an interface: it is one of %q", text, policyNames)
	}
	*p = InterfacePolicy(i)
	return nil
}
