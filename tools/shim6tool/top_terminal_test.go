// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"shim6/daemon/control"
)

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

// terminal is a terminal with a program, and all that it has got.
type terminal struct {
	t           *testing.T
	master, tty *os.File
	before      unix.Termios
	mu          sync.Mutex
	got         strings.Builder
	// cmd is the program, and ended gets its end.
	cmd   *exec.Cmd
	ended chan error
}

// program builds shim6tool, and a daemon to ask. It returns the words to call it with.
func program(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "shim6tool")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	socket := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	answer := func(path string, v any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			if err := json.NewEncoder(w).Encode(v); err != nil {
				t.Error(err)
			}
		})
	}
	answer("/overview", overviewOf(3))
	answer("/status", control.Status{Version: "1.2.3", Kernel: true})
	answer("/paths/history", []control.Switch{})
	answer("/locators", []control.Locator{})
	go http.Serve(l, mux)
	t.Cleanup(func() { l.Close() })
	return []string{path, "-socket", socket, "top"}
}

// open starts a program on a terminal of 80 columns and 24 lines.
func open(t *testing.T, words ...string) *terminal {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Skip("this machine gives no terminals:", err)
	}
	p := &terminal{t: t, master: master, tty: tty, ended: make(chan error, 1)}
	p.size(24, 80)
	p.before = p.state()
	p.cmd = exec.Command(words[0], words[1:]...)
	p.cmd.Env = append(os.Environ(), "TERM=xterm", "PS1=$ ", "HISTFILE=/dev/null")
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = tty, tty, tty
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.cmd.Wait() }()
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			p.mu.Lock()
			p.got.Write(b[:n])
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		// It has ended, unless the test has failed.
		_ = p.cmd.Process.Kill()
		master.Close()
		tty.Close()
	})
	return p
}

func (p *terminal) size(rows, columns uint16) {
	p.t.Helper()
	if err := pty.Setsize(p.master, &pty.Winsize{Rows: rows, Cols: columns}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *terminal) state() unix.Termios {
	p.t.Helper()
	s, err := unix.IoctlGetTermios(int(p.tty.Fd()), unix.TCGETS)
	if err != nil {
		p.t.Fatal(err)
	}
	return *s
}

func (p *terminal) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.got.String()
}

// until waits for something.
func (p *terminal) until(what string, is func() bool) {
	p.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			text := p.text()
			p.t.Fatalf("%s does not come; the terminal has got %q", what, text[max(0, len(text)-2000):])
		}
	}
}

// says waits for a text behind what was there before, and returns how much is there then.
func (p *terminal) says(text string, before int) int {
	p.t.Helper()
	p.until(text, func() bool { return strings.Contains(p.text()[before:], text) })
	return len(p.text())
}

func (p *terminal) types(keys string) {
	p.t.Helper()
	if _, err := io.WriteString(p.master, keys); err != nil {
		p.t.Fatal(err)
	}
}

// end waits for the end of the program.
func (p *terminal) end() error {
	p.t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(patience):
		p.t.Fatalf("it does not end; the terminal has got %q", p.text())
		return nil
	}
}

// restored waits until the terminal is as it was: its settings, the screen, the cursor and the margin.
func (p *terminal) restored() {
	p.t.Helper()
	p.until("the old state", func() bool {
		text := p.text()
		for off, on := range map[string]string{"\x1b[?1049l": "\x1b[?1049h", "\x1b[?25h": "\x1b[?25l", "\x1b[?7h": "\x1b[?7l", "\x1b[?1l": "\x1b[?1h"} {
			if strings.LastIndex(text, off) < strings.LastIndex(text, on) {
				return false
			}
		}
		return p.state() == p.before
	})
}

// However top ends, the terminal is as it was.
func TestTopEnds(t *testing.T) {
	words := program(t)
	for name, end := range map[string]func(*terminal){
		"q":       func(p *terminal) { p.types("q") },
		"Ctrl-C":  func(p *terminal) { p.types("\x03") },
		"SIGINT":  func(p *terminal) { _ = p.cmd.Process.Signal(syscall.SIGINT) },
		"SIGTERM": func(p *terminal) { _ = p.cmd.Process.Signal(syscall.SIGTERM) },
		"SIGQUIT": func(p *terminal) { _ = p.cmd.Process.Signal(syscall.SIGQUIT) },
		"SIGHUP":  func(p *terminal) { _ = p.cmd.Process.Signal(syscall.SIGHUP) },
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, words...)
			p.says("NOT PROTECTED", 0)
			if p.state() == p.before {
				t.Error("it reads lines, not keys")
			}
			end(p)
			if err := p.end(); err != nil {
				t.Error(err)
			}
			p.restored()
			if strings.Contains(p.text(), "&\x1b") || strings.Contains(p.text(), "\u202e") {
				t.Errorf("the terminal has got what a name has: %q", p.text())
			}
		})
	}
}

// A terminal that is gone ends top, and one that takes no more does not keep it.
func TestTopHangUp(t *testing.T) {
	words := program(t)
	p := open(t, words...)
	p.says("NOT PROTECTED", 0)
	p.tty.Close()
	p.master.Close()
	if err := p.end(); err != nil {
		t.Error(err)
	}
	p = open(t, words...)
	p.says("NOT PROTECTED", 0)
	// As Ctrl-S does.
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, p.tty.Fd(), unix.TCXONC, unix.TCOOFF); errno != 0 {
		t.Fatal(errno)
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.end(); err != nil {
		t.Error(err)
	}
}

// Another size is another screen.
func TestTopResize(t *testing.T) {
	p := open(t, program(t)...)
	at := p.says("quit", 0)
	p.size(30, 100)
	// The last line is on line 30.
	p.says("\x1b[30;1H", at)
	p.types("q")
	if err := p.end(); err != nil {
		t.Error(err)
	}
	p.restored()
}

// Ctrl-Z gives the terminal to the shell, and fg takes it back. So does a signal from elsewhere.
func TestTopStops(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip(err)
	}
	words := program(t)
	p := open(t, "bash", "--norc", "--noprofile", "--noediting", "-i")
	at := p.says("$ ", 0)
	p.types(strings.Join(words, " ") + "\n")
	at = p.says("NOT PROTECTED", at)
	p.types("\x1a")
	at = p.says("Stopped", at)
	p.restored()
	p.types("fg\n")
	at = p.says("NOT PROTECTED", at)
	p.until("the other state", func() bool { return p.state() != p.before })
	p.types("\x1a")
	at = p.says("Stopped", at)
	p.types("fg\n")
	at = p.says("NOT PROTECTED", at)
	p.until("the other state", func() bool { return p.state() != p.before })
	shell := p.cmd.Process.Pid
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", shell, shell))
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(children)))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(child, unix.SIGTSTP); err != nil {
		t.Fatal(err)
	}
	at = p.says("Stopped", at)
	p.restored()
	p.types("fg\n")
	p.says("NOT PROTECTED", at)
	p.until("the other state", func() bool { return p.state() != p.before })
	p.types("q")
	p.restored()
	p.types("exit 7\n")
	if err := p.end(); err == nil || err.Error() != "exit status 7" {
		t.Error(err)
	}
}

// Where nothing can be drawn, top says what to do.
func TestTopCannotDraw(t *testing.T) {
	words := program(t)
	p := open(t, append([]string{"env", "TERM=dumb"}, words...)...)
	if err := p.end(); err == nil {
		t.Error("it draws")
	}
	p.says("shim6tool: top can't draw on this terminal (TERM=\"dumb\"): ", 0)
	p.says("'shim6tool' prints once how things are, and 'shim6tool monitor' what changes", 0)
	if strings.Contains(p.text(), "\x1b") || p.state() != p.before {
		t.Errorf("the terminal has got %q", p.text())
	}
	out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "top needs a terminal to draw on: 'shim6tool' prints") {
		t.Errorf("%v: %s", err, out)
	}
	words[len(words)-1] = "-j"
	out, err = exec.Command(words[0], append(words[1:], "top")...).Output()
	var list []control.Overview
	if err != nil || json.Unmarshal(out, &list) != nil || len(list) != 1 || len(list[0].Glances) != 3 {
		t.Errorf("%v: %s", err, out)
	}
}
