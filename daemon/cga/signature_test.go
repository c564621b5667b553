// SPDX-License-Identifier: BSD-3-Clause

package cga

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"shim6/daemon/wire"
	"shim6/tools/conformance/shows"
)

// signedList is a list with both methods in turn.
func signedList() []wire.Locator {
	return []wire.Locator{
		locator(netip.MustParseAddr("2001:db8:1::1"), wire.MethodHBA),
		locator(netip.MustParseAddr("2001:db8:2::2"), wire.MethodCGA),
		locator(netip.MustParseAddr("2001:db8:3::3"), wire.MethodHBA),
		locator(netip.MustParseAddr("2001:db8:4::4"), wire.MethodCGA),
		locator(netip.MustParseAddr("2001:db8:5::5"), wire.MethodCGA),
	}
}

// The signed octets, written by hand.
func TestSignedOctets(t *testing.T) {
	shows.IDs(t, "5533-5.15.5-03 5533-5.15.5-04 5533-5.15.5-05")
	want := sha1.Sum(slices.Concat(
		[]byte("\x4a\x30\x56\x62\x48\x58\x57\x4b\x36\x55\x41\x6f\x50\x6a\x6d\x48"),
		[]byte{0x01, 0x02, 0x03, 0x04},
		[]byte("\x20\x01\x0d\xb8\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02"),
		[]byte("\x20\x01\x0d\xb8\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04"),
		[]byte("\x20\x01\x0d\xb8\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05"),
	))
	if got := signedDigest(listOf(0x01020304, signedList()...)); got != want {
		t.Errorf("digest %x, want %x", got, want)
	}
}

// A change of signed octets breaks the signature; a change of others does not.
func TestSignature(t *testing.T) {
	shows.IDs(t, "5533-5.15.5-04 5533-5.15.5-05 3972-6-02 3972-6-03")
	for _, bits := range []int{1024, 2048} {
		key := testKey(t, bits)
		a := mustCGA(t, 1, eight(t)[0], Options{PublicKey: &key.PublicKey})
		other := mustCGA(t, 2, eight(t)[0], Options{PublicKey: &key.PublicKey})
		stranger := mustCGA(t, 1, eight(t)[0], Options{PublicKey: &testKey(t, 3072-bits).PublicKey})
		signature, err := a.PDS.Sign(key, listOf(7, signedList()...))
		if err != nil || len(signature) != bits/8 {
			t.Fatalf("%d octets, %v", len(signature), err)
		}
		list := func(change func(l []wire.Locator) []wire.Locator) []wire.Locator { return change(signedList()) }
		for _, tt := range []struct {
			name       string
			a          Address
			generation uint32
			locators   []wire.Locator
			signature  []byte
			want       error
		}{
			{"as signed", a, 7, signedList(), signature, nil},
			{"generation", a, 8, signedList(), signature, ErrSignature},
			{"generation, high bit", a, 7 | 1<<31, signedList(), signature, ErrSignature},
			{"order", a, 7, list(func(l []wire.Locator) []wire.Locator { l[1], l[3] = l[3], l[1]; return l }), signature, ErrSignature},
			{"order of what is not signed", a, 7, list(func(l []wire.Locator) []wire.Locator { l[0], l[2] = l[2], l[0]; return l }), signature, nil},
			{"place of what is not signed", a, 7, list(func(l []wire.Locator) []wire.Locator { l[0], l[1] = l[1], l[0]; return l }), signature, nil},
			{"one fewer", a, 7, signedList()[:4], signature, ErrSignature},
			{"one more", a, 7, append(signedList(), signedList()[1]), signature, ErrSignature},
			{"one more that is not signed", a, 7, append(signedList(), signedList()[0]), signature, nil},
			{"HBA becomes CGA", a, 7, list(func(l []wire.Locator) []wire.Locator { l[0].Method = wire.MethodCGA; return l }), signature, ErrSignature},
			{"CGA becomes HBA", a, 7, list(func(l []wire.Locator) []wire.Locator { l[4].Method = wire.MethodHBA; return l }), signature, ErrSignature},
			{"address", a, 7, list(func(l []wire.Locator) []wire.Locator { l[4].Address = l[4].Address.Next(); return l }), signature, ErrSignature},
			{"address that is not signed", a, 7, list(func(l []wire.Locator) []wire.Locator { l[0].Address = l[0].Address.Next(); return l }), signature, nil},
			{"no signature", a, 7, signedList(), nil, ErrSignature},
			{"an octet less", a, 7, signedList(), signature[1:], ErrSignature},
			{"an octet more", a, 7, signedList(), append(slices.Clone(signature), 0), ErrSignature},
			{"zeros", a, 7, signedList(), make([]byte, len(signature)), ErrSignature},
			{"more than the modulus", a, 7, signedList(), bytes.Repeat([]byte{0xff}, len(signature)), ErrSignature},
			// The key is the same, so the signature is valid for both: no signed octet tells for
			// whom it is.
			{"another address of the key", other, 7, signedList(), signature, nil},
			{"another key", stranger, 7, signedList(), signature, ErrSignature},
		} {
			t.Run(tt.name, func(t *testing.T) {
				wantError(t, tt.a.PDS.VerifySignature(tt.a.Addr, listOf(tt.generation, tt.locators...), tt.signature), tt.want)
			})
		}
		// A signature of another length is refused before any arithmetic.
		err = a.PDS.VerifySignature(a.Addr, listOf(7, signedList()...), signature[1:])
		if want := fmt.Sprintf("it has %d octets, and a signature by this key has %d", len(signature)-1, len(signature)); !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%v does not say %q", err, want)
		}
		for bit := range 8 * len(signature) {
			changed := slices.Clone(signature)
			changed[bit/8] ^= 1 << (bit % 8)
			if err := a.PDS.VerifySignature(a.Addr, listOf(7, signedList()...), changed); err == nil {
				t.Errorf("bit %d of the signature does not matter", bit)
			}
		}
		// Both must be right: here the signature is right, but the address is not the PDS's.
		for _, ulid := range []netip.Addr{other.Addr, flip(a.Addr, 127), flip(a.Addr, 3), stranger.Addr} {
			if err := a.PDS.VerifySignature(ulid, listOf(7, signedList()...), signature); err == nil {
				t.Errorf("ULID %v has the PDS of %v", ulid, a.Addr)
			}
		}
		// Another PDS with the right key does not verify the address either.
		wantError(t, other.PDS.VerifySignature(a.Addr, listOf(7, signedList()...), signature), ErrHash1)
	}
}

// The hash is SHA-1, and the type tag is that of Shim6. With the tag of SEND, without a tag, or
// with a better hash, no other implementation would accept the signature.
func TestSignatureScheme(t *testing.T) {
	shows.IDs(t, "5533-5.15.5-03 5533-5.15.5-06 3972-6-01 3972-6-05")
	key := testKey(t, 2048)
	a := mustCGA(t, 1, eight(t)[0], Options{PublicKey: &key.PublicKey})
	var message []byte
	for _, l := range signedList() {
		if l.Method == wire.MethodCGA {
			message = append(message, l.Address.AsSlice()...)
		}
	}
	message = append([]byte{0, 0, 0, 7}, message...)
	send := []byte{0x08, 0x6f, 0xca, 0x5e, 0x10, 0xb2, 0x00, 0xc9, 0x9c, 0x8c, 0xe0, 0x01, 0x64, 0x27, 0x7c, 0x08}
	for _, tt := range []struct {
		name string
		tag  []byte
		hash crypto.Hash
		want error
	}{
		{"Shim6, SHA-1", typeTag[:], crypto.SHA1, nil},
		{"SEND, SHA-1", send, crypto.SHA1, ErrSignature},
		{"no tag, SHA-1", nil, crypto.SHA1, ErrSignature},
		{"Shim6, SHA-256", typeTag[:], crypto.SHA256, ErrSignature},
	} {
		h := tt.hash.New()
		h.Write(tt.tag)
		h.Write(message)
		signature, err := rsa.SignPKCS1v15(nil, key, tt.hash, h.Sum(nil))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(tt.name, func(t *testing.T) {
			wantError(t, a.PDS.VerifySignature(a.Addr, listOf(7, signedList()...), signature), tt.want)
		})
	}
}

// How many locators fit into an I2bis beside an address with a key: enough for the locators of a
// host, or the key is too long to be used for new addresses.
func TestKeyLengthFits(t *testing.T) {
	for _, tt := range []struct {
		bits        int
		least, full int // locators with only the necessary options, and with all options
	}{{1024, 47, 36}, {2048, 31, 23}, {3072, 16, 10}, {4096, 1, 0}} {
		key := testKey(t, tt.bits)
		a := cgaOf(t, encodeRSA(key.N.Bytes(), big.NewInt(int64(key.E)).Bytes()))
		pds, err := a.PDS.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		fits := func(n int, full bool) bool {
			list := &wire.LocatorList{}
			for range n {
				list.Locators = append(list.Locators, locator(a.Addr, wire.MethodCGA))
			}
			m := &wire.I2bis{Options: wire.Options{
				&wire.ResponderValidator{Validator: make([]byte, 16)},
				&wire.ULIDPair{Sender: a.Addr, Receiver: a.Addr}, list,
				&wire.CGAParameterDataStructure{PDS: pds}, &wire.CGASignature{Signature: make([]byte, tt.bits/8)},
			}}
			if full {
				// The validator belongs to the responder, and may have any length.
				m.Options[0] = &wire.ResponderValidator{Validator: make([]byte, 64)}
				m.Options = append(m.Options, &wire.ForkedInstanceIdentifier{}, &wire.KeepaliveTimeout{},
					&wire.LocatorPreferences{ElementLen: 3, Elements: make([]wire.Preference, n)})
			}
			_, err := wire.Append(nil, m)
			return err == nil
		}
		for _, want := range []struct {
			full bool
			n    int
		}{{false, tt.least}, {true, tt.full}} {
			n := 0
			for n < 100 && fits(n+1, want.full) {
				n++
			}
			if n != want.n {
				t.Errorf("%d bits, all options %v: %d locators, want %d", tt.bits, want.full, n, want.n)
			}
		}
	}
}

// cgaOf returns an address with any key in it, as a peer could make it.
func cgaOf(t *testing.T, der []byte, extensions ...Extension) Address {
	t.Helper()
	p := &PDS{SubnetPrefix: eight(t)[0], PublicKey: der, Extensions: extensions}
	hash1, err := p.Hash1()
	if err != nil {
		t.Fatal(err)
	}
	hash1[0] &= 0x1c
	return Address{p.SubnetPrefix.addr(hash1), p}
}

// Keys of other lengths are valid in an address, but not for a signature, even a right one. GODEBUG
// lets crypto/rsa take them.
func TestKeyLength(t *testing.T) {
	shows.IDs(t, "5533-16-01 5533-16-03 3972-3-05")
	weakKeys(t)
	for _, tt := range []struct {
		bits int
		want error // of verifying a signature
		make error // of making an address
	}{
		{512, ErrKey, ErrKey}, {1016, ErrKey, ErrKey}, {1024, nil, nil}, {2048, nil, nil}, {3072, nil, nil},
		{4096, nil, ErrKey}, {4104, ErrKey, ErrKey},
	} {
		key := testKey(t, tt.bits)
		if n := key.N.BitLen(); n != tt.bits {
			t.Fatalf("key of %d bits", n)
		}
		a := cgaOf(t, encodeRSA(key.N.Bytes(), big.NewInt(int64(key.E)).Bytes()))
		digest := signedDigest(listOf(7, signedList()...))
		signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA1, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		wantError(t, a.PDS.VerifyCGA(a.Addr), nil)
		wantError(t, a.PDS.VerifySignature(a.Addr, listOf(7, signedList()...), signature), tt.want)
		wantError(t, a.PDS.VerifyLocators(a.Addr, listOf(7, signedList()[1]), signature), map[bool]error{true: tt.want, false: ErrSignature}[tt.want != nil])
		_, err = a.PDS.Sign(key, listOf(7, signedList()...))
		wantError(t, err, tt.want)
		_, err = EncodePublicKey(&key.PublicKey)
		wantError(t, err, tt.make)
		_, err = GenerateCGA(t.Context(), seeded(1), eight(t)[0], Options{PublicKey: &key.PublicKey})
		wantError(t, err, tt.make)
		_, err = GenerateHBA(t.Context(), seeded(1), eight(t), Options{PublicKey: &key.PublicKey})
		wantError(t, err, tt.make)
	}
	v := appendixA()
	p := mustParse(t, v.PDS)
	wantError(t, p.VerifyCGA(v.Address), nil)
	wantError(t, p.VerifySignature(v.Address, listOf(7, signedList()...), make([]byte, 64)), ErrKey)
}

// Contents in place of a key that are no key.
func TestRSAPublicKey(t *testing.T) {
	shows.IDs(t, "3972-3-04 5535-4-04 5535-5-04")
	key := testKey(t, 1024)
	der, err := EncodePublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	n, three := key.N.Bytes(), []byte{3}
	info := func(oid string, parameters, bits []byte) []byte {
		return appendDER(nil, tagSequence,
			appendDER(nil, tagSequence, appendDER(nil, tagOID, []byte(oid)), parameters),
			appendDER(nil, tagBitString, []byte{0}, bits))
	}
	rsaInfo := func(bits ...[]byte) []byte { return info(oidRSA, []byte{tagNull, 0}, slices.Concat(bits...)) }
	pair := func(parts ...[]byte) []byte { return appendDER(nil, tagSequence, parts...) }
	integer := func(b ...byte) []byte { return appendDER(nil, tagInteger, b) }
	modulus := appendDER(nil, tagInteger, []byte{0}, n)
	multi := func(flags uint32) Extension {
		e := MultiPrefix{Prefixes: eight(t)[:1]}.Extension()
		e.Data[0], e.Data[3] = byte(flags>>24), byte(flags)
		return e
	}
	for _, tt := range []struct {
		name       string
		der        []byte
		extensions []Extension
		want       error
	}{
		{"key", der, nil, nil},
		{"exponent 3", encodeRSA(n, three), nil, nil},
		{"greatest exponent", encodeRSA(n, []byte{0x7f, 0xff, 0xff, 0xff}), nil, nil},
		{"greater exponent", encodeRSA(n, []byte{0x80, 0, 0, 1}), nil, ErrKey},
		{"much greater exponent", encodeRSA(n, []byte{1, 0, 0, 0, 1}), nil, ErrKey},
		{"another algorithm", info("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", []byte{tagNull, 0}, pair(modulus, integer(3))), nil, ErrKey},
		{"no parameters", info(oidRSA, nil, pair(modulus, integer(3))), nil, ErrKey},
		{"other parameters", info(oidRSA, []byte{tagInteger, 1, 1}, pair(modulus, integer(3))), nil, ErrKey},
		{"a key that is not RSA", ed25519, nil, ErrKey},
		{"noise", rsaInfo(bytes.Repeat([]byte{0xa5}, 140)), nil, ErrKey},
		{"not a SEQUENCE", rsaInfo(modulus, integer(3)), nil, ErrKey},
		{"no modulus", rsaInfo(pair()), nil, ErrKey},
		{"no exponent", rsaInfo(pair(modulus)), nil, ErrKey},
		{"a third number", rsaInfo(pair(modulus, integer(3), integer(3))), nil, ErrKey},
		{"something after it", rsaInfo(pair(modulus, integer(3)), []byte{0}), nil, ErrKey},
		{"negative modulus", rsaInfo(pair(appendDER(nil, tagInteger, []byte{0xff}, n), integer(3))), nil, ErrKey},
		{"modulus in a longer form", rsaInfo(pair(appendDER(nil, tagInteger, []byte{0, 0}, n), integer(3))), nil, ErrKey},
		{"INTEGER of no octets", rsaInfo(pair(modulus, integer())), nil, ErrKey},
		{"modulus 0", rsaInfo(pair(integer(0), integer(3))), nil, ErrKey},
		{"P flag set", der, []Extension{multi(flagP)}, nil},
		{"P flag where some write it", der, []Extension{multi(flagPSwapped)}, nil},
		{"P flag clear", der, []Extension{multi(0)}, ErrKey},
		{"P flag clear, other bits set", der, []Extension{multi(0x7f00007f)}, ErrKey},
		{"two P flags", der, []Extension{multi(flagP), multi(0)}, ErrKey},
		{"no P flag", der, []Extension{{ExtensionMultiPrefix, nil}}, ErrKey},
		{"other extensions", der, []Extension{{1, nil}, {0xfffd, nil}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := cgaOf(t, tt.der, tt.extensions...)
			wantError(t, a.PDS.VerifyCGA(a.Addr), nil)
			got, err := a.PDS.RSAPublicKey()
			wantError(t, err, tt.want)
			if err == nil && got.N.Cmp(key.N) != 0 {
				t.Errorf("modulus %x", got.N)
			}
			want := tt.want
			if want == nil {
				want = ErrSignature
			}
			wantError(t, a.PDS.VerifySignature(a.Addr, listOf(7, signedList()...), make([]byte, 128)), want)
		})
	}
}

// Keys with which no arithmetic is possible verify nothing.
func TestStrangeKeys(t *testing.T) {
	n := testKey(t, 1024).N.Bytes()
	even := slices.Clone(n)
	even[len(even)-1] &^= 1
	for _, der := range [][]byte{
		encodeRSA(even, []byte{3}),
		encodeRSA(n, []byte{2}),
		encodeRSA(n, []byte{1}),
		encodeRSA(append([]byte{0x80}, make([]byte, 127)...), []byte{1, 0, 1}),
		encodeRSA(bytes.Repeat([]byte{0xff}, 128), []byte{3}),
		appendDER(nil, tagSequence, appendDER(nil, tagSequence, appendDER(nil, tagOID, []byte(oidRSA)), []byte{tagNull, 0}),
			appendDER(nil, tagBitString, []byte{0}, appendDER(nil, tagSequence,
				appendDER(nil, tagInteger, []byte{0}, n), appendDER(nil, tagInteger, []byte{0})))),
	} {
		a := cgaOf(t, der)
		for _, s := range [][]byte{nil, {1}, make([]byte, 128), bytes.Repeat([]byte{0xff}, 128), append(make([]byte, 127), 1)} {
			wantError(t, a.PDS.VerifySignature(a.Addr, listOf(7, signedList()...), s), ErrSignature)
		}
	}
}

func TestSignErrors(t *testing.T) {
	key := testKey(t, 1024)
	nonce := mustHBA(t, 1, eight(t)[:2], Options{})
	shows.IDs(t, "5535-4-04")
	_, err := nonce[0].PDS.Sign(key, listOf(7, signedList()...))
	wantError(t, err, ErrKey)
	a := mustCGA(t, 1, eight(t)[0], Options{PublicKey: &key.PublicKey})
	_, err = a.PDS.Sign(testKey(t, 2048), listOf(7, signedList()...))
	wantError(t, err, ErrKey)
	for _, k := range []*rsa.PublicKey{nil, {}, {N: big.NewInt(-5), E: 3}, {N: key.N}} {
		_, err := EncodePublicKey(k)
		wantError(t, err, ErrKey)
	}
}

// Our encoding of a key is the same as the standard library's.
func TestEncodePublicKey(t *testing.T) {
	shows.IDs(t, "3972-3-03 3972-3-04")
	for _, bits := range []int{1024, 2048} {
		key := &testKey(t, bits).PublicKey
		want, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		got, err := EncodePublicKey(key)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%x, %v, want %x", got, err, want)
		}
	}
}
