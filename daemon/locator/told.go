// SPDX-License-Identifier: BSD-3-Clause

package locator

import (
	"time"

	"shim6/daemon/control"
)

// Told is a locator at a time, as the control socket tells it.
func (l *Locator) Told(now time.Duration) control.Locator {
	j := control.Locator{
		Address: l.Address, Interface: l.Interface, Router: l.Router, Available: l.Available, Operational: l.Operational, Why: l.Why,
		Preference: control.PreferenceOf(l.Preference), Temporary: l.Temporary,
	}
	if l.ValidUntil != 0 {
		ms := max(0, l.ValidUntil-now).Milliseconds()
		j.ValidLifetime = &ms
	}
	if l.PDS != nil {
		j.HBA = l.PDS.VerifyHBA(l.Address) == nil
		_, err := l.PDS.RSAPublicKey()
		j.CGA = err == nil
	}
	return j
}
