// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// scripts are the files that are installed.
var scripts = map[string]string{"bash": "shim6tool.bash", "zsh": "_shim6tool", "fish": "shim6tool.fish"}

// installed is the path of a shell, "" if it is not installed. With SHIM6_NO_SKIP=1 that is an error.
func installed(t *testing.T, shell string) string {
	path, err := exec.LookPath(shell)
	if err != nil && os.Getenv("SHIM6_NO_SKIP") == "1" {
		t.Errorf("%s is not installed, and SHIM6_NO_SKIP=1 lets nothing be skipped", shell)
	}
	return path
}

// The files are the same as the output of the tool.
func TestCompletionFiles(t *testing.T) {
	for shell, file := range scripts {
		_, out, _ := callWorld(&world{}, "completion", shell)
		b, err := os.ReadFile("completion/" + file)
		if err != nil || string(b) != out {
			t.Errorf("completion/%s is out of date (%v): 'go generate ./tools/shim6tool' makes it", file, err)
		}
		if cmd := installed(t, shell); cmd != "" {
			if b, err := exec.Command(cmd, "-n", "completion/"+file).CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", shell, err, b)
			}
		}
	}
}

// bash offers these words.
func TestCompletionBash(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	const script = `source completion/shim6tool.bash
COMP_WORDS=(shim6tool "$@") COMP_CWORD=$#
_shim6tool
echo "${COMPREPLY[*]}"`
	for _, tt := range []struct {
		words []string
		want  string
	}{
		{[]string{"co"}, "context config completion"},
		{[]string{"-ne"}, "-netns"},
		{[]string{"context", "tr"}, "trigger"},
		{[]string{"-j", "-n", "context", "policy", "fl"}, "flush"},
		{[]string{"policy", "add", "action", "bypass", "port-"}, "port-local port-peer"},
		{[]string{"monitor", ""}, "all config context path policy protection help"},
		{[]string{"stats", "show", ""}, ""},
		{[]string{"hba", "show", "pds", "completion_t"}, "completion_test.go"},
		{[]string{"nothing", ""}, ""},
	} {
		b, err := exec.Command(bash, append([]string{"-c", script, "bash"}, tt.words...)...).CombinedOutput()
		if got := strings.TrimSpace(string(b)); err != nil || got != tt.want {
			t.Errorf("%q: %q, %v", tt.words, got, err)
		}
	}
}

// fish offers these words, if it is installed.
func TestCompletionFish(t *testing.T) {
	fish := installed(t, "fish")
	if fish == "" {
		t.Skip("fish is not installed")
	}
	for _, tt := range []struct{ line, want string }{
		{"shim6tool co", "completion config context"},
		{"shim6tool -n context policy fl", "flush"},
		{"shim6tool context set send", "send-timeout"},
		{"shim6tool hba show pds completion_t", "completion_test.go"},
	} {
		b, err := exec.Command(fish, "--no-config", "-c", "source completion/shim6tool.fish; complete -C '"+tt.line+"'").CombinedOutput()
		if got := strings.Join(strings.Fields(string(b)), " "); err != nil || got != tt.want {
			t.Errorf("%q: %q, %v", tt.line, got, err)
		}
	}
}
