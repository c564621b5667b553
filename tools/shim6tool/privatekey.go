// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strings"

	"shim6/daemon/cga"
)

const (
	pemPKCS8     = "PRIVATE KEY"
	pemPKCS1     = "RSA PRIVATE KEY"
	pemEncrypted = "ENCRYPTED PRIVATE KEY"
)

// privateKey reads the key, or makes one. HBA-only addresses have none: it returns nil.
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
	// A long key takes seconds, and its generation cannot be stopped.
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
		return nil, fmt.Errorf("%s: it has no PEM block, and should have an RSA private key", path)
	}
	// PKCS#8 says in the type of the block that the key is encrypted, older formats in a header.
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
		return nil, fmt.Errorf("%s: it begins with a PEM block %q, and should begin with %q", path, block.Type, pemPKCS8)
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
