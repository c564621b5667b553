// SPDX-License-Identifier: BSD-3-Clause

package reap

import (
	"slices"
	"testing"
)

// record keeps all Switches of a host from now on, also of a daemon started later. The function
// that it returns gives those so far, the oldest first.
func (h *host) record() func() []Switch {
	var all []Switch
	h.config.OnSwitch = func(s *Switch) { all = append(all, *s) }
	h.r.config.OnSwitch = h.config.OnSwitch
	return func() []Switch { return slices.Clone(all) }
}

// outbound is record for our direction alone.
func (h *host) outbound() func() []Switch {
	all := h.record()
	return func() []Switch {
		return slices.DeleteFunc(all(), func(s Switch) bool { return s.Inbound })
	}
}

// A trigger is a black hole if the failure was found by silence, and not if somebody told of it.
func TestTriggerBlackHole(t *testing.T) {
	var holes []string
	for trigger := SendTimeout; int(trigger) < len(triggerNames); trigger++ {
		if trigger.BlackHole() {
			holes = append(holes, trigger.String())
		}
	}
	if want := []string{"send-timeout", "ulp", "payload", "silence", "advice"}; !slices.Equal(holes, want) {
		t.Errorf("%q", holes)
	}
}
