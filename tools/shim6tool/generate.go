// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
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

// defaultSec costs less than a tenth of a second, and an attacker 65536 times as
// much as 0 would.
const defaultSec = 1

// request is what addresses are to be made from, and where to put them.
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
		{name: "prefix", set: func(value string) error {
			for _, s := range strings.Split(value, ",") {
				var p cga.SubnetPrefix
				if err := p.UnmarshalText([]byte(s)); err != nil {
					return err
				}
				if err := usable(p); err != nil {
					return err
				}
				if slices.Contains(r.prefixes, p) {
					return fmt.Errorf("%v is there twice", p)
				}
				r.prefixes = append(r.prefixes, p)
			}
			return nil
		}},
		file("pds", &r.pds), file("key", &r.key), file("new-key", &r.newKey),
		number("key-bits", 16, &r.keyBits), number("sec", 8, &r.sec),
	}
	if r.kind.name == kindHBA.name {
		keys = append(keys, key{name: "pure", flag: true, set: func(string) error {
			r.pure = true
			return nil
		}})
	}
	return keys
}

// usable says what is wrong with a prefix whose addresses could not be anybody's ULIDs
// or locators. Nothing is wrong with a unique local one.
func usable(p cga.SubnetPrefix) error {
	a := p.Prefix().Addr()
	what := ""
	switch {
	case a.IsMulticast():
		what = "multicast"
	case a.IsLinkLocalUnicast():
		what = "link-local"
	case a.IsUnspecified():
		what = "reserved for the unspecified address and the like"
	default:
		return nil
	}
	return fmt.Errorf("%v is %s, and no address in it can be a ULID or a locator", p, what)
}

// parse reads the words, and finds what they lack.
func (r *request) parse(args []string) error {
	command := r.kind.name + " generate"
	if _, err := parseKeys("key of "+command, r.keys(), args); err != nil {
		return err
	}
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
		return usageError("key-bits is about a 'new-key FILE'")
	case r.keyBits != nil && (*r.keyBits < cga.MinKeyBits || *r.keyBits > cga.MaxNewKeyBits):
		return usageError(fmt.Sprintf("key-bits is from %d to %d", cga.MinKeyBits, cga.MaxNewKeyBits))
	case r.sec != nil && *r.sec > cga.MaxSec:
		return usageError(fmt.Sprintf("sec is from 0 to %d: RFC 4982 assigns no others", cga.MaxSec))
	}
	if r.newKey == "" {
		return nil
	}
	// The same file may have two names, of which one begins at the root.
	newKey, err := filepath.Abs(r.newKey)
	if err != nil {
		return err
	}
	pds, err := filepath.Abs(r.pds)
	if err != nil {
		return err
	}
	if newKey == pds {
		return usageError("new-key and pds are the same file twice")
	}
	return nil
}

// endings are the signals at which what was begun is cleaned up. One that is ignored
// already stays so: that is how nohup keeps a long search alive.
func endings() []os.Signal {
	all := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}
	return slices.DeleteFunc(all, signal.Ignored)
}

func (t *tool) addressGenerate(k kind, args []string) error {
	r := request{kind: k}
	if err := r.parse(args); err != nil {
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
}

// generate makes the addresses and both files, or neither.
func (t *tool) generate(ctx context.Context, r request) ([]cga.Address, error) {
	// What is found when all is done is found too late, so begin with the files.
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
		// A key of no address is good for nothing, and in the way of
		// the next attempt.
		return nil, errors.Join(err, os.Remove(r.newKey))
	}
	return list, nil
}

const (
	pemPKCS8     = "PRIVATE KEY"
	pemPKCS1     = "RSA PRIVATE KEY"
	pemEncrypted = "ENCRYPTED PRIVATE KEY"
)

// privateKey reads the key, or makes one; there is none for HBA-only addresses.
func (r *request) privateKey(ctx context.Context) (*rsa.PrivateKey, error) {
	if r.pure {
		return nil, nil
	}
	if r.key != "" {
		return readPrivateKey(r.key)
	}
	bits := cga.DefaultKeyBits
	if r.keyBits != nil {
		bits = int(*r.keyBits)
	}
	type result struct {
		key *rsa.PrivateKey
		err error
	}
	// It takes seconds for long keys, and cannot be told to stop.
	made := make(chan result, 1)
	go func() {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		made <- result{k, err}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case m := <-made:
		return m.key, m.err
	}
}

// readPrivateKey reads an RSA key in PEM, of PKCS#8 or PKCS#1.
func readPrivateKey(path string) (*rsa.PrivateKey, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s: there is no PEM block in it, where an RSA private key is looked for", path)
	}
	// PKCS#8 says it in the type, and what was before it in a header.
	if block.Type == pemEncrypted || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
		return nil, fmt.Errorf("%s: the key is encrypted, and there is nobody to ask for the passphrase: "+
			"'openssl pkey -in %[1]s -out FILE' writes it to a file without one", path)
	}
	var parsed any
	switch block.Type {
	case pemPKCS8:
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case pemPKCS1:
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("%s: it begins with a PEM block %q, where %q is looked for", path, block.Type, pemPKCS8)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	k, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s: the key is not RSA, which is the only kind that Shim6 signs with (RFC 5533 section 5.15.5)", path)
	}
	return k, nil
}
