// SPDX-License-Identifier: GPL-2.0

package main

import (
	"fmt"
	"math"
	"strings"
)

// canvas is what a picture is drawn on. Units are those of the SVG.
type canvas interface {
	rect(x, y, w, h float64, c colour)
	// text ends, begins or is centered at x; y is its base line.
	text(x, y, size float64, where anchor, c colour, s string)
}

type colour uint32

type anchor int

const (
	left anchor = iota
	center
	right
)

// Colours that those who see red and green alike tell apart (Okabe and Ito).
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

// Where things are.
const (
	width     = 1000
	plotLeft  = 70
	plotRight = 980
	bandTop   = 92
	bandLow   = 114
	panelTop  = 142
	panelHigh = 72
	panelStep = 104
	// slice is how many seconds make a bar.
	slice = 0.1
)

func (r *record) height() int { return panelTop + len(r.flows)*panelStep + 24 }

func (r *record) x(at float64) float64 {
	return plotLeft + (at-r.begin)/(r.end-r.begin)*(plotRight-plotLeft)
}

func (r *record) draw(c canvas) {
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

// drawBand shows which locator pair is in use when.
func (r *record) drawBand(c canvas) {
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
		if r.x(to)-r.x(from) > float64(len(p.text))*6+10 {
			c.text(r.x(from)+8, bandTop+15, 11, left, black, p.text)
		}
	}
}

// scale is what the panels' axes reach to, in Mbit/s: somewhat more than is usual,
// as what was held up comes in a burst.
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

func (r *record) drawPanel(c canvas, f *flow, y, top float64) {
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

// drawEvents is about what was done to the network; lines go through all panels.
func (r *record) drawEvents(c canvas) {
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
		c.rect(r.x(e.at)-0.75, y-10, 1.5, low-y+10, shade)
		c.text(r.x(e.at)+5, y, 12, left, shade, e.text)
	}
}

func (r *record) drawTime(c canvas) {
	y := float64(panelTop + (len(r.flows)-1)*panelStep + panelHigh)
	for s := math.Ceil(r.begin); s <= r.end; s++ {
		c.rect(r.x(s)-0.5, y, 1, 4, grey)
		c.text(r.x(s), y+17, 11, center, grey, fmt.Sprint(int(s)))
	}
	c.text((plotLeft+plotRight)/2, y+36, 12, center, black, "seconds since the demo began")
}
