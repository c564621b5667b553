// SPDX-License-Identifier: BSD-3-Clause

package config

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"shim6/daemon/cga"
)

// load reads the files of the sets. Their names are relative to a folder.
func (f *file) load(folder string) error {
	for i := range f.config.Sets {
		if err := f.config.Sets[i].load(folder); err != nil {
			return f.wrong("set", "%w", err)
		}
	}
	return nil
}

// errMismatch: every peer would refuse a signature by such a key.
var errMismatch = errors.New("the key is not that of the addresses: name the one that they were made with")

func (s *Set) load(folder string) error {
	b, err := os.ReadFile(from(folder, s.PDS))
	if err != nil {
		return err
	}
	// This verifies the addresses that are in the file.
	if s.Addresses, err = cga.DecodePEM(b); err != nil {
		return fmt.Errorf("%s: %w: make it by 'shim6tool hba generate'", s.PDS, err)
	}
	if s.Key == "" {
		return nil
	}
	if b, err = os.ReadFile(from(folder, s.Key)); err != nil {
		return err
	}
	if s.PrivateKey, err = privateKey(b); err != nil {
		return fmt.Errorf("%s: %w", s.Key, err)
	}
	for _, a := range s.Addresses {
		public, err := a.PDS.RSAPublicKey()
		if err != nil {
			return fmt.Errorf("%s has no key that can sign (%w): leave key out", s.PDS, err)
		}
		if !s.PrivateKey.PublicKey.Equal(public) {
			return fmt.Errorf("%s and %s: %w", s.PDS, s.Key, errMismatch)
		}
	}
	return nil
}

func from(folder, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(folder, name)
}

// privateKey reads an RSA key, as shim6tool and openssl write them.
func privateKey(b []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, errors.New("is no PEM file: name the file that new-key made")
	}
	switch block.Type {
	case "RSA PRIVATE KEY":
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	case "PRIVATE KEY":
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		if rsaKey, ok := key.(*rsa.PrivateKey); ok {
			return rsaKey, nil
		}
		return nil, fmt.Errorf("has a %T in it, not an RSA key: CGA signatures are RSA (RFC 3972, section 6)", key)
	}
	return nil, fmt.Errorf("has a %q in it, not a private key", block.Type)
}
