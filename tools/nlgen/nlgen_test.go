// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const good = `
name: shim6
definitions:
  - {type: const, name: some-limit, value: 7, doc: A limit.}
  - {type: enum, name: colour, value-start: 1, entries: [red, {name: blue, doc: Dark.}]}
attribute-sets:
  - name: config
    attributes:
      - {name: max-flows, type: u32, doc: "How many.\nReally."}
operations:
  list:
    - {name: config-get, doc: Get it., attribute-set: config, do: {reply: &all {attributes: [max-flows]}}}
    - {name: config-set, attribute-set: config, do: {request: *all}}
    - {name: config-event, attribute-set: config, event: {attributes: [max-flows]}}
    - {name: config-ntf, notify: config-get, mcgrp: config}
mcast-groups: {list: [{name: config}]}
`

func TestParseSpecErrors(t *testing.T) {
	if _, err := parseSpec([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ old, new, want string }{
		{"name: shim6", "name: Shim 6", `family "Shim 6"`},
		{"name: shim6", "name: [", "not YAML"},
		{"type: const", "type: flags", `definition "some-limit" is a "flags"`},
		{"type: const", "type: enum", `enum "some-limit" has no entries`},
		{"name: blue", "name: red", `entry of colour "red" is there twice`},
		{"[max-flows]}}", "[max-flow]}}", `"max-flow", which set "config" lacks`},
		{"type: u32", "type: u31", `"max-flows" of set "config" has the unknown type "u31"`},
		{"name: config-set", "name: config-get", `operation "config-get" is there twice`},
		{"Get it., attribute-set: config", "Get it., attribute-set: conf", `unknown attribute set "conf"`},
		{"[max-flows]", "[min-flows]", `"min-flows", which set "config" lacks`},
		{"notify: config-get", "notify: config-got", `notifies "config-got"`},
		{"list: [{name: config}]", "list: [{name: config}, {name: config}]", `multicast group "config" is there twice`},
	} {
		text := strings.Replace(good, tt.old, tt.new, 1)
		if text == good {
			t.Fatalf("%q is not in the good one", tt.old)
		}
		if _, err := parseSpec([]byte(text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.new, err)
		}
	}
}

func TestGenerateGo(t *testing.T) {
	s, err := parseSpec([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	got, err := generateGo(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"DO NOT EDIT.\n\npackage netlink\n", "\t// A limit.\n\tSomeLimit = 7\n",
		"\t// Get it.\n\tcmdConfigGet   = 1\n\tcmdConfigSet   = 2\n\tcmdConfigEvent = 3\n\tcmdConfigNtf   = 4\n",
		"\t// How many.\n\t// Really.\n\tattrConfigMaxFlows = 1 // u32\n", "\tattrConfigMaxFlows: \"max-flows\",\n",
		"\tgroupConfig = \"config\"\n",
		"\tColourRed Colour = 1\n\t// Dark.\n\tColourBlue Colour = 2\n",
		"\tColourRed:  \"red\",\n",
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
}

// -check accepts the files that were written, and names the file and line that drifted.
func TestCheck(t *testing.T) {
	repo := t.TempDir()
	if err := run(repo, "", true, false); err == nil || !strings.Contains(err.Error(), "-repo") {
		t.Errorf("without a spec: %v", err)
	}
	os.Mkdir(filepath.Join(repo, "netlink"), 0o755)
	os.WriteFile(filepath.Join(repo, specPath), []byte(good), 0o644)
	if err := run(repo, "", false, false); err == nil || !strings.Contains(err.Error(), "-kernel-source") {
		t.Errorf("C without a kernel: %v", err)
	}
	if err := run(repo, t.TempDir(), false, false); err == nil || !strings.Contains(err.Error(), "Linux 6.12") {
		t.Errorf("C with no generator: %v", err)
	}
	if err := run(repo, "", true, true); err == nil || !strings.Contains(err.Error(), "shim6_gen.go: no such file") {
		t.Errorf("check before: %v", err)
	}
	for _, check := range []bool{false, true} {
		if err := run(repo, "", true, check); err != nil {
			t.Fatal(err)
		}
	}
	os.WriteFile(filepath.Join(repo, specPath), []byte(strings.Replace(good, "value: 7", "value: 8", 1)), 0o644)
	if err := run(repo, "", true, true); err == nil || !strings.Contains(err.Error(), "shim6_gen.go:16:\n\t-\tSomeLimit = 7\n\t+\tSomeLimit = 8") {
		t.Errorf("drift: %v", err)
	}
}

func TestTouchUp(t *testing.T) {
	const in = "/*\tDocumentation/netlink/specs/shim6.yaml */\n/* YNL-GEN kernel source */\n/* To regenerate run: tools/net/ynl/ynl-regen.sh */\n\n#include <net/netlink.h>\n"
	const want = "/*\tnetlink/shim6.yaml */\n/* To regenerate run: make generate */\n/* YNL-GEN kernel source */\n\n#include \"compat.h\"\n\n#include <net/netlink.h>\n"
	if got := string(touchUp("kernel/netlink_gen.c", []byte(in))); got != want {
		t.Errorf("%q", got)
	}
}
