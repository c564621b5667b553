// SPDX-License-Identifier: GPL-2.0

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// progress tells a person what the runner is doing. On a terminal it rewrites one
// line; elsewhere it adds a line every quarter of a minute.
type progress struct {
	w      io.Writer
	prefix string
	tty    bool
	every  time.Duration
}

func newProgress(f *os.File, kernel string) *progress {
	p := &progress{w: f, prefix: "vm: " + kernel + ": ", every: 15 * time.Second}
	if st, err := f.Stat(); err == nil && st.Mode()&os.ModeCharDevice != 0 {
		p.tty, p.every = true, time.Second/2
	}
	return p
}

func (p *progress) say(format string, args ...any) {
	fmt.Fprintf(p.w, p.prefix+format+"\n", args...)
}

// run runs a command. It shows its progress by the lines that the command prints,
// and keeps all of them in the file log. The error has the end of that file.
func (p *progress) run(what, log string, cmd *exec.Cmd) error {
	f, err := os.Create(log)
	if err != nil {
		return err
	}
	defer f.Close()

	pr, pw, err := os.Pipe()
	if err != nil {
		return err
	}
	defer pr.Close()
	cmd.Stdout, cmd.Stderr = pw, pw
	start := time.Now()
	p.say("%s ...", what)
	if err := cmd.Start(); err != nil {
		pw.Close()
		return fmt.Errorf("%s: %w", what, err)
	}
	pw.Close()

	var mu sync.Mutex
	lines, last := 0, ""
	done := make(chan struct{})
	go func() {
		defer close(done)
		s := bufio.NewScanner(pr)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			fmt.Fprintln(f, s.Text())
			mu.Lock()
			lines++
			last = strings.TrimSpace(s.Text())
			mu.Unlock()
		}
		// A line too long to scan must not block the command.
		io.Copy(f, pr)
	}()
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-tick.C:
			mu.Lock()
			state := fmt.Sprintf("%s: %s, %d steps, %.50s", what,
				time.Since(start).Round(time.Second), lines, last)
			mu.Unlock()
			if p.tty {
				fmt.Fprintf(p.w, "\r\x1b[K%s%s", p.prefix, state)
			} else {
				p.say("%s", state)
			}
		}
	}
	if p.tty {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s failed (%w); its log is %s and ends:\n%s",
			what, err, log, tail(log, 20))
	}
	return nil
}

// tail returns the last n lines of a file, or why it can't be read.
func tail(file string, n int) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	l := bytes.Split(bytes.TrimRight(b, "\n"), []byte("\n"))
	return "    " + string(bytes.Join(l[max(0, len(l)-n):], []byte("\n    ")))
}
