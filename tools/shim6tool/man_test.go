// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"shim6/daemon/config"
)

func page(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/man/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), `\-`, "-")
}

// section is what stands under a heading of a page.
func section(t *testing.T, text, heading string) string {
	t.Helper()
	_, s, ok := strings.Cut(text, heading+"\n")
	if !ok {
		t.Errorf("there is no heading %q", heading)
	}
	return regexp.MustCompile(`(?m)^\.S[sh] `).Split(s, 2)[0]
}

// Every key of the configuration is in shim6d.conf(5), under the heading of its table,
// and nothing else is.
func TestConfigPage(t *testing.T) {
	text := page(t, "shim6d.conf.5")
	var keys func(c reflect.Type, heading string)
	keys = func(c reflect.Type, heading string) {
		var want []string
		for i := range c.NumField() {
			name := c.Field(i).Tag.Get("toml")
			switch kind := c.Field(i).Type; {
			case name == "-":
			case kind.Kind() == reflect.Struct:
				keys(kind, ".Ss ["+name+"]")
			case kind.Kind() == reflect.Slice && kind.Elem().Kind() == reflect.Struct && strings.HasPrefix(kind.Elem().PkgPath(), "shim6/"):
				keys(kind.Elem(), ".Ss [["+name+"]]")
			default:
				want = append(want, name)
			}
		}
		var got []string
		for _, m := range regexp.MustCompile(`(?m)^\.It Ic (\S+)`).FindAllStringSubmatch(section(t, text, heading), -1) {
			got = append(got, m[1])
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(want, got) {
			t.Errorf("under %q are %v, and there is %v", heading, got, want)
		}
	}
	keys(reflect.TypeFor[config.Config](), ".Ss Outside of all tables")
}

// The configurations in shim6d.conf(5) are good.
func TestConfigExamples(t *testing.T) {
	found := regexp.MustCompile(`(?s)\.\\" toml\n\.Bd[^\n]*\n(.*?)\.Ed`).FindAllStringSubmatch(page(t, "shim6d.conf.5"), -1)
	if len(found) < 2 {
		t.Errorf("there are %d", len(found))
	}
	for _, m := range found {
		if _, err := config.Parse("example", m[1]); err != nil {
			t.Error(err)
		}
	}
}

// Every object, command, key and option is in shim6tool(8), and in what help prints.
func TestToolPage(t *testing.T) {
	tl := &tool{}
	text := page(t, "shim6tool.8")
	r := tl.tree()
	for _, o := range r.objects {
		s := text
		if o == "cga" || o == "hba" {
			s = section(t, text, ".Ss cga, hba")
		} else {
			s = section(t, text, ".Ss "+o)
		}
		for _, name := range r.order {
			if name != o && !strings.HasPrefix(name, o+" ") {
				continue
			}
			for _, w := range r.words[name] {
				if w != "help" && !strings.Contains(s, "Cm "+w) && !strings.Contains(s, "Cm "+w+" ,") {
					t.Errorf("%s: %q is not in the manual page", name, w)
				}
				if !regexp.MustCompile(`\b` + regexp.QuoteMeta(w) + `\b`).MatchString(usage) {
					t.Errorf("%s: %q is not in the usage", name, w)
				}
			}
		}
	}
	options := section(t, text, ".Ss Options")
	for _, o := range globalOptions {
		if !strings.Contains(options, "Fl "+o.name[1:]) {
			t.Errorf("option %s is not in the manual page", o.name)
		}
		if !regexp.MustCompile(o.name + `\b`).MatchString(usage) {
			t.Errorf("option %s is not in the usage", o.name)
		}
	}
}

// What completes is what the tool takes.
func TestGlobalOptions(t *testing.T) {
	var want, got []string
	for _, f := range (&tool{}).app().Flags {
		for _, n := range f.Names() {
			want = append(want, "-"+n)
		}
	}
	for _, o := range globalOptions {
		if !strings.Contains("-v -version -h -help", o.name) {
			got = append(got, o.name)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("options %v, completed %v", want, got)
	}
}

// No line of the usage is wider than a screen.
func TestUsageWidth(t *testing.T) {
	for _, l := range strings.Split(usage, "\n") {
		if len(l) > 80 {
			t.Errorf("%d: %s", len(l), l)
		}
	}
}

// Every option of shim6d is in shim6d(8).
func TestDaemonPage(t *testing.T) {
	b, err := os.ReadFile("../../daemon/shim6d/main.go")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`cli\.\w+Flag{Name: "([^"]+)"`).FindAllStringSubmatch(string(b), -1)
	if len(found) == 0 {
		t.Error("no option is found")
	}
	text := page(t, "shim6d.8")
	for _, m := range found {
		if !strings.Contains(text, "Fl "+m[1]) {
			t.Errorf("option -%s is not in the manual page", m[1])
		}
	}
}
