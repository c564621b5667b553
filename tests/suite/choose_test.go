// SPDX-License-Identifier: GPL-2.0

package main

import (
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	for _, tt := range []struct {
		o    options
		want string // the parts that run, without those that they need
		err  string
	}{
		{o: options{only: "context"}, want: "context@latest"},
		{o: options{only: "test_context.sh"}, want: "context@latest"},
		{o: options{only: "context", kernel: "6.1-uml"}, want: "context@6.1-uml"},
		{o: options{only: "context", kernel: "all"}, want: "context@latest context@6.1-uml context@debug"},
		{o: options{only: "context@debug"}, want: "context@debug"},
		{o: options{only: "lint"}, want: "lint"},
		{o: options{only: "test_context.sh, config,context"}, want: "context@latest config@latest"},
		{o: options{only: "context,nothing"}, err: "no test for ONLY=nothing"},
		{o: options{only: "context", repeat: 3}, want: "context@latest-run1 context@latest-run2 context@latest-run3"},
		{o: options{only: "failover"}, want: "failover@latest-1of4 failover@latest-2of4 failover@latest-3of4 failover@latest-4of4"},
		{o: options{only: "failover: flapping"}, want: "failover@latest"},
		{o: options{only: "context", kernel: "6.1"}, err: "test context does not run on K=6.1, but on latest 6.1-uml debug"},
		{o: options{only: "contexts"}, err: "no test for ONLY=contexts; there are bare config context"},
		{o: options{kernel: "5.4"}, err: "no kernel for K=5.4; there are latest"},
		{o: options{only: "lint: gofmt"}, err: "only tests in guests"},
	} {
		o := tt.o
		o.repeat = max(o.repeat, 1)
		parts, err := choose(table([]string{"config", "context", "failover"}), o)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%+v: %v, wanted %q", o, err, tt.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", o, err)
			continue
		}
		var got []string
		for _, p := range parts {
			if !p.prepares {
				got = append(got, p.name)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%+v: %v, wanted %s", o, got, tt.want)
		}
	}
}

// The command that a failure shows runs that case alone, also where it was in a share.
func TestAlone(t *testing.T) {
	parts := table([]string{"failover"})
	p := parts[len(parts)-1]
	for _, p = range parts {
		if p.name == "failover@latest-2of4" {
			break
		}
	}
	if got, want := p.alone("it's there"), `make test ONLY='failover: it'\''s there' K=latest`; got != want {
		t.Errorf("%s, wanted %s", got, want)
	}
	chosen, err := choose(parts, options{only: "failover: it's there", kernel: "latest", repeat: 1})
	if err != nil {
		t.Fatal(err)
	}
	argv, err := chosen[len(chosen)-1].argv()
	if err != nil {
		t.Fatal(err)
	}
	if s := strings.Join(argv, "|"); !strings.Contains(s, "|-e|SHIM6_CASE=it's there|") || strings.Contains(s, "SHIM6_SHARE") {
		t.Error(s)
	}
}
