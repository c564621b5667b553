// SPDX-License-Identifier: GPL-2.0

package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
)

// svg is a picture, with the later shapes over the earlier ones.
type svg struct {
	XMLName xml.Name `xml:"http://www.w3.org/2000/svg svg"`
	ViewBox string   `xml:"viewBox,attr"`
	Width   int      `xml:"width,attr"`
	Height  int      `xml:"height,attr"`
	Font    string   `xml:"font-family,attr"`
	Edges   string   `xml:"shape-rendering,attr"`
	Shapes  []any
}

// area is a rectangle.
type area struct {
	XMLName xml.Name `xml:"rect"`
	X       unit     `xml:"x,attr"`
	Y       unit     `xml:"y,attr"`
	Width   unit     `xml:"width,attr"`
	Height  unit     `xml:"height,attr"`
	Fill    colour   `xml:"fill,attr"`
}

// label is a text, which ends, begins or is centered at X; Y is its base line.
type label struct {
	XMLName xml.Name `xml:"text"`
	X       unit     `xml:"x,attr"`
	Y       unit     `xml:"y,attr"`
	Size    unit     `xml:"font-size,attr"`
	Anchor  anchor   `xml:"text-anchor,attr"`
	Fill    colour   `xml:"fill,attr"`
	Text    string   `xml:",chardata"`
}

// unit is a length in pixels of the picture at its own size.
type unit float64

func (u unit) MarshalText() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(u), 'f', 2, 64), nil
}

// colour is 0xRRGGBB.
type colour uint32

func (c colour) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "#%06x", uint32(c)), nil }

type anchor string

const (
	left   anchor = "start"
	center anchor = "middle"
	right  anchor = "end"
)

func newSVG(width, height int) *svg {
	return &svg{
		ViewBox: fmt.Sprintf("0 0 %d %d", width, height), Width: width, Height: height,
		Font:  "Helvetica, Arial, sans-serif",
		Edges: "crispEdges", // no gaps between neighbouring bars
	}
}

func (s *svg) rect(x, y, w, h float64, fill colour) {
	s.Shapes = append(s.Shapes, area{X: unit(x), Y: unit(y), Width: unit(w), Height: unit(h), Fill: fill})
}

func (s *svg) text(x, y, size float64, where anchor, fill colour, text string) {
	s.Shapes = append(s.Shapes, label{X: unit(x), Y: unit(y), Size: unit(size), Anchor: where, Fill: fill, Text: text})
}

func (s *svg) write(w io.Writer) error {
	e := xml.NewEncoder(w)
	e.Indent("", " ")
	if err := e.Encode(s); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}
