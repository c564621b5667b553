// SPDX-License-Identifier: GPL-2.0

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"shim6/tests/lab"
)

// run is one machine with one command in it.
//
// Host and guest share the folder dir, under the same path. In its folder .vm
// the host leaves the command (a shell script), and the guest leaves status
// when the command has ended. The command's output and errors come through a
// serial line each, and the kernel's log through a third.
type run struct {
	cache *cache
	o     *options
	k     *kernel
	mods  string
	dir   string

	counter string // QEMU's plugin that counts, or ""
}

// keepRuns is how many artifacts folders of its own making the cache keeps.
const keepRuns = 40

func newRun(c *cache, o *options, k *kernel, mods string) (*run, error) {
	dir := o.out
	if dir == "" {
		all, _ := filepath.Glob(c.path("runs", "*"))
		sort.Strings(all)
		for len(all) >= keepRuns {
			if st, err := os.Stat(all[0]); err == nil && !recent(st) {
				os.RemoveAll(all[0])
			}
			all = all[1:]
		}
		dir = c.path("runs", fmt.Sprintf("%s-%s-%d", time.Now().UTC().Format("20060102T150405.000"), o.kernel, os.Getpid()))
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if strings.ContainsAny(dir+o.repo, " ,\t\n\"'") {
		return nil, fmt.Errorf("the path of the artifacts (%s) or of the repository (%s) has a space, comma or quote, which a kernel's command line can't carry", dir, o.repo)
	}
	if err := os.MkdirAll(filepath.Join(dir, ".vm"), 0o755); err != nil {
		return nil, err
	}
	for _, f := range []string{".vm/status", "kmemleak", "result.json"} {
		os.Remove(filepath.Join(dir, f))
	}
	r := &run{cache: c, o: o, k: k, mods: mods, dir: dir}
	return r, os.WriteFile(filepath.Join(dir, ".vm/command"), []byte(r.script()), 0o755)
}

// recent tells whether somebody may still be using the file or folder that st describes.
func recent(st os.FileInfo) bool { return time.Since(st.ModTime()) < 2*time.Hour }

// script is the shell script that the guest runs as COMMAND.
func (r *run) script() string {
	wd, err := os.Getwd()
	if err != nil {
		wd = r.o.repo
	}
	var b strings.Builder
	set := func(name, value string) { fmt.Fprintf(&b, "export %s=%s\n", name, lab.Quote(value)) }
	b.WriteString("#!/bin/bash\n")
	set("PATH", r.o.repo+"/build/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	set("HOME", "/root")
	set("SHIM6_ARTIFACTS", r.dir)
	set("SHIM6_KERNEL", r.o.kernel)
	set("SHIM6_TIME", r.o.time)
	for _, e := range r.o.env {
		name, value, _ := strings.Cut(e, "=")
		set(name, value)
	}
	fmt.Fprintf(&b, "cd %s || exit 126\nexec", lab.Quote(wd))
	for _, a := range r.o.command {
		b.WriteString(" " + lab.Quote(a))
	}
	return b.String() + "\n"
}

// boot runs the machine until it stops, is out of time or stop is signalled.
func (r *run) boot(stop <-chan os.Signal) (*verdict, error) {
	cmd, machine, err := r.machine()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(r.dir, "kernel.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	var console io.Writer = log
	if r.o.verbose {
		console = io.MultiWriter(log, os.Stderr)
	}
	lines, err := connect(cmd, console)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	release, err := r.start(cmd)
	if err != nil {
		return nil, err
	}
	defer release()
	lines.handedOver()
	e := r.await(cmd, lines.begun, stop)
	lines.copied.Wait()

	v := &verdict{
		Kernel: r.o.kernel, Release: r.k.Release, Time: r.o.time,
		Machine: machine, Command: r.o.command, limit: r.o.timeout,
		Seconds: time.Since(began).Seconds(), Leftover: e.leftover, end: e.process,
	}
	text, err := os.ReadFile(log.Name())
	if err != nil {
		return nil, err
	}
	kmemleak, _ := os.ReadFile(filepath.Join(r.dir, "kmemleak"))
	status := r.status()
	if status < 0 && !e.stopped && !bytes.Contains(text, []byte(logMark)) {
		return nil, fmt.Errorf("the guest did not come up in %.0f s; its last words in %s:\n%s",
			v.Seconds, log.Name(), tail(log.Name(), 15))
	}
	v.judge(status, e.hung, e.stopped, string(text), string(kmemleak))
	return v, v.store(r.dir)
}

// serialLines carry the guest's output, errors and log to those of the runner.
type serialLines struct {
	ends   []*os.File     // of the machine, in this order
	copied sync.WaitGroup // done when all that the machine has written is copied
	begun  chan struct{}  // closed when the command begins
}

// connect gives serial lines to a machine that is not yet started. Its kernel's log goes to
// console, and so do its own messages: a guest that does not even start explains itself there.
func connect(cmd *exec.Cmd, console io.Writer) (*serialLines, error) {
	s := &serialLines{begun: make(chan struct{})}
	sinks := []io.Writer{os.Stdout, os.Stderr, console}
	for i, sink := range sinks {
		pr, pw, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		s.ends = append(s.ends, pw)
		s.copied.Add(1)
		go func() {
			defer s.copied.Done()
			defer pr.Close()
			if i == len(sinks)-1 {
				copyLog(sink, pr, s.begun)
				return
			}
			// A reader that went away must not stop the guest.
			if _, err := io.Copy(sink, pr); err != nil {
				io.Copy(io.Discard, pr)
			}
		}()
	}
	cmd.ExtraFiles = s.ends
	cmd.Stdout, cmd.Stderr = s.ends[2], s.ends[2]
	return s, nil
}

// handedOver closes the ends that only the machine needs, once it is started.
func (s *serialLines) handedOver() {
	for _, f := range s.ends {
		f.Close()
	}
}

// start starts the machine. The caller calls release when the machine has ended.
func (r *run) start(cmd *exec.Cmd) (release func(), err error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	release, start := func() {}, cmd.Start
	if r.k.UML && !kernels[r.k.Name].smp {
		cpu, free, err := takeProcessor(r.cache)
		if err != nil {
			return nil, err
		}
		release, start = free, func() error { return startOn(cpu, cmd) }
	}
	if err := start(); err != nil {
		release()
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	return release, nil
}

// ending is how a machine has ended.
type ending struct {
	hung     bool   // its time was over
	stopped  bool   // by a signal
	leftover string // why a machine whose command had ended went on
	process  error  // of its process
}

// await waits until the machine stops, is out of time or stop is signalled, and then ends what
// is left of it.
func (r *run) await(cmd *exec.Cmd, begun <-chan struct{}, stop <-chan os.Signal) ending {
	var e ending
	ended := make(chan struct{})
	go func() { e.process = cmd.Wait(); close(ended) }()

	over := false
	// The command's time does not run while the machine still boots.
	select {
	case <-begun:
	case <-ended:
		over = true
	case <-time.After(bootLimit):
		over, e.hung = true, true
	case <-stop:
		over, e.stopped = true, true
	}
	limit := time.After(r.o.timeout)
	for !over {
		over = true
		select {
		case <-ended:
		case <-limit:
			e.hung = true
			if r.status() >= 0 && e.leftover == "" {
				// The command is done: the guest looks for leaks.
				over, e.hung, limit = false, false, time.After(2*time.Minute)
				e.leftover = "the guest did not shut down by itself"
			}
		case <-stop:
			e.stopped = true
		}
	}
	if !e.hung {
		e.leftover = ""
	}
	// This also ends processes that outlive a User Mode kernel which died.
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	<-ended
	return e
}

// status is the command's exit status, or -1 while there is none.
func (r *run) status() int {
	b, err := os.ReadFile(filepath.Join(r.dir, ".vm/status"))
	if err != nil {
		return -1
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return -1
	}
	return n
}

// bootLimit is far above what a loaded host without KVM needs to boot a guest.
const bootLimit = 3 * time.Minute

// copyLog copies lines without the carriage returns of a serial line, and
// closes begun when the guest says that it starts the command.
func copyLog(w io.Writer, r io.Reader, begun chan<- struct{}) {
	br := bufio.NewReader(r)
	for {
		line, err := br.ReadBytes('\n')
		if begun != nil && bytes.Contains(line, []byte(logMark)) {
			close(begun)
			begun = nil
		}
		w.Write(bytes.ReplaceAll(line, []byte("\r"), nil))
		if err != nil {
			return
		}
	}
}

// machine returns the command that is the machine, and what kind it is. The
// files 3, 4 and 5 of the command become the output, the errors and the log.
func (r *run) machine() (*exec.Cmd, string, error) {
	if r.k.UML {
		return r.uml(), "uml", nil
	}
	// One thread for both processors. With a thread for each, a guest that changes its
	// own code, as Linux does when a hook of netfilter comes or goes, may die of it.
	// One thread is not slower.
	accel := "tcg,thread=single"
	if r.o.time != "counted" && r.kvmWorks() {
		accel = "kvm"
	}
	return r.qemu(accel), "qemu-" + strings.Split(accel, ",")[0], nil
}

// guestArgs are the words on the kernel's command line that the guest's init reads.
func (r *run) guestArgs() []string {
	leaks := "0"
	if r.o.leaks {
		leaks = "1"
	}
	return []string{
		"vm_dir=" + r.dir,
		"vm_init=" + filepath.Join(r.o.repo, "tests/vm/guest/init"),
		"vm_leaks=" + leaks,
	}
}

// memory is the size of the guest's memory, in MiB; usual is the default.
func (r *run) memory(usual int) int {
	if r.o.memory > 0 {
		return r.o.memory
	}
	return usual
}

func (r *run) uml() *exec.Cmd {
	args := []string{
		fmt.Sprintf("mem=%dM", r.memory(1536)), "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
		"init=" + filepath.Join(r.o.repo, "tests/vm/guest/init"),
		"con=null", "con0=null,fd:5", "console=tty0",
		"ssl=null", "ssl0=null,fd:3", "ssl1=null,fd:4",
		"loglevel=7", "panic_on_oops=1",
	}
	if r.k.Name == "latest" || r.k.Name == "smp" {
		args = append(args, "seccomp=on")
	}
	if kernels[r.k.Name].smp {
		args = append(args, "ncpus="+strconv.Itoa(r.o.cpus))
	}
	if r.o.time == "virtual" {
		args = append(args, "time-travel=inf-cpu")
	}
	if r.k.Name == "debug" && !r.o.leaks {
		args = append(args, "kmemleak=off")
	}
	args = append(args, "vm_mods="+r.mods, "vm_out=/dev/ttyS0", "vm_err=/dev/ttyS1")
	cmd := exec.Command(r.k.Image, append(args, r.guestArgs()...)...)
	// Its memory is a file in TMPDIR, which must be in memory to be fast.
	cmd.Env = append(os.Environ(), "TMPDIR=/dev/shm")
	return cmd
}

func (r *run) qemu(accel string) *exec.Cmd {
	kernelArgs := append([]string{
		"console=ttyS0", "loglevel=7", "panic=-1", "oops=panic", "random.trust_cpu=on",
		"vm_mods=" + r.mods, "vm_out=/dev/ttyS1", "vm_err=/dev/ttyS2",
	}, r.guestArgs()...)
	cpu := "max"
	if accel != "kvm" {
		// An emulated kernel that uses cmpxchg16b may die with QEMU 7.2 (docs/lab.md).
		// SLUB works without that instruction.
		cpu += ",-cx16"
		// QEMU translates a program again for each address at which it is mapped. With
		// random addresses a program takes twice as long to start.
		kernelArgs = append(kernelArgs, "norandmaps")
	}
	cpus := r.o.cpus
	if r.o.time == "counted" {
		cpus = 1
	}
	args := []string{
		"-M", "q35", "-cpu", cpu, "-accel", accel, "-smp", strconv.Itoa(cpus), "-m", fmt.Sprintf("%dM", r.memory(2048)),
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-kernel", r.k.Image, "-initrd", r.k.Initrd, "-append", strings.Join(kernelArgs, " "),
		"-chardev", "file,id=log,path=/dev/fd/5", "-serial", "chardev:log",
		"-chardev", "file,id=out,path=/dev/fd/3", "-serial", "chardev:out",
		"-chardev", "file,id=err,path=/dev/fd/4", "-serial", "chardev:err",
		"-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap",
		"-device", "virtio-9p-pci,fsdev=host,mount_tag=host",
		"-fsdev", "local,id=out,path=" + r.dir + ",security_model=none,multidevs=remap",
		"-device", "virtio-9p-pci,fsdev=out,mount_tag=out",
		"-device", "virtio-rng-pci",
	}
	if r.o.time == "counted" {
		plugin := r.counter + ",out=" + filepath.Join(r.dir, "counts")
		if r.o.where {
			plugin += ",where=" + filepath.Join(r.dir, "where")
		}
		args = append(args, "-icount", "shift=0,sleep=off", "-plugin", plugin)
	}
	args = append(args, r.card()...)
	return exec.Command("qemu-system-x86_64", args...)
}

// card are the words for the guest's network card: none, or one that leads to the host's loopback
// alone.
func (r *run) card() []string {
	if len(r.o.forward) == 0 {
		return []string{"-nic", "none"}
	}
	net := "user,id=net,restrict=on"
	for _, p := range r.o.forward {
		net += fmt.Sprintf(",hostfwd=tcp:127.0.0.1:%s-10.0.2.15:%s", p, p)
	}
	return []string{"-netdev", net, "-device", "virtio-net-pci,netdev=net,romfile="}
}

// kvmWorks tells whether this kernel boots under KVM. A host may have /dev/kvm and
// still run nothing with it, so the kernel is tried once after each boot of the host.
func (r *run) kvmWorks() bool {
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	f.Close()
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return false
	}
	memo := r.cache.path("kernels", "kvm-"+r.k.Release)
	if b, err := os.ReadFile(memo); err == nil {
		if boot, answer, _ := strings.Cut(string(b), " "); boot == strings.TrimSpace(string(id)) {
			return answer == "yes"
		}
	}
	cmd := exec.Command("timeout", "-s", "KILL", "10", "qemu-system-x86_64", "-M", "q35", "-cpu", "max", "-accel", "kvm",
		"-m", "512M", "-nodefaults", "-display", "none", "-nic", "none", "-no-reboot", "-serial", "stdio",
		"-kernel", r.k.Image, "-initrd", r.k.Initrd, "-append", "console=ttyS0 quiet panic=-1 vm_probe")
	out, _ := cmd.CombinedOutput()
	answer := "no"
	if bytes.Contains(out, []byte("vm-probe-ok")) {
		answer = "yes"
	}
	os.WriteFile(memo, []byte(strings.TrimSpace(string(id))+" "+answer), 0o644)
	return answer == "yes"
}
