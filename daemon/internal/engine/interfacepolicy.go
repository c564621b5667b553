// SPDX-License-Identifier: BSD-3-Clause

package engine

import (
	"fmt"
	"slices"
)

// InterfacePolicy says what is thought of an interface, and so of the addresses that
// it has: which to send from.
type InterfacePolicy uint8

const (
	// PolicyNormal is for those of which nothing is said.
	PolicyNormal InterfacePolicy = iota
	// PolicyPreferred goes before all others.
	PolicyPreferred
	// PolicyBackup goes behind normal ones, and PolicyMetered behind those.
	PolicyBackup
	PolicyMetered
	// PolicyNever is for those that no context is moved to.
	PolicyNever
)

var policyNames = [...]string{"normal", "preferred", "backup", "metered", "never"}

// String is the name that the configuration has for it.
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
