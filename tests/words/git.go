// SPDX-License-Identifier: GPL-2.0

package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"unicode/utf8"
)

// git returns the output of a command of git. The repository may belong to another user than
// root, who runs the tests.
func git(args ...string) (string, error) {
	cmd := exec.Command("git", append([]string{"-c", "safe.directory=*"}, args...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(errs.String()))
	}
	return string(out), nil
}

// tracked calls each with the files that git knows of, as they are in the working tree.
func tracked(each func(name string, text []byte)) error {
	names, err := git("ls-files", "-z")
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(names, "\x00"), "\x00") {
		text, err := os.ReadFile(name)
		// It may have been removed since.
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		each(name, text)
	}
	return nil
}

// archived calls each with the files of a commit or tree.
func archived(ref string, each func(name string, text []byte)) error {
	files, err := git("archive", "--format=tar", ref)
	if err != nil {
		return err
	}
	for t := tar.NewReader(strings.NewReader(files)); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		text, err := io.ReadAll(t)
		if err != nil {
			return err
		}
		each(h.Name, text)
	}
}

// subjectMax is how many characters a subject may have.
const subjectMax = 72

var subject = regexp.MustCompile(`^[a-z0-9][\w./, -]*: \S`)

// firstOfRules is the file that came with the rules: older commits are not checked.
const firstOfRules = "CONTRIBUTING.md"

// checkCommits returns the findings in the subjects of commits. It tells of commits without a
// body, which is no finding: a trivial change needs none.
func checkCommits(w io.Writer) ([]finding, error) {
	added, err := git("log", "--diff-filter=A", "--format=%H", "--", firstOfRules)
	if err != nil {
		return nil, err
	}
	l := strings.Fields(added)
	if len(l) == 0 {
		fmt.Fprintf(w, "no commit has added %s: subjects are not checked\n", firstOfRules)
		return nil, nil
	}
	log, err := git("log", "--no-merges", "--format=%h%x00%s%x00%b%x01", l[len(l)-1]+"..HEAD")
	if err != nil {
		return nil, err
	}
	var found []finding
	for commit := range strings.SplitSeq(log, "\x01") {
		f := strings.Split(strings.TrimSpace(commit), "\x00")
		if len(f) != 3 {
			continue
		}
		found = append(found, checkSubject(f[0], f[1])...)
		if strings.TrimSpace(f[2]) == "" {
			fmt.Fprintf(w, "note: %s has no body: %s\n", f[0], f[1])
		}
	}
	return found, nil
}

func checkSubject(commit, text string) []finding {
	var found []finding
	add := func(broken bool, r *rule) {
		if broken {
			found = append(found, finding{commit, r, text})
		}
	}
	add(!subject.MatchString(text), subjectForm)
	add(utf8.RuneCountInString(text) > subjectMax, subjectLength)
	add(strings.HasSuffix(text, "."), subjectPeriod)
	return found
}
