// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/rivo/uniseg"
)

// fit makes a text as wide as a column, which ends in ~ if it was wider.
func fit(s string, width int) string {
	s = short(s, width)
	return s + strings.Repeat(" ", width-uniseg.StringWidth(s))
}

// short makes a text no wider than that. Its end is ~ if it was.
func short(s string, width int) string {
	s = clean(s)
	if uniseg.StringWidth(s) <= width {
		return s
	}
	cut, at := 0, 0
	for g := uniseg.NewGraphemes(s); g.Next() && at+g.Width() < width; {
		at += g.Width()
		_, cut = g.Positions()
	}
	if width <= 0 {
		return ""
	}
	return s[:cut] + "~"
}

// folded breaks a text into lines, between words where that is possible. Further lines begin where
// the first does.
func folded(l look, s string, width int) []line {
	s = clean(s)
	indent := s[:len(s)-len(strings.TrimLeft(s, " "))]
	var lines []line
	now := indent
	for word := range strings.FieldsSeq(s) {
		if now != indent && uniseg.StringWidth(now)+1+uniseg.StringWidth(word) > width {
			lines = append(lines, line{{l, now}})
			now = indent
		}
		if now != indent {
			now += " "
		}
		now += word
	}
	return append(lines, line{{l, now}})
}

// counted is a number of things.
func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// millis is a time of so many milliseconds.
func millis(ms float64) string {
	switch {
	case ms < 10:
		return fmt.Sprintf("%.1fms", ms)
	case ms < 10000:
		return fmt.Sprintf("%.0fms", ms)
	}
	return fmt.Sprintf("%.0fs", ms/1000)
}

// rate is a number of octets a second, in bits a second.
func rate(octets float64) string {
	if octets < 0 {
		return "-"
	}
	bits := octets * 8
	for _, unit := range []string{"b/s", "kb/s", "Mb/s", "Gb/s"} {
		if bits < 999.5 {
			if bits < 9.95 && unit != "b/s" {
				return fmt.Sprintf("%.1f%s", bits, unit)
			}
			return fmt.Sprintf("%.0f%s", bits, unit)
		}
		bits /= 1000
	}
	return fmt.Sprintf("%.0fTb/s", bits)
}

// coarse is a time in its largest two units.
func coarse(d time.Duration) string {
	switch d = d.Truncate(time.Second); {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return d.String()
}
