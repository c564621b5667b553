// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// section is the text below a heading of a page.
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

// mdocToken is a piece of a synopsis: a word, a bracket or a sign.
var mdocToken = regexp.MustCompile(`\.\.\.|[][|,/]|[^][|,/\s]+`)

// mdoc writes a synopsis in the language of manual pages: upper case is an argument, and all other
// words are commands.
func mdoc(synopsis string) string {
	var out []string
	end, opened := 0, true
	for _, at := range mdocToken.FindAllStringIndex(synopsis, -1) {
		token := synopsis[at[0]:at[1]]
		// Pieces without a space between them stay together; brackets do that by themselves.
		if at[0] == end && !opened && token != "]" {
			out = append(out, "Ns")
		}
		end, opened = at[1], token == "["
		switch {
		case token == "[":
			out = append(out, "Oo")
		case token == "]":
			out = append(out, "Oc")
		case strings.ContainsAny(token, "|,/"):
			out = append(out, token)
		case token == "..." || strings.ToUpper(token) == token && strings.ToLower(token) != token:
			out = append(out, "Ar", token)
		default:
			out = append(out, "Cm", token)
		}
	}
	return strings.Join(out, " ")
}

func TestMdoc(t *testing.T) {
	for synopsis, want := range map[string]string{
		"show [CONTEXT]":         "Cm show Oo Ar CONTEXT Oc",
		"set KEY VALUE [...]":    "Cm set Ar KEY Ar VALUE Oo Ar ... Oc",
		"icmp-to-ulp 0|1":        "Cm icmp-to-ulp Cm 0 Ns | Ns Cm 1",
		"mark N[/MASK]":          "Cm mark Ar N Ns Oo / Ns Ar MASK Oc",
		"prefix PREFIX[,...] on": "Cm prefix Ar PREFIX Ns Oo , Ns Ar ... Oc Cm on",
	} {
		if got := mdoc(synopsis); got != want {
			t.Errorf("%s is %q, want %q", synopsis, got, want)
		}
	}
}

// shim6tool(8) has what the rows have: the objects, their commands with what they take, and the
// keys that help explains, each in the order of help.
func TestToolPage(t *testing.T) {
	text := page(t, "shim6tool.8")
	var headings []string
	for _, o := range objects {
		if o.with != "" {
			continue
		}
		names := o.sharers()
		headings = append(headings, strings.Join(names, ", "))
		var want []string
		for _, name := range names {
			for _, c := range commandsOf(name) {
				synopsis := c.verb + " " + c.args
				if len(names) > 1 {
					synopsis = name + " " + synopsis
				}
				want = append(want, mdoc(synopsis))
			}
		}
		for _, k := range explained(names) {
			want = append(want, mdoc(k.usage()))
		}
		var got []string
		for _, m := range regexp.MustCompile(`(?m)^\.It (.+)$`).FindAllStringSubmatch(section(t, text, ".Ss "+strings.Join(names, ", ")), -1) {
			got = append(got, m[1])
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("the items of section %v of the manual page (+) differ from the rows (-):\n%s", names, d)
		}
	}
	var got []string
	for _, m := range regexp.MustCompile(`(?m)^\.Ss (.+)$`).FindAllStringSubmatch(text, -1) {
		got = append(got, m[1])
	}
	if d := cmp.Diff(append([]string{"Options"}, headings...), got); d != "" {
		t.Errorf("the sections of the manual page (+) differ from the objects (-):\n%s", d)
	}
}

// shim6tool(8) has the options in its synopsis, and explains them.
func TestOptionsPage(t *testing.T) {
	text := page(t, "shim6tool.8")
	synopsis, _, _ := strings.Cut(text, ".Sh DESCRIPTION")
	var want, got []string
	for _, o := range appOptions((&tool{}).app()) {
		var names []string
		for _, n := range o.names {
			names = append(names, "Fl "+n[1:])
		}
		item := strings.Join(names, " , ")
		if o.value != "" {
			item += " Ar " + o.value
		}
		want = append(want, item)
		if o.names[0] != "-h" && o.names[0] != "-v" && !strings.Contains(synopsis, names[0]) {
			t.Errorf("option %s is not in the synopsis", o.names[0])
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^\.It (.+)$`).FindAllStringSubmatch(section(t, text, ".Ss Options"), -1) {
		got = append(got, m[1])
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the options of the manual page (+) differ from those of the program (-):\n%s", d)
	}
}

// No line of help is wider than a screen.
func TestUsageWidth(t *testing.T) {
	var all []string
	app := (&tool{}).app()
	all = append(all, app.Description)
	for _, o := range app.Commands {
		all = append(all, o.Description)
		for _, c := range o.Subcommands {
			all = append(all, c.Description)
		}
	}
	for _, l := range strings.Split(strings.Join(all, ""), "\n") {
		if len(l) > usageWidth {
			t.Errorf("%d: %s", len(l), l)
		}
	}
}

// Each row is of an object, has an order and says what it does. No two of an object have one verb,
// each object has one default, and what a command takes is in its synopsis or explained.
func TestRows(t *testing.T) {
	seen := map[string]bool{}
	for i, c := range commands {
		if seen[c.name()] || c.help == "" {
			t.Errorf("%s: there are two, or it has no help", c.name())
		}
		seen[c.name()] = true
		first := i == 0 || commands[i-1].object != c.object
		if first != (c.order == isDefault) {
			t.Errorf("%s: first of its object %v, default %v", c.name(), first, c.order == isDefault)
		}
		if !slices.ContainsFunc(objects, func(o objectRow) bool { return o.name == c.object }) {
			t.Errorf("there is no object %s", c.object)
		}
		for _, k := range c.form(&tool{}).keys {
			if !strings.Contains(c.args+" "+c.help, k.name) && k.help == "" {
				t.Errorf("%s: %s is not explained", c.name(), k.name)
			}
			if !k.flag && k.value == "" {
				t.Errorf("%s: nothing stands for the value of %s", c.name(), k.name)
			}
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
