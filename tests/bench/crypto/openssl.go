// SPDX-License-Identifier: GPL-2.0

package main

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// openssl runs 'openssl speed', each measurement for so many seconds.
type openssl struct{ seconds int }

// rsaRates are operations per second.
type rsaRates struct{ sign, verify float64 }

func (o openssl) run(args ...string) (string, error) {
	out, err := exec.Command("openssl", args...).Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("%w: on Debian, 'apt-get install openssl'", err)
	}
	if err != nil {
		return "", fmt.Errorf("openssl %s: %w", strings.Join(args, " "), err)
	}
	return string(out), nil
}

func (o openssl) version() (string, error) {
	s, err := o.run("version")
	words := strings.Fields(s)
	return strings.Join(words[:min(2, len(words))], " "), err
}

func (o openssl) rsa(bits []int) (map[int]rsaRates, error) {
	args := []string{"speed", "-seconds", strconv.Itoa(o.seconds)}
	for _, b := range bits {
		args = append(args, "rsa"+strconv.Itoa(b))
	}
	s, err := o.run(args...)
	if err != nil {
		return nil, err
	}
	rates, err := parseRSA(s)
	if err != nil {
		return nil, err
	}
	for _, b := range bits {
		if rates[b] == (rsaRates{}) {
			return nil, fmt.Errorf("'openssl speed' says nothing of rsa%d:\n%s", b, s)
		}
	}
	return rates, nil
}

// parseRSA reads the table that openssl prints. Its columns differ between versions: a
// heading has their names. Each line begins with "rsa 2048 bits", where the number may
// lack a space beside it.
func parseRSA(s string) (map[int]rsaRates, error) {
	rates := make(map[int]rsaRates)
	var columns []string
	for line := range strings.Lines(s) {
		fields := strings.Fields(line)
		if slices.Contains(fields, "sign/s") && slices.Contains(fields, "verify/s") {
			columns = fields
			continue
		}
		head, values, ok := strings.Cut(line, "bits")
		if !ok || !strings.HasPrefix(head, "rsa") || columns == nil {
			continue
		}
		bits, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(head, "rsa")))
		if err != nil {
			return nil, fmt.Errorf("'openssl speed' says %q", line)
		}
		numbers := strings.Fields(values)
		value := func(name string) float64 {
			at := slices.Index(columns, name)
			if at >= len(numbers) {
				return 0
			}
			v, _ := strconv.ParseFloat(numbers[at], 64)
			return v
		}
		r := rsaRates{value("sign/s"), value("verify/s")}
		if r.sign <= 0 || r.verify <= 0 {
			return nil, fmt.Errorf("'openssl speed' says %q", line)
		}
		rates[bits] = r
	}
	return rates, nil
}

// sha1 returns how many times per second so many octets are hashed.
func (o openssl) sha1(octets int) (float64, error) {
	s, err := o.run("speed", "-seconds", strconv.Itoa(o.seconds), "-bytes", strconv.Itoa(octets), "-evp", "sha1")
	if err != nil {
		return 0, err
	}
	rate, err := parseSHA1(s)
	return rate / float64(octets), err
}

// parseSHA1 returns the octets per second of the table's last line, which has them in
// thousands, followed by a k.
func parseSHA1(s string) (float64, error) {
	for line := range strings.Lines(s) {
		fields := strings.Fields(line)
		if len(fields) != 2 || !strings.EqualFold(fields[0], "sha1") {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSuffix(fields[1], "k"), 64)
		if err == nil && v > 0 {
			return 1000 * v, nil
		}
	}
	return 0, fmt.Errorf("'openssl speed' says nothing of sha1:\n%s", s)
}
