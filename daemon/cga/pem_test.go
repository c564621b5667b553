// SPDX-License-Identifier: BSD-3-Clause

package cga

import (
	"bytes"
	"encoding/pem"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var addrCmp = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func TestPEM(t *testing.T) {
	set := mustHBA(t, 1, eight(t)[:3], Options{Sec: 1})
	only := mustCGA(t, 1, eight(t)[0], Options{PublicKey: &testKey(t, 2048).PublicKey})
	for _, list := range [][]Address{set, {only}, append(slices.Clone(set), only)} {
		b, err := EncodePEM(list)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodePEM(b)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(list, got, addrCmp); d != "" {
			t.Error(d)
		}
	}
	raw, err := only.PDS.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodePEM(raw)
	if err != nil || len(got) != 1 || got[0].Addr.IsValid() || !cmp.Equal(got[0].PDS, only.PDS) {
		t.Errorf("bare octets: %v, %v", got, err)
	}
	if _, err := EncodePEM([]Address{{PDS: &PDS{}}}); err == nil {
		t.Error("no PDS is written")
	}
}

func TestDecodePEMErrors(t *testing.T) {
	a := mustHBA(t, 1, eight(t)[:1], Options{})[0]
	good, err := EncodePEM([]Address{a})
	if err != nil {
		t.Fatal(err)
	}
	der, err := a.PDS.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind, addr string, der []byte) []byte {
		p := &pem.Block{Type: kind, Bytes: der}
		if addr != "" {
			p.Headers = map[string]string{pemAddress: addr}
		}
		return pem.EncodeToMemory(p)
	}
	for _, tt := range []struct {
		name string
		b    []byte
		want error
	}{
		{"nothing", nil, ErrPDS},
		{"noise", []byte("noise"), ErrPDS},
		{"no address", block(pemType, "", der), nil},
		{"address", block(pemType, a.Addr.String(), der), nil},
		{"another address", block(pemType, a.Addr.Next().String(), der), ErrHash1},
		{"address with a higher Sec", block(pemType, withSec(a.Addr, 1).String(), der), ErrHash2},
		{"no address at all", block(pemType, "here", der), ErrAddress},
		{"no PDS in it", block(pemType, "", der[:30]), ErrPDS},
		{"a key", block("PRIVATE KEY", "", der), ErrPDS},
		{"a key after it", append(bytes.Clone(good), block("PRIVATE KEY", "", der)...), ErrPDS},
		{"an end missing", good[:len(good)-20], ErrPDS},
		{"half of a second one", append(bytes.Clone(good), good[:60]...), ErrPDS},
		{"space around it", []byte("\n" + string(good) + "\n \n"), nil},
		{"text before it", append([]byte("text\n"), good...), ErrPDS},
		{"text between two", slices.Concat(good, []byte("text\n"), good), ErrPDS},
		{"space between two", slices.Concat(good, []byte("\n \n\t"), good), nil},
		// pem.Decode would go on to the next one.
		{"a damaged one before it", append(bytes.Replace(good, []byte("\n-----END"), []byte("!\n-----END"), 1), good...), ErrPDS},
		{"a damaged one between two", slices.Concat(good, good[:len(good)-20], []byte("\n"), good), ErrPDS},
		{"one without an end before it", append(good[:len(good)-20:len(good)-20], good...), ErrPDS},
		{"another end before it", append(bytes.Replace(good, []byte("-----END CGA"), []byte("-----END HBA"), 1), good...), ErrPDS},
		{"text after it", append(bytes.Clone(good), "text"...), ErrPDS},
		{"two", []byte(strings.Repeat(string(good), 2)), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list, err := DecodePEM(tt.b)
			wantError(t, err, tt.want)
			if (len(list) == 0) != (err != nil) {
				t.Errorf("%d addresses", len(list))
			}
		})
	}
}
