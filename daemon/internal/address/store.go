// SPDX-License-Identifier: BSD-3-Clause

package address

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"shim6/daemon/cga"
)

// The files of an Identity in the state directory. 'shim6tool hba verify' reads
// AddressesFile, and KeyFile is as 'shim6tool hba generate' writes it.
const (
	AddressesFile = "addresses.pem"
	KeyFile       = "addresses.key"
)

const pemKey = "PRIVATE KEY"

// Load reads an Identity, nil if there is none. An error says what is wrong with the files. They
// are never replaced automatically, since addresses that others know depend on them.
func Load(folder string) (*Identity, error) {
	b, err := os.ReadFile(filepath.Join(folder, KeyFile))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	i := &Identity{}
	if i.Key, err = parseKey(b); err != nil {
		return nil, fmt.Errorf("%s: %w", KeyFile, err)
	}
	b, err = os.ReadFile(filepath.Join(folder, AddressesFile))
	if errors.Is(err, fs.ErrNotExist) {
		// The daemon ended before it had addresses.
		return i, nil
	}
	if err != nil {
		return nil, err
	}
	if i.Sets, err = parseSets(b, i.Key); err != nil {
		return nil, fmt.Errorf("%s: %w", AddressesFile, err)
	}
	return i, nil
}

func parseKey(b []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != pemKey {
		return nil, errors.New("there is no private key in it")
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := k.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("there is a %T in it, not an RSA key", k)
	}
	return key, nil
}

// parseSets puts the addresses back into their sets: the addresses of a set are beside each
// other, and name the same prefixes.
func parseSets(b []byte, key *rsa.PrivateKey) ([][]cga.Address, error) {
	list, err := cga.DecodePEM(b)
	if err != nil {
		return nil, err
	}
	var sets [][]cga.Address
	for len(list) > 0 {
		m, err := list[0].PDS.MultiPrefix()
		if err != nil {
			return nil, fmt.Errorf("%v: %w", list[0].Addr, err)
		}
		n := len(m.Prefixes)
		if n > len(list) {
			return nil, fmt.Errorf("%v: its set lacks members", list[0].Addr)
		}
		// Each address must be the one that its set has in this place.
		whole, err := cga.Regenerate(list[:n], list[0].PDS.CollisionCount)
		if err != nil {
			return nil, err
		}
		for j := range whole {
			if whole[j].Addr != list[j].Addr {
				return nil, fmt.Errorf("%v is no member of the set of %v", list[j].Addr, list[0].Addr)
			}
		}
		public, err := list[0].PDS.RSAPublicKey()
		if err != nil || !key.PublicKey.Equal(public) {
			return nil, fmt.Errorf("%v was made with another key than that of %s", list[0].Addr, KeyFile)
		}
		sets = append(sets, list[:n:n])
		list = list[n:]
	}
	return sets, nil
}

// ErrOtherKey says that there is a key that is not to be replaced.
var ErrOtherKey = errors.New("there is another key, with which shim6d did not start: restart it to use that one, or move both files away to keep the one that is in use")

// Save writes an Identity, the key first: addresses without a key would be of no use. Whenever
// the host dies, each file is there whole, the old one or the new one. A key is never replaced
// by another one, since addresses that others know may depend on it; that is ErrOtherKey.
func (i *Identity) Save(folder string) error {
	der, err := x509.MarshalPKCS8PrivateKey(i.Key)
	if err != nil {
		return err
	}
	key := pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der})
	path := filepath.Join(folder, KeyFile)
	switch there, err := os.ReadFile(path); {
	case errors.Is(err, fs.ErrNotExist):
		if err := replace(path, key); err != nil {
			return err
		}
	case err != nil:
		return err
	case !bytes.Equal(there, key):
		if k, err := parseKey(there); err != nil || !k.Equal(i.Key) {
			return fmt.Errorf("%s: %w", path, ErrOtherKey)
		}
	}
	text, err := encodeSets(i.Sets)
	if err != nil {
		return err
	}
	return replace(filepath.Join(folder, AddressesFile), text)
}

// encodeSets returns what parseSets reads.
func encodeSets(sets [][]cga.Address) ([]byte, error) {
	return cga.EncodePEM(slices.Concat(sets...))
}

// replace writes a file under another name, and renames it once it is on the disk.
func replace(path string, b []byte) error {
	temporary := path + ".tmp"
	w, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	if err == nil {
		err = w.Sync()
	}
	err = errors.Join(err, w.Close())
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
