// SPDX-License-Identifier: GPL-2.0

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// runner runs parts, and tells the report about them.
type runner struct {
	out    string // the folder of logs and artifacts
	slots  int
	limit  time.Duration // from the begin of the run; later no repetition begins. 0: none
	report *report
}

// cannotError says that a part could not be run.
type cannotError struct {
	part *part
	log  string
}

func (e *cannotError) Error() string {
	return fmt.Sprintf("%s cannot run, so all is stopped; its log %s ends:\n%s", e.part.name, e.log, tail(e.log, 8))
}

// all runs parts until all have ended, one of them cannot run, or ctx is done.
func (r *runner) all(ctx context.Context, parts []*part) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type ending struct {
		part   *part
		status int
		cases  []testCase
		err    error
	}
	ends := make(chan ending)
	tick := time.NewTicker(r.report.every)
	defer tick.Stop()
	var failure error
	busy := 0
	for {
		if r.limit > 0 && time.Since(r.report.begun) > r.limit {
			leaveOut(parts)
		}
		for failure == nil && ctx.Err() == nil {
			p := next(parts, busy, r.slots)
			if p == nil {
				break
			}
			busy++
			p.state = running
			r.report.begins(p)
			go func() {
				status, cases, err := r.one(ctx, p)
				ends <- ending{p, status, cases, err}
			}()
		}
		if busy == 0 {
			break
		}
		select {
		case <-tick.C:
			r.report.progress(r.slots)
		case e := <-ends:
			busy--
			p := e.part
			p.state = failed
			switch {
			case ctx.Err() != nil:
			case e.err != nil:
				failure = e.err
				cancel()
			case e.status == exitCannot || e.status != 0 && p.prepares:
				failure = &cannotError{p, r.log(p)}
				cancel()
			default:
				if e.status == 0 {
					p.state = passed
				}
				r.report.ends(p, e.status, e.cases, r.log(p))
			}
		}
	}
	if failure == nil {
		failure = context.Cause(ctx)
	}
	if failure == nil {
		r.report.missed()
	}
	return failure
}

// pause is how long to wait after a try that failed. Tests replace it.
var pause = func(try int) time.Duration { return time.Duration(10*try) * time.Second }

func (r *runner) log(p *part) string { return filepath.Join(r.out, p.name+".log") }

// one runs a part, as often as it may be tried, and returns its exit status.
func (r *runner) one(ctx context.Context, p *part) (status int, cases []testCase, err error) {
	for try := 1; ; try++ {
		start := time.Now()
		status, cases, err = r.process(ctx, p)
		p.seconds = time.Since(start).Seconds()
		if err != nil || status == 0 || try >= p.tries || ctx.Err() != nil {
			return status, cases, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause(try)):
		}
	}
}

// process runs a part's command once. Its output is written to its log.
func (r *runner) process(ctx context.Context, p *part) (int, []testCase, error) {
	argv, err := p.argv()
	if err != nil {
		return 0, nil, fmt.Errorf("%s: %w", p.name, err)
	}
	log, err := os.Create(r.log(p))
	if err != nil {
		return 0, nil, err
	}
	defer log.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), p.env...)
	// It has its own process group, so that its children end with it. It ends when this process
	// does.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	pr, pw, err := os.Pipe()
	if err != nil {
		return 0, nil, err
	}
	defer pr.Close()
	cmd.Stdout, cmd.Stderr = pw, pw
	// Pdeathsig is about the thread that has started the process, not about this process.
	done := make(chan error, 1)
	started := make(chan error, 1)
	go func() {
		lockThread()
		err := cmd.Start()
		pw.Close()
		started <- err
		if err == nil {
			done <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return 0, nil, fmt.Errorf("%s: %w", p.name, err)
	}
	read := make(chan []testCase, 1)
	go func() { read <- r.follow(p, io.TeeReader(pr, log)) }()

	var end error
	select {
	case end = <-done:
	case <-ctx.Done():
		syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		select {
		case end = <-done:
		case <-time.After(10 * time.Second):
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			end = <-done
		}
	}
	// Processes that it left running hold the pipe open.
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	cases := <-read
	p.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	if e, ok := end.(*exec.ExitError); ok {
		if ws := e.Sys().(syscall.WaitStatus); ws.Signaled() {
			return 128 + int(ws.Signal()), cases, nil
		}
		return e.ExitCode(), cases, nil
	}
	return 0, cases, end
}

// follow reads what a part prints, and returns its cases.
func (r *runner) follow(p *part, from io.Reader) []testCase {
	t := newTAP(p.guest != nil || p.lateCommand != nil)
	s := bufio.NewScanner(from)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		line := strings.TrimRight(s.Text(), "\r")
		r.report.prints(p, line)
		if c := t.line(line, time.Now()); c != nil {
			r.report.counts(p, *c)
		}
	}
	// A line that is too long must not block its writer.
	io.Copy(io.Discard, from)
	return t.end()
}

// tail returns the last n lines of a file, indented, or why it can't be read.
func tail(file string, n int) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	l := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return "    " + strings.Join(l[max(0, len(l)-n):], "\n    ")
}
