// SPDX-License-Identifier: BSD-3-Clause

package control

// Encapsulation is how payload is carried on a locator pair, by its name in netlink/shim6.yaml. The
// zero value is native, and is "native" in JSON.
type Encapsulation string

const native = "native"

// String returns the name.
func (e Encapsulation) String() string {
	if e == "" {
		return native
	}
	return string(e)
}

// MarshalText gives JSON the name.
func (e Encapsulation) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText takes any name: a newer daemon may know more of them.
func (e *Encapsulation) UnmarshalText(b []byte) error {
	*e = Encapsulation(b)
	if *e == native {
		*e = ""
	}
	return nil
}
