// SPDX-License-Identifier: GPL-2.0

package main

import (
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
)

// zoom is how many pixels a unit is wide.
const zoom = 2

// raster is a canvas of pixels, which takes few colours.
type raster struct {
	image *image.Paletted
	index map[colour]uint8
}

func newPNG(w, h int) *raster {
	return &raster{image.NewPaletted(image.Rect(0, 0, w*zoom, h*zoom), nil), map[colour]uint8{}}
}

// pen is the index of a colour.
func (r *raster) pen(c colour) uint8 {
	i, ok := r.index[c]
	if !ok {
		i = uint8(len(r.image.Palette))
		r.index[c] = i
		r.image.Palette = append(r.image.Palette, color.RGBA{uint8(c >> 16), uint8(c >> 8), uint8(c), 255})
	}
	return i
}

func (r *raster) rect(x, y, w, h float64, c colour) {
	pixel := func(v float64) int { return int(math.Round(v * zoom)) }
	r.fill(image.Rect(pixel(x), pixel(y), pixel(x+w), pixel(y+h)), c)
}

func (r *raster) fill(area image.Rectangle, c colour) {
	pen := r.pen(c)
	area = area.Intersect(r.image.Rect)
	for y := area.Min.Y; y < area.Max.Y; y++ {
		row := r.image.Pix[r.image.PixOffset(area.Min.X, y):r.image.PixOffset(area.Max.X, y)]
		for i := range row {
			row[i] = pen
		}
	}
}

func (r *raster) text(x, y, size float64, where anchor, c colour, s string) {
	dot := max(1, int(size*zoom/glyphHigh*0.72))
	step := (glyphWide + 1) * dot
	left := int(x*zoom) - int(where)*len(s)*step/2
	top := int(y*zoom) - glyphHigh*dot
	for i := range len(s) {
		for column, dots := range glyph(s[i]) {
			for row := range glyphHigh {
				if dots>>row&1 == 1 {
					at := image.Pt(left+i*step+column*dot, top+row*dot)
					r.fill(image.Rectangle{at, at.Add(image.Pt(dot, dot))}, c)
				}
			}
		}
	}
}

func (r *raster) write(w io.Writer) error { return png.Encode(w, r.image) }
