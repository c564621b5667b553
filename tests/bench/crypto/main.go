// SPDX-License-Identifier: GPL-2.0

// Command crypto measures how fast addresses are made, verified and signed with. It
// compares this with openssl on the same machine in the same minutes: with RSA, and
// with SHA-1 of as many octets. No implementation could be faster than these.
//
// Figures are per second of one processor's time, as openssl counts it, so that other
// work on the machine does not matter. Figures for all processors are per second of
// the time that passes.
package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"shim6/daemon/cga"
	"shim6/daemon/wire"
)

var keyBits = []int{1024, 2048, 3072}

func main() {
	seconds := flag.Int("seconds", 1, "how long each thing is measured")
	flag.Parse()
	if flag.NArg() > 0 || *seconds < 1 {
		flag.Usage()
		os.Exit(1)
	}
	if err := run(os.Stdout, time.Duration(*seconds)*time.Second); err != nil {
		fmt.Fprintln(os.Stderr, "crypto:", err)
		os.Exit(2)
	}
}

func run(w io.Writer, d time.Duration) error {
	o := openssl{seconds: int(d / time.Second)}
	version, err := o.version()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s, %s, %d processors, per second\n\n", version, runtime.Version(), runtime.NumCPU())
	rsaLimits, err := o.rsa(keyBits)
	if err != nil {
		return err
	}
	b := bench{d: d, openssl: o, w: w}
	b.line("", "here", "limit", "ratio", "which is that of")
	keys := make(map[int]*rsa.PrivateKey)
	for _, bits := range keyBits {
		if keys[bits], err = rsa.GenerateKey(rand.Reader, bits); err != nil {
			return err
		}
		b.signatures(keys[bits], rsaLimits[bits])
	}
	b.addresses(keys[cga.DefaultKeyBits])
	b.search(keys[cga.DefaultKeyBits])
	return b.err
}

// bench writes a table, line by line, and keeps the first error.
type bench struct {
	d       time.Duration
	openssl openssl
	w       io.Writer
	err     error
}

func (b *bench) line(name, rate, limit, ratio, what string) {
	line := fmt.Sprintf("%-53s %10s %10s %6s  %s", name, rate, limit, ratio, what)
	fmt.Fprintln(b.w, strings.TrimRight(line, " "))
}

// rate writes a line about so many operations per second, of which limit is the most that is
// possible.
func (b *bench) rate(name string, rate, limit float64, what string) {
	b.line(name, number(rate), number(limit), fmt.Sprintf("%.2f", rate/limit), what)
}

func number(v float64) string {
	if v < 100 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// measure calls a function many times, and returns how often it does so in a second of
// processor time.
func (b *bench) measure(do func() error) float64 {
	if b.err != nil {
		return 0
	}
	start, n := cpuTime(), 0
	for batch := 1; ; batch = min(2*batch, 1024) {
		for range batch {
			if err := do(); err != nil {
				b.err = err
				return 0
			}
		}
		n += batch
		if spent := cpuTime() - start; spent >= b.d {
			return float64(n) / spent.Seconds()
		}
	}
}

// cpuTime is the time that processors have spent on this process.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // no argument of ours can be wrong
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// sha1 is how many times per second openssl hashes so many octets.
func (b *bench) sha1(octets int) float64 {
	if b.err != nil {
		return 0
	}
	var limit float64
	limit, b.err = b.openssl.sha1(octets)
	return limit
}

func prefixes(n int) []cga.SubnetPrefix {
	list := make([]cga.SubnetPrefix, n)
	for i := range list {
		list[i] = cga.SubnetPrefix{0x20, 0x01, 0x0d, 0xb8, 0, byte(i + 1)}
	}
	return list
}

// signatures measures signatures of three locators by a CGA. To verify one also means to
// verify the address.
func (b *bench) signatures(key *rsa.PrivateKey, limit rsaRates) {
	if b.err != nil {
		return
	}
	a, err := cga.GenerateCGA(context.Background(), rand.Reader, prefixes(1)[0], cga.Options{PublicKey: &key.PublicKey})
	if err != nil {
		b.err = err
		return
	}
	list := &wire.LocatorList{Generation: 1}
	for range 3 {
		list.Locators = append(list.Locators, wire.Locator{Address: a.Addr, Method: wire.MethodCGA})
	}
	signature, err := a.PDS.Sign(key, list)
	if err != nil {
		b.err = err
		return
	}
	bits := key.N.BitLen()
	what := fmt.Sprintf("openssl rsa%d ", bits)
	b.rate(fmt.Sprintf("sign, %d bits", bits), b.measure(func() error {
		_, err := a.PDS.Sign(key, list)
		return err
	}), limit.sign, what+"sign")
	b.rate(fmt.Sprintf("verify signature and address, %d bits", bits), b.measure(func() error {
		return a.PDS.VerifySignature(a.Addr, list, signature)
	}), limit.verify, what+"verify")
	// A message has octets, not a PDS.
	octets, err := a.PDS.MarshalBinary()
	if err != nil {
		b.err = err
		return
	}
	b.rate(fmt.Sprintf("the same from octets, %d bits", bits), b.measure(func() error {
		p, err := cga.Parse(octets)
		if err != nil {
			return err
		}
		return p.VerifyLocators(a.Addr, list, signature)
	}), limit.verify, what+"verify")
}

// addresses measures how addresses are verified, which takes two hashes, and made for Sec 0,
// which also takes two: one for the interface identifier, one to check the modifier.
func (b *bench) addresses(key *rsa.PrivateKey) {
	make1 := func(o cga.Options) (a cga.Address) {
		if b.err == nil {
			a, b.err = cga.GenerateCGA(context.Background(), rand.Reader, prefixes(1)[0], o)
		}
		return a
	}
	both := cga.Options{PublicKey: &key.PublicKey}
	bits := key.N.BitLen()
	a := make1(both)
	if b.err != nil {
		return
	}
	n, limit := b.limit(a.PDS)
	what := fmt.Sprintf("openssl SHA-1 of 2*%d octets", n)
	b.rate(fmt.Sprintf("verify CGA, %d bits", bits), b.measure(func() error { return a.PDS.VerifyCGA(a.Addr) }), limit/2, what)
	b.rate(fmt.Sprintf("make CGA, %d bits, Sec 0", bits), b.measure(func() error {
		make1(both)
		return b.err
	}), limit/2, what)
	for _, o := range []struct {
		name string
		cga.Options
	}{{"HBA-only", cga.Options{}}, {fmt.Sprintf("CGA/HBA, %d bits", bits), both}} {
		for _, n := range []int{2, 4, 8} {
			b.sets(o.name, n, o.Options)
		}
	}
}

// limit returns the length of a PDS, and how often openssl hashes as many octets.
func (b *bench) limit(p *cga.PDS) (octets int, rate float64) {
	encoded, err := p.MarshalBinary()
	if err != nil {
		b.err = err
		return 0, 0
	}
	return len(encoded), b.sha1(len(encoded))
}

func (b *bench) sets(name string, n int, o cga.Options) {
	if b.err != nil {
		return
	}
	list := prefixes(n)
	set, err := cga.GenerateHBA(context.Background(), rand.Reader, list, o)
	if err != nil {
		b.err = err
		return
	}
	octets, limit := b.limit(set[0].PDS)
	b.rate(fmt.Sprintf("verify a member, %s, %d prefixes", name, n), b.measure(func() error {
		return set[0].PDS.VerifyHBA(set[n-1].Addr)
	}), limit/2, fmt.Sprintf("openssl SHA-1 of 2*%d octets", octets))
	b.rate(fmt.Sprintf("make a set, %s, %d prefixes, Sec 0", name, n), b.measure(func() error {
		_, err := cga.GenerateHBA(context.Background(), rand.Reader, list, o)
		return err
	}), limit/float64(2*n), fmt.Sprintf("openssl SHA-1 of %d*%d octets", 2*n, octets))
}

// search measures the search for modifiers, which Sec 1 and 2 require.
func (b *bench) search(key *rsa.PrivateKey) {
	list := prefixes(2)
	for _, o := range []struct {
		name string
		cga.Options
	}{{"HBA-only", cga.Options{}}, {fmt.Sprintf("CGA/HBA, %d bits", key.N.BitLen()), cga.Options{PublicKey: &key.PublicKey}}} {
		if b.err != nil {
			return
		}
		set, err := cga.GenerateHBA(context.Background(), rand.Reader, list, o.Options)
		if err != nil {
			b.err = err
			return
		}
		octets, limit := b.limit(set[0].PDS)
		what := fmt.Sprintf("openssl SHA-1 of %d octets", octets)
		options := o.Options
		options.Workers = 1
		one, elapsed := b.hashRate(list, options)
		b.rate("hashes, "+o.name, one/elapsed.cpu.Seconds(), limit, what)
		options.Sec = 1
		b.rate("make a set, "+o.name+", 2 prefixes, Sec 1", b.measure(func() error {
			_, err := cga.GenerateHBA(context.Background(), rand.Reader, list, options)
			return err
		}), limit/(1<<16), what+", 2^16 times")
		options.Workers = 0
		all, elapsed := b.hashRate(list, options)
		perSecond := all / elapsed.wall.Seconds()
		b.line(fmt.Sprintf("hashes, %s, %d processors", o.name, runtime.GOMAXPROCS(0)), number(perSecond),
			number(limit*float64(runtime.GOMAXPROCS(0))), fmt.Sprintf("%.2f", perSecond/limit/float64(runtime.GOMAXPROCS(0))), what)
		b.line("  and so for Sec 2, on average", seconds(math.Pow(2, 32)/perSecond), seconds(math.Pow(2, 32)/limit/float64(runtime.GOMAXPROCS(0))), "", "")
	}
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}

type elapsed struct{ cpu, wall time.Duration }

// hashRate begins a search that would take far longer, and returns how many hashes it made in
// a while, and in which time.
func (b *bench) hashRate(list []cga.SubnetPrefix, o cga.Options) (hashes float64, e elapsed) {
	if b.err != nil {
		return 0, elapsed{1, 1}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	o.Sec = 2
	cpu, wall := cpuTime(), time.Now()
	o.Progress = func(n uint64) {
		hashes = float64(n)
		if time.Since(wall) >= b.d {
			cancel()
		}
	}
	if _, err := cga.GenerateHBA(ctx, rand.Reader, list, o); err != nil && !errors.Is(err, context.Canceled) {
		b.err = err
	}
	return hashes, elapsed{cpuTime() - cpu, time.Since(wall)}
}
