// SPDX-License-Identifier: BSD-3-Clause

package engine

import "fmt"

// InterfacePolicy says how willingly contexts use an interface, that is, send from its
// addresses.
type InterfacePolicy uint8

const (
	// PolicyNormal is for interfaces that the configuration does not mention.
	PolicyNormal InterfacePolicy = iota
	// PolicyPreferred interfaces come before all others.
	PolicyPreferred
	// PolicyBackup interfaces come after normal ones, and PolicyMetered ones after those.
	PolicyBackup
	PolicyMetered
	// PolicyNever is for interfaces that no context is moved to.
	PolicyNever
)

var policyNames = [...]string{"normal", "preferred", "backup", "metered", "never"}

// String is the policy's name in the configuration.
func (p InterfacePolicy) String() string {
	if int(p) < len(policyNames) {
		return policyNames[p]
	}
	return fmt.Sprintf("InterfacePolicy(%d)", uint8(p))
}
