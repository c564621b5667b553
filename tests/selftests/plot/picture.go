// SPDX-License-Identifier: GPL-2.0

package main

import (
	"fmt"
	"math"
	"strings"
)

// Colours that people with colour blindness can tell apart (Okabe and Ito).
const (
	white  colour = 0xffffff
	black  colour = 0x222222
	grey   colour = 0x777777
	pale   colour = 0xe4e4e4
	blue   colour = 0x0072b2
	green  colour = 0x009e73
	red    colour = 0xd55e00
	sky    colour = 0xa6d5f2
	orange colour = 0xf4d28a
	mint   colour = 0xb5e3d0
	rose   colour = 0xf0c9de
)

// The layout, in pixels.
const (
	width     = 1000
	plotLeft  = 70
	plotRight = 980
	bandTop   = 92
	bandLow   = 114
	panelTop  = 142
	panelHigh = 72
	panelStep = 104
	// slice is the width of a bar, in seconds.
	slice = 0.1
)

func (r *record) height() int { return panelTop + len(r.flows)*panelStep + 24 }

func (r *record) x(at float64) float64 {
	return plotLeft + (at-r.begin)/(r.end-r.begin)*(plotRight-plotLeft)
}

func (r *record) draw(c *svg) {
	c.rect(0, 0, width, float64(r.height()), white)
	c.text(plotLeft, 28, 17, left, black, r.title)
	r.drawBand(c)
	top := r.scale()
	for i, f := range r.flows {
		r.drawPanel(c, f, float64(panelTop+i*panelStep), top)
	}
	r.drawEvents(c)
	r.drawTime(c)
}

// drawBand shows which locator pair was in use at each time.
func (r *record) drawBand(c *svg) {
	c.text(plotLeft-6, bandTop+15, 11, right, black, "in use")
	pairs := r.kind("pair")
	colours := map[string]colour{}
	for i, p := range pairs {
		from, to := math.Max(p.at, r.begin), r.end
		if i+1 < len(pairs) {
			to = pairs[i+1].at
		}
		if to <= from {
			continue
		}
		if _, ok := colours[p.text]; !ok {
			colours[p.text] = []colour{sky, orange, mint, rose}[len(colours)%4]
		}
		c.rect(r.x(from), bandTop, r.x(to)-r.x(from), bandLow-bandTop, colours[p.text])
		if r.x(to)-r.x(from) > textWidth(p.text, 11)+10 {
			c.text(r.x(from)+8, bandTop+15, 11, left, black, p.text)
		}
	}
}

// scale is the upper end of the panels' axes, in Mbit/s: somewhat more than the usual
// rate, since packets that were held up arrive in a burst.
func (r *record) scale() float64 {
	most := 0.1
	for _, f := range r.flows {
		sum, n := 0.0, 0
		for _, b := range r.bins(f, slice) {
			if b > 0 {
				sum, n = sum+b, n+1
			}
		}
		if n > 0 {
			most = math.Max(most, sum/float64(n))
		}
	}
	return math.Ceil(most*1.4*5) / 5
}

func (r *record) drawPanel(c *svg, f *flow, y, top float64) {
	shade := red
	switch {
	case !strings.Contains(f.label, "Shim6"):
	case strings.HasPrefix(f.name, "udp"):
		shade = green
	default:
		shade = blue
	}
	c.text(plotLeft, y-6, 12, left, shade, f.label)
	for _, part := range []float64{0, 0.5, 1} {
		at := y + panelHigh*(1-part)
		c.rect(plotLeft, at-0.5, plotRight-plotLeft, 1, pale)
		c.text(plotLeft-6, at+4, 11, right, grey, fmt.Sprintf("%.1f", top*part))
	}
	c.text(plotLeft-6, y-9, 11, right, grey, "Mbit/s")
	for i, b := range r.bins(f, slice) {
		if b == 0 {
			continue
		}
		from := r.begin + float64(i)*slice
		to := math.Min(from+slice, r.end)
		h := math.Min(b/top, 1) * panelHigh
		c.rect(r.x(from), y+panelHigh-h, r.x(to)-r.x(from), h, shade)
	}
}

// drawEvents shows what was done to the network, as lines through all panels.
func (r *record) drawEvents(c *svg) {
	low := float64(panelTop + (len(r.flows)-1)*panelStep + panelHigh)
	n := 0
	for _, e := range r.events {
		if e.kind == "pair" {
			continue
		}
		shade := black
		if e.kind == "repair" {
			shade = grey
		}
		y := 56 + float64(n%2)*18
		n++
		c.rect(r.x(e.at)-1, y-10, 2, low-y+10, shade)
		x, where := r.x(e.at)+5, left
		if x+textWidth(e.text, 12) > width {
			x, where = r.x(e.at)-5, right
		}
		c.text(x, y, 12, where, shade, e.text)
	}
}

func (r *record) drawTime(c *svg) {
	y := float64(panelTop + (len(r.flows)-1)*panelStep + panelHigh)
	for s := math.Ceil(r.begin); s <= r.end; s++ {
		c.rect(r.x(s)-0.5, y, 1, 4, grey)
		c.text(r.x(s), y+17, 11, center, grey, fmt.Sprint(int(s)))
	}
	c.text((plotLeft+plotRight)/2, y+36, 12, center, black, "seconds since the demo began")
}

// textWidth is about the width of a text in pixels.
func textWidth(text string, size float64) float64 { return float64(len(text)) * size * 0.55 }
