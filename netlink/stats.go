// SPDX-License-Identifier: BSD-3-Clause

package netlink

import (
	"encoding/binary"
	"fmt"
)

// Stat is one counter of a namespace.
type Stat struct {
	// Name is the specification's, as in "out-rehomed". A counter of a newer kernel has
	// its number as its name.
	Name  string
	Value uint64
}

// Stats returns the counters of the namespace in the specification's order;
// docs/counters.md explains each.
func (c *Client) Stats() ([]Stat, error) {
	return get(c, "stats-get", cmdStatsGet, statsAttributes, func(*encoder) {}, parseStats)
}

func parseStats(b []byte) ([]Stat, error) {
	var stats []Stat
	err := decode(b, "counters", func(d *decoder) {
		var s Stat
		switch b := d.Bytes(); {
		case d.Type() == attrStatsPad:
			return
		case len(b) == 4:
			s.Value = uint64(binary.NativeEndian.Uint32(b))
		case len(b) == 8:
			s.Value = binary.NativeEndian.Uint64(b)
		default:
			d.err = fmt.Errorf("attribute %d is %d octets long", d.Type(), len(b))
		}
		s.Name = fmt.Sprint(d.Type())
		if int(d.Type()) < len(statsAttributes) {
			s.Name = statsAttributes[d.Type()]
		}
		stats = append(stats, s)
	})
	return stats, err
}
