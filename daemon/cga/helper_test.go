// SPDX-License-Identifier: BSD-3-Clause

package cga

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"shim6/daemon/wire"
)

// hexBytes are octets that are hexadecimal in JSON.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// vectorAddress is an address with a PDS, and whether they must verify.
type vectorAddress struct {
	Name, Why, Verify string
	Address           netip.Addr
	PDS               hexBytes
	Expect            bool
}

type vectorSignature struct {
	Name, Why  string
	Generation uint32
	Locators   []struct {
		Address netip.Addr
		Method  wire.VerificationMethod
	}
	PDS, Signature hexBytes
	Key            string `json:"privkey_pem"`
	Expect         bool
}

func (v vectorSignature) list() *wire.LocatorList {
	l := &wire.LocatorList{Generation: v.Generation}
	for _, x := range v.Locators {
		l.Locators = append(l.Locators, locator(x.Address, x.Method))
	}
	return l
}

func locator(addr netip.Addr, m wire.VerificationMethod) wire.Locator {
	return wire.Locator{Address: addr, Method: m}
}

// listOf is a Locator List option.
func listOf(generation uint32, locators ...wire.Locator) *wire.LocatorList {
	return &wire.LocatorList{Generation: generation, Locators: locators}
}

type vectorCGA struct {
	vectorAddress
	Sec            uint8
	Modifier       hexBytes
	SubnetPrefix   hexBytes `json:"subnet_prefix"`
	CollisionCount uint8    `json:"collision_count"`
	PublicKey      hexBytes `json:"pubkey_der"`
	Extensions     hexBytes `json:"extension_fields"`
	Hash1, Hash2   hexBytes
	Key            string `json:"privkey_pem"`
}

type vectorHBA struct {
	Name, Mode     string
	Sec            uint8
	Prefixes       []SubnetPrefix
	Modifier       hexBytes
	CollisionCount uint8    `json:"collision_count"`
	PublicKey      hexBytes `json:"pubkey_der"`
	Extensions     hexBytes `json:"extension_fields"`
	Flags          hexBytes `json:"multiprefix_flags_word"`
	HBA            []struct {
		Address netip.Addr
		PDS     hexBytes
		AsCGA   struct{ RFC bool } `json:"as_cga"`
		AsHBA   struct{ RFC bool } `json:"as_hba"`
	}
}

// vectors were made by LinShim6 and by a third program, and conform to the RFCs.
var vectors = sync.OnceValue(func() (v struct {
	CGA               []vectorCGA
	CGANegative       []vectorAddress `json:"cga_negative"`
	HBA               []vectorHBA
	HBANegative       []vectorAddress `json:"hba_negative"`
	Signature         []vectorSignature
	SignatureNegative []vectorSignature `json:"signature_negative"`
}) {
	b, err := os.ReadFile("testdata/cga-hba.json")
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		panic(err)
	}
	return v
})

// appendixA is the example of RFC 3972.
func appendixA() vectorCGA { return vectors().CGA[0] }

func decodeKey(t testing.TB, text []byte) *rsa.PrivateKey {
	t.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatal("no PEM block")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(*rsa.PrivateKey)
}

// testKey returns a key of so many bits: 1024 and 2048 are keys of the vectors; 512, 1016, 3072,
// 4096 and 4104 are in files.
func testKey(t testing.TB, length int) *rsa.PrivateKey {
	t.Helper()
	switch length {
	case 1024, 2048:
		for _, v := range vectors().CGA {
			if v.Key == "" {
				continue
			}
			if key := decodeKey(t, []byte(v.Key)); key.N.BitLen() == length {
				return key
			}
		}
		t.Fatalf("no key of %d bits", length)
	}
	b, err := os.ReadFile("testdata/keys/rsa" + strconv.Itoa(length) + ".pem")
	if err != nil {
		t.Fatal(err)
	}
	return decodeKey(t, b)
}

// weakKeys lets crypto/rsa use keys of less than 1024 bits, so that only this package refuses them.
func weakKeys(t *testing.T) { t.Setenv("GODEBUG", "rsa1024min=0") }

// seeded returns random numbers that are the same each time.
func seeded(seed byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{seed}) }

// constant is a reader that returns given octets.
func constant(b ...[]byte) io.Reader {
	var readers []io.Reader
	for _, b := range b {
		readers = append(readers, strings.NewReader(string(b)))
	}
	return io.MultiReader(readers...)
}

func prefixes(t testing.TB, list ...string) []SubnetPrefix {
	t.Helper()
	var out []SubnetPrefix
	for _, s := range list {
		var p SubnetPrefix
		if err := p.UnmarshalText([]byte(s)); err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

// eight are prefixes of eight providers.
func eight(t testing.TB) []SubnetPrefix {
	return prefixes(t, "2001:db8:1:1::", "2001:db8:2:1::", "2001:db8:3:1::", "2001:db8:4:1::",
		"2001:db8:5:1::", "2001:db8:6:1::", "2001:db8:7:1::", "fd00:1:2:3::")
}

func mustParse(t testing.TB, b []byte) *PDS {
	t.Helper()
	p, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustCGA(t testing.TB, seed byte, prefix SubnetPrefix, o Options) Address {
	t.Helper()
	a, err := GenerateCGA(context.Background(), seeded(seed), prefix, o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func mustHBA(t testing.TB, seed byte, list []SubnetPrefix, o Options) []Address {
	t.Helper()
	set, err := GenerateHBA(context.Background(), seeded(seed), list, o)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// flip returns addr with one bit inverted; bits are numbered from the left.
func flip(addr netip.Addr, bit int) netip.Addr {
	a := addr.As16()
	a[bit/8] ^= 0x80 >> (bit % 8)
	return netip.AddrFrom16(a)
}

// withSec returns addr with another Sec.
func withSec(addr netip.Addr, sec uint8) netip.Addr {
	a := addr.As16()
	a[8] = a[8]&0x1f | sec<<5
	return netip.AddrFrom16(a)
}

// before returns m - n, modulo 2^128.
func before(m Modifier, n uint64) Modifier {
	low, borrow := bits.Sub64(binary.BigEndian.Uint64(m[8:]), n, 0)
	binary.BigEndian.PutUint64(m[8:], low)
	binary.BigEndian.PutUint64(m[:], binary.BigEndian.Uint64(m[:])-borrow)
	return m
}

// wantError fails the test if err is not the wanted one; nil means no error.
func wantError(t testing.TB, err, want error) {
	t.Helper()
	if (want == nil) != (err == nil) || !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}
