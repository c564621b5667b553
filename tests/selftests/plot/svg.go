// SPDX-License-Identifier: GPL-2.0

package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
)

// svg is a canvas of text.
type svg struct {
	body bytes.Buffer
}

func newSVG(w, h int) *svg {
	s := &svg{}
	fmt.Fprintf(&s.body, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="Helvetica, Arial, sans-serif">`+"\n",
		w, h, w, h)
	return s
}

func (s *svg) rect(x, y, w, h float64, c colour) {
	fmt.Fprintf(&s.body, `<rect x="%.2f" y="%.2f" width="%.2f" height="%.2f" fill="#%06x"/>`+"\n", x, y, w, h, uint32(c))
}

func (s *svg) text(x, y, size float64, where anchor, c colour, t string) {
	fmt.Fprintf(&s.body, `<text x="%.2f" y="%.2f" font-size="%g" text-anchor="%s" fill="#%06x">`,
		x, y, size, []string{"start", "middle", "end"}[where], uint32(c))
	// A buffer takes all.
	_ = xml.EscapeText(&s.body, []byte(t))
	s.body.WriteString("</text>\n")
}

func (s *svg) write(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s</svg>\n", s.body.Bytes())
	return err
}
