// SPDX-License-Identifier: BSD-3-Clause

package engine

import "fmt"

// State is a state of RFC 5533, section 6.2. The states that the kernel knows have its
// numbers: I1-SENT is 1.
type State uint8

const (
	// Idle: there is no context.
	Idle State = iota
	// I1Sent: initiating context establishment exchange.
	I1Sent
	// I2Sent: waiting to complete context establishment exchange.
	I2Sent
	// Established: the context can be used.
	Established
	// I2bisSent: potential context loss detected.
	I2bisSent
	// EFailed: context establishment exchange failed.
	EFailed
	// NoSupport: ICMP unrecognized Next Header type (type 4, code 1) received,
	// indicating that Shim6 is not supported.
	NoSupport
)

var stateNames = [...]string{"IDLE", "I1-SENT", "I2-SENT", "ESTABLISHED", "I2BIS-SENT", "E-FAILED", "NO-SUPPORT"}

// String is the RFC's name of the state.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// MarshalText returns what String does.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText accepts what MarshalText returns.
func (s *State) UnmarshalText(text []byte) error {
	for i, name := range stateNames {
		if name == string(text) {
			*s = State(i)
			return nil
		}
	}
	return fmt.Errorf("unknown state %q of a context: it is one of %q", text, stateNames)
}

// Sends reports whether payload may be sent by the context: it has CT(peer) and
// Ls(peer) (RFC 5533, section 11).
func (s State) Sends() bool { return s == Established || s == I2bisSent }
