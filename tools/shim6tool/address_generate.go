// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"shim6/daemon/cga"
)

func init() {
	for _, k := range []kind{kindCGA, kindHBA} {
		c := command{
			object: k.name, verb: "generate", order: changes,
			args: "prefix PREFIX pds FILE key FILE|new-key FILE [key-bits N] [sec N]",
			help: "make an address; print it and keep it in the file",
			form: func(t *tool) form { return addressGenerate(t, k) },
		}
		if k.name == kindHBA.name {
			c.args = "prefix PREFIX[,...] pds FILE key FILE|new-key FILE|pure [key-bits N] [sec N]"
			c.help = "make a set of addresses; print them and keep them in the file"
		}
		register(c)
	}
}

func addressGenerate(t *tool, k kind) form {
	r := request{kind: k}
	return form{keys: r.keys(), run: func([]string) error {
		if err := r.check(); err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(context.Background(), endings()...)
		defer stop()
		list, err := t.generate(ctx, r)
		if errors.Is(err, context.Canceled) {
			return errors.New("interrupted; nothing was written")
		}
		if err != nil {
			return err
		}
		if t.json {
			return t.printAddresses(list)
		}
		for _, a := range list {
			if _, err := fmt.Fprintln(t.out, a.Addr); err != nil {
				return err
			}
		}
		return nil
	}}
}

// defaultSec costs less than a tenth of a second. It costs an attacker 65536 times as much as 0.
const defaultSec = 1

// request says which addresses are made, from what, and where they are put.
type request struct {
	kind        kind
	prefixes    []cga.SubnetPrefix
	pds         string
	key, newKey string
	keyBits     *uint16
	pure        bool
	sec         *uint8
}

func (r *request) keys() []key {
	keys := []key{
		{name: "prefix", value: "PREFIX[,...]", set: r.addPrefixes,
			help: "64 bits, not link-local; a CGA has one. Their order is part of the set"},
		file("pds", &r.pds).says("PEM, or the bare octets of one PDS (not made here)"),
		file("key", &r.key).says("RSA private key that the addresses are bound to, of 1024 to 3072 bits, PEM without a passphrase"),
		file("new-key", &r.newKey).says("make that key, with mode 0600"),
		number("key-bits", 16, &r.keyBits).says("length of the new key, 1024 to 3072; 2048 by default"),
		number("sec", 8, &r.sec).says("0 to 2; 1 by default. The addresses take about 65536^N hashes to make, and a forged one takes 65536^N times as many as with 0"),
	}
	if r.kind.name == kindHBA.name {
		keys = append(keys, flag("pure", &r.pure).says("no key: HBA-only addresses, which cannot sign"))
	}
	return keys
}

// addPrefixes reads the value of prefix.
func (r *request) addPrefixes(value string) error {
	for _, s := range strings.Split(value, ",") {
		var p cga.SubnetPrefix
		if err := p.UnmarshalText([]byte(s)); err != nil {
			return err
		}
		if err := usable(p); err != nil {
			return err
		}
		if slices.Contains(r.prefixes, p) {
			return fmt.Errorf("%v is given twice", p)
		}
		r.prefixes = append(r.prefixes, p)
	}
	return nil
}

// usable is an error if the addresses of a prefix can be neither ULIDs nor locators. A unique local
// prefix is usable.
func usable(p cga.SubnetPrefix) error {
	a := p.Prefix().Addr()
	what := ""
	switch {
	case a.IsMulticast():
		what = "multicast"
	case a.IsLinkLocalUnicast():
		what = "link-local"
	case a.IsUnspecified():
		what = "reserved for the unspecified address and others"
	default:
		return nil
	}
	return fmt.Errorf("%v is %s, and no address in it can be a ULID or a locator", p, what)
}

// check finds a mistake in a request.
func (r *request) check() error {
	command := r.kind.name + " generate"
	set := r.kind.name == kindHBA.name
	chosen, choices := 0, "'key FILE' or 'new-key FILE'"
	if set {
		choices = "'key FILE', 'new-key FILE' or 'pure'"
	}
	for _, there := range []bool{r.key != "", r.newKey != "", r.pure} {
		if there {
			chosen++
		}
	}
	switch {
	case len(r.prefixes) == 0 && set:
		return usageError(command + " needs 'prefix PREFIX[,...]', the prefixes of the set")
	case len(r.prefixes) == 0:
		return usageError(command + " needs 'prefix PREFIX', that of the address")
	case len(r.prefixes) > 1 && !set:
		return usageError("a CGA has one prefix: 'hba generate' makes a set for several")
	case r.pds == "":
		return usageError(command + " needs 'pds FILE', where to put what verifies the addresses")
	case chosen != 1:
		return usageError(fmt.Sprintf("%s needs one of %s", command, choices))
	case r.keyBits != nil && r.newKey == "":
		return usageError("key-bits needs 'new-key FILE'")
	case r.keyBits != nil && (*r.keyBits < cga.MinKeyBits || *r.keyBits > cga.MaxNewKeyBits):
		return usageError(fmt.Sprintf("key-bits is from %d to %d", cga.MinKeyBits, cga.MaxNewKeyBits))
	case r.sec != nil && *r.sec > cga.MaxSec:
		return usageError(fmt.Sprintf("sec is from 0 to %d: RFC 4982 assigns no others", cga.MaxSec))
	}
	if r.newKey == "" {
		return nil
	}
	// One file may have two names: one relative, and one that begins at the root.
	newKey, err := filepath.Abs(r.newKey)
	if err != nil {
		return err
	}
	pds, err := filepath.Abs(r.pds)
	if err != nil {
		return err
	}
	if newKey == pds {
		return usageError("new-key and pds are the same file")
	}
	return nil
}

// endings are the signals at which unfinished files are removed. A signal that is ignored already
// stays ignored: so nohup keeps a long search alive.
func endings() []os.Signal {
	all := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}
	return slices.DeleteFunc(all, signal.Ignored)
}

// generate makes the addresses and both files, or neither.
func (t *tool) generate(ctx context.Context, r request) ([]cga.Address, error) {
	// The files come first, since an error after a long search comes too late.
	var keyFile *newFile
	if r.newKey != "" {
		var err error
		if keyFile, err = create(r.newKey, 0o600); err != nil {
			return nil, err
		}
		defer keyFile.discard()
	}
	pdsFile, err := create(r.pds, 0o644)
	if err != nil {
		return nil, err
	}
	defer pdsFile.discard()
	o := cga.Options{Sec: defaultSec}
	if r.sec != nil {
		o.Sec = *r.sec
	}
	private, err := r.privateKey(ctx)
	if err != nil {
		return nil, err
	}
	if private != nil {
		o.PublicKey = &private.PublicKey
	}
	if o.Sec > 0 && isTerminal(t.err) {
		p := newProgress(t.err, o.Sec, time.Now)
		defer p.done()
		o.Progress = p.hashes
	}
	var list []cga.Address
	if r.kind.name == kindHBA.name {
		list, err = cga.GenerateHBA(ctx, rand.Reader, r.prefixes, o)
	} else {
		list = make([]cga.Address, 1)
		list[0], err = cga.GenerateCGA(ctx, rand.Reader, r.prefixes[0], o)
	}
	if err != nil {
		return nil, err
	}
	text, err := cga.EncodePEM(list)
	if err != nil {
		return nil, err
	}
	if err := pdsFile.write(text); err != nil {
		return nil, err
	}
	if keyFile == nil {
		return list, pdsFile.publish()
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	if err := keyFile.write(pem.EncodeToMemory(&pem.Block{Type: pemPKCS8, Bytes: der})); err != nil {
		return nil, err
	}
	if err := keyFile.publish(); err != nil {
		return nil, err
	}
	if err := pdsFile.publish(); err != nil {
		// A key without an address has no use, and would stop the next attempt.
		return nil, errors.Join(err, os.Remove(r.newKey))
	}
	return list, nil
}
