// SPDX-License-Identifier: GPL-2.0

package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseRSA(t *testing.T) {
	const older = `version: 3.0.19
                  sign    verify    sign/s verify/s
rsa 1024 bits 0.000084s 0.000005s  11933.3 205957.6
rsa 4096 bits 0.003000s 0.000050s    333.3  20000.0
`
	const newer = `                   sign    verify    encrypt   decrypt   sign/s verify/s  encr./s  decr./s
rsa  1024 bits 0.000084s 0.000005s 0.000006s 0.000090s  11933.3 205957.6 150000.0  11000.0
rsa  4096 bits 0.003000s 0.000050s 0.000060s 0.003100s    333.3  20000.0  16000.0    322.0
`
	want := map[int]rsaRates{1024: {11933.3, 205957.6}, 4096: {333.3, 20000}}
	for _, s := range []string{older, newer} {
		got, err := parseRSA(s)
		if err != nil {
			t.Error(err)
		}
		if d := cmp.Diff(want, got, cmp.AllowUnexported(rsaRates{})); d != "" {
			t.Error(d)
		}
	}
	for _, s := range []string{
		"sign verify sign/s verify/s\nrsa many bits 1s 1s 1 1\n",
		"sign verify sign/s verify/s\nrsa 1024 bits 1s 1s 1\n",
		"sign verify sign/s verify/s\nrsa 1024 bits 1s 1s fast faster\n",
	} {
		if got, err := parseRSA(s); err == nil {
			t.Errorf("%q is %v", s, got)
		}
	}
	if got, err := parseRSA("nothing\n"); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestParseSHA1(t *testing.T) {
	got, err := parseSHA1("The 'numbers' are in 1000s of bytes per second processed.\ntype            319 bytes\nsha1           1109699.82k\n")
	if err != nil || got != 1109699820 {
		t.Errorf("%v, %v", got, err)
	}
	for _, s := range []string{"", "sha1 -\n", "sha256 1.0k\n"} {
		if got, err := parseSHA1(s); err == nil {
			t.Errorf("%q is %v", s, got)
		}
	}
}
