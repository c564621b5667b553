// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"strings"
	"unicode"

	"github.com/gdamore/tcell/v2"
)

// pageName is one of the pages of top.
type pageName int

const (
	pageAll pageName = iota
	pageSwitches
	pageDoctor
)

// view is what the user sees, and has chosen to see.
type view struct {
	// latest is the last frame, nil before the first. shown is the one on the screen, which is an
	// older one while the user has paused.
	latest, shown *frame
	paused        bool
	page          pageName
	// offset is how many lines of the page are above the screen; rows and lines are how many lines
	// fit, and how many there are.
	offset, rows, lines int
}

// span is a text of one look.
type span struct {
	look look
	text string
}

// line is a line of the screen.
type line []span

// look is how a text looks. No look says what the text does not say.
type look int

const (
	lookPlain look = iota
	lookStrong
	lookFaint
	lookHeading
	lookGood
	lookBad
	lookDoubtful
)

// styles have the colours of the user's terminal.
var styles = map[look]tcell.Style{
	lookPlain:    tcell.StyleDefault,
	lookStrong:   tcell.StyleDefault.Bold(true),
	lookFaint:    tcell.StyleDefault.Dim(true),
	lookHeading:  tcell.StyleDefault.Underline(true),
	lookGood:     tcell.StyleDefault.Foreground(tcell.ColorGreen).Bold(true),
	lookBad:      tcell.StyleDefault.Foreground(tcell.ColorRed).Bold(true),
	lookDoubtful: tcell.StyleDefault.Foreground(tcell.ColorYellow).Bold(true),
}

// show has a frame shown, unless the user has paused.
func (v *view) show(f *frame) {
	v.latest = f
	if !v.paused {
		v.shown = f
	}
}

// key does what a key is for. It reports whether that is to end.
func (v *view) key(e *tcell.EventKey) (quit bool) {
	switch e.Key() {
	case tcell.KeyCtrlC:
		return true
	case tcell.KeyEscape:
		v.turn(pageAll)
	case tcell.KeyUp:
		v.offset--
	case tcell.KeyDown:
		v.offset++
	case tcell.KeyPgUp:
		v.offset -= v.rows
	case tcell.KeyPgDn:
		v.offset += v.rows
	case tcell.KeyHome:
		v.offset = 0
	case tcell.KeyEnd:
		v.offset = v.lines
	case tcell.KeyRune:
		switch e.Rune() {
		case 'q':
			return true
		case 'k':
			v.offset--
		case 'j':
			v.offset++
		case 's':
			v.turn(pageSwitches)
		case 'd':
			v.turn(pageDoctor)
		case ' ', 'p':
			if v.paused = !v.paused; !v.paused {
				v.shown = v.latest
			}
		}
	}
	return false
}

// turn turns to a page, and back from it by the same key.
func (v *view) turn(to pageName) {
	if v.page == to {
		to = pageAll
	}
	v.page, v.offset = to, 0
}

// draw draws the first two lines, a part of the page, and the keys.
func (v *view) draw(s tcell.Screen) {
	s.Clear()
	width, height := s.Size()
	top, body := []line{{{lookPlain, "asking shim6d"}}}, []line{}
	if v.shown != nil {
		top = v.shown.top(width)
		v.rows = max(0, height-len(top)-1)
		switch v.page {
		case pageSwitches:
			body = v.shown.switchesPage(width)
		case pageDoctor:
			body = v.shown.doctorPage(width)
		default:
			body = v.shown.allPage(width, v.rows)
		}
	}
	v.lines = len(body)
	v.offset = max(0, min(v.offset, v.lines-v.rows))
	for y, l := range top {
		put(s, y, width, l)
	}
	for y, l := range body[v.offset:min(len(body), v.offset+max(0, v.rows))] {
		put(s, len(top)+y, width, l)
	}
	if height > len(top) {
		put(s, height-1, width, v.keys())
	}
	s.Show()
}

// keys is the last line.
func (v *view) keys() line {
	l := line{{lookStrong, "q"}, {lookPlain, " quit  "}, {lookStrong, "space"}, {lookPlain, " pause  "}, {lookStrong, "s"}, {lookPlain, " switches  "}, {lookStrong, "d"}, {lookPlain, " doctor"}}
	if v.lines > v.rows && v.rows > 0 {
		l = append(l, span{lookPlain, "  "}, span{lookStrong, "up/down"}, span{lookPlain, " more"})
	}
	if v.page != pageAll {
		l = append(l, span{lookPlain, "  "}, span{lookStrong, "Esc"}, span{lookPlain, " back"})
	}
	if v.paused {
		l = append(l, span{lookDoubtful, "  PAUSED"})
	}
	return l
}

// put writes a line, as far as it fits.
func put(s tcell.Screen, y, width int, l line) {
	x := 0
	for _, p := range l {
		for text := clean(p.text); text != "" && x < width; {
			rest, w := s.Put(x, y, text, styles[p.look])
			if w == 0 {
				break
			}
			x, text = x+w, rest
		}
	}
}

// clean replaces what a terminal might obey, and what would stand elsewhere than it is written:
// names of interfaces and texts of others may have anything.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) || unicode.Is(unicode.M, r) {
			return '?'
		}
		return r
	}, s)
}
