// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// vector is one of the addresses that other programs made.
type vector struct {
	Name, Address, PDS string
	Key                string `json:"privkey_pem"`
	Expect             bool
}

// writeVector writes the PDS of a vector, and its key if it has one, to files for the tool.
func writeVector(t *testing.T, name string) (v vector, pds, key string) {
	t.Helper()
	b, err := os.ReadFile("../../daemon/cga/testdata/cga-hba.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		CGA, CGANegative []vector
		HBA              []struct {
			Name string
			HBA  []vector
		}
	}
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	for _, s := range all.HBA {
		s.HBA[0].Name = s.Name
		all.CGA = append(all.CGA, s.HBA[0])
	}
	at := slices.IndexFunc(all.CGA, func(v vector) bool { return v.Name == name })
	if at < 0 {
		t.Fatalf("no vector %q", name)
	}
	v = all.CGA[at]
	octets, err := hex.DecodeString(v.PDS)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	pds, key = filepath.Join(dir, "pds"), filepath.Join(dir, "key")
	write(t, pds, octets)
	if v.Key != "" {
		write(t, key, []byte(v.Key))
	}
	return v, pds, key
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// names are the files in a directory, with hidden ones.
func names(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// good calls the tool, which has to succeed.
func good(t *testing.T, words string, args ...any) string {
	t.Helper()
	words = fmt.Sprintf(words, args...)
	status, out, errs := call(newFake(), strings.Fields(words)...)
	if status != 0 || errs != "" {
		t.Fatalf("%s: status %d, %q", words, status, errs)
	}
	return out
}

// refused calls the tool, which has to fail with this text in its message.
func refused(t *testing.T, want, words string, args ...any) string {
	t.Helper()
	words = fmt.Sprintf(words, args...)
	status, out, errs := call(newFake(), strings.Fields(words)...)
	if status != exitRefused || !strings.Contains(errs, want) {
		t.Errorf("%s: status %d, %q, want %q", words, status, errs, want)
	}
	return out
}

const appendixA = "fe80::3c4a:5bf6:ffb4:ca6c"

func TestAddressShow(t *testing.T) {
	_, pds, _ := writeVector(t, "rfc3972-appendix-a")
	const text = `pds bound-to cga
    modifier 89a8a8b2e858d8b8f2633f44d2d4ce9b subnet-prefix fe80::/64 collision-count 0
    public-key 94 octets, rsa 512 bits
    hash1 fd4a5bf6ffb4ca6c hash2 000001ca680b83888d0912dffcce sec-highest 1
`
	for _, words := range []string{"cga show pds %s", "cg s pd %s"} {
		if d := cmp.Diff(text, good(t, words, pds)); d != "" {
			t.Errorf("%s:\n%s", words, d)
		}
	}
	const line = `[{"bound-to":"cga","modifier":"89a8a8b2e858d8b8f2633f44d2d4ce9b","subnet-prefix":"fe80::/64","collision-count":0,` +
		`"public-key":"305c300d06092a864886f70d0101010500034b003048024100c2c2f137305454f10bd9cea36844b530e9211a4b262b16467cb7dfba1f595c0194f275be5a4d386f2c3c2382508773c7867f9b3b9e63a09c7bc48f7a54ebefaf0203010001",` +
		`"public-key-bits":512,"extensions":[],"hash1":"fd4a5bf6ffb4ca6c","hash2":"000001ca680b83888d0912dffcce","sec-highest":1}]` + "\n"
	if d := cmp.Diff(line, good(t, "-j cga show pds %s", pds)); d != "" {
		t.Error(d)
	}
	if out := good(t, "-j -p cga show pds %s", pds); !strings.Contains(out, "\n        \"collision-count\": 0,\n") {
		t.Errorf("not indented:\n%s", out)
	}
	refused(t, "no usable Multi-Prefix extension", "hba show pds %s", pds)

	_, pds, _ = writeVector(t, "sec1-multikey-extension")
	if out := good(t, "cga show pds %s", pds); !strings.Contains(out, "\n    extension 0x0001 296 octets\n") {
		t.Error(out)
	}
	if out := good(t, "-j cga show pds %s", pds); !strings.Contains(out, `"extensions":[{"type":1,"data":"012630820122`) {
		t.Error(out)
	}

	_, pds, _ = writeVector(t, "hba-2")
	for _, words := range []string{"hba show pds %s", "cga show pds %s"} {
		out := good(t, words, pds)
		for _, want := range []string{
			"pds bound-to hba-only\n", "\n    nonce 68 octets\n",
			"\n    p-flag false prefixes 2001:db8:1:1::/64,2001:db8:2:1::/64\n",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
	}
	// A PDS whose P flag is in a place where other programs do not look: its key may sign all the
	// same, and the output says why.
	_, pds, _ = writeVector(t, "hbacga-2-sec0")
	if out := good(t, "hba show pds %s", pds); !strings.HasPrefix(out, "pds bound-to cga-hba\n") ||
		!strings.Contains(out, "\n    public-key ") || !strings.Contains(out, "\n    p-flag false p-flag-misplaced true prefixes 2001:db8:1:1::/64,") {
		t.Error(out)
	}
	if out := good(t, "-j hba show pds %s", pds); !strings.Contains(out, `"bound-to":"cga-hba"`) ||
		!strings.Contains(out, `"p-flag":false,"p-flag-misplaced":true,"prefixes":[`) {
		t.Error(out)
	}
	// A key that is too short is not taken for a nonce either.
	list, err := readPDS(pds)
	if err != nil {
		t.Fatal(err)
	}
	short := *list[0].PDS
	_, path, _ := writeVector(t, "rfc3972-appendix-a")
	appendix, err := readPDS(path)
	if err != nil {
		t.Fatal(err)
	}
	short.PublicKey = appendix[0].PDS.PublicKey
	if got := boundTo(&short); got != boundToBoth {
		t.Errorf("with a short key it is bound to %s", got)
	}
	_, pds, _ = writeVector(t, "hbacga-2-rfc-pflag")
	out := good(t, "-j hba show pds %s", pds)
	for _, want := range []string{`"bound-to":"cga-hba"`, `"p-flag":true,"prefixes":["2001:db8:1:1::/64","2001:db8:2:1::/64"]`} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestAddressVerify(t *testing.T) {
	_, pds, _ := writeVector(t, "rfc3972-appendix-a")
	if out, want := good(t, "cga verify %s pds %s", appendixA, pds), appendixA+" is the CGA of "+pds+", Sec 1\n"; out != want {
		t.Errorf("%q, want %q", out, want)
	}
	if out, want := good(t, "-j cg v %s p %s", appendixA, pds), `[{"address":"`+appendixA+`","valid":true,"sec":1}]`+"\n"; out != want {
		t.Errorf("%q, want %q", out, want)
	}
	const other = "fe80::3c4a:5bf6:ffb4:ca6d"
	if out := refused(t, other+" does not verify: interface identifier differs from Hash1", "cga verify %s pds %s", other, pds); out != "" {
		t.Errorf("%q", out)
	}
	if out := refused(t, "differs from Hash1", "-j cga verify %s pds %s", other, pds); !strings.HasPrefix(out, `[{"address":"`+other+`","valid":false,"sec":1,"reason":"interface`) {
		t.Errorf("%q", out)
	}
	refused(t, "subnet prefix differs", "cga verify 2001:db8::3c4a:5bf6:ffb4:ca6c pds %s", pds)
	refused(t, "no usable Multi-Prefix", "hba verify %s pds %s", appendixA, pds)
	refused(t, "no such file", "hba verify %s pds %s.not", appendixA, pds)

	v, pds, _ := writeVector(t, "hba-2")
	if out, want := good(t, "hba verify %s pds %s", v.Address, pds), v.Address+" is in the HBA set of "+pds+", Sec 1\n"; out != want {
		t.Errorf("%q, want %q", out, want)
	}
	good(t, "hba verify 2001:db8:2:1:2cdc:73b3:8364:8fc2 pds %s", pds)
	good(t, "cga verify %s pds %s", v.Address, pds)
	refused(t, "subnet prefix differs", "cga verify 2001:db8:2:1:2cdc:73b3:8364:8fc2 pds %s", pds)
	refused(t, "prefix is not in the HBA set", "hba verify 2001:db8:3:1:2cdc:73b3:8364:8fc2 pds %s", pds)

	write(t, pds, []byte("no PDS"))
	for _, words := range []string{"hba verify %[2]s pds %[1]s", "cga show pds %[1]s"} {
		refused(t, pds+": malformed CGA Parameters data structure: it has 6 octets", words, pds, v.Address)
	}
}

// lines are the addresses that were printed.
func lines(t *testing.T, out string) (list []netip.Addr) {
	t.Helper()
	for s := range strings.Lines(out) {
		a, err := netip.ParseAddr(strings.TrimSpace(s))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, a)
	}
	return list
}

func TestAddressUsageErrors(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ words, want string }{
		{"cga", "cga show needs 'pds FILE'"},
		{"hba show", "hba show needs 'pds FILE'"},
		{"cga show all", `no key of cga show "all": take one of pds`},
		{"cga show pds", "pds needs a value"},
		{"cga verify", "cga verify needs an address"},
		{"cga verify here", `"here" is not an IPv6 address`},
		{"cga verify fe80::1%eth0 pds x", "is not an IPv6 address"},
		{"hba verify fe80::1", "hba verify needs 'pds FILE'"},
		{"hba verify fe80::1 key x", `no key of hba verify "key"`},
		{"cga generate", "needs 'prefix PREFIX', that of"},
		{"hba generate", "needs 'prefix PREFIX[,...]', the prefixes"},
		{"cga generate prefix 2001:db8::", "needs 'pds FILE', where to put"},
		{"cga generate prefix 2001:db8:: pds x", "cga generate needs one of 'key FILE' or 'new-key FILE'"},
		{"hba generate prefix 2001:db8:: pds x", "hba generate needs one of 'key FILE', 'new-key FILE' or 'pure'"},
		{"hba generate prefix 2001:db8:: pds x key y pure", "needs one of"},
		{"cga generate prefix 2001:db8:: pds x key y new-key z", "needs one of"},
		{"cga generate prefix 2001:db8:: pds x pure", `no key of cga generate "pure"`},
		{"cga generate prefix 2001:db8::,fd00:: pds x key y", "'hba generate' makes a set"},
		{"cga generate prefix 2001:db8::/32 pds x key y", "has 32 bits: a subnet prefix has 64"},
		{"cga generate prefix 2001:db8::1 pds x key y", "bits set after the 64th"},
		{"hba generate prefix 2001:db8::, pds x pure", `"" is not an IPv6 prefix`},
		{"cga generate prefix 2001:db8:: pds x key y key-bits 2048", "key-bits needs 'new-key FILE'"},
		{"cga generate prefix 2001:db8:: pds x new-key y key-bits 1023", "key-bits is from 1024 to 3072"},
		{"cga generate prefix 2001:db8:: pds x new-key y key-bits 3073", "key-bits is from 1024 to 3072"},
		{"cga generate prefix 2001:db8:: pds x new-key y key-bits many", `"many" is not a number`},
		{"cga generate prefix 2001:db8:: pds x key y sec 3", "sec is from 0 to 2"},
		{"cga generate prefix 2001:db8:: pds x new-key ./x", "are the same file"},
		{"cga generate prefix 2001:db8:: pds x new-key " + here + "/y/../x", "are the same file"},
		{"hba generate prefix 2001:db8::,fd00::,2001:db8::/64 pds x pure", "2001:db8::/64 is given twice"},
		{"hba generate prefix fe80:: pds x pure", "fe80::/64 is link-local"},
		{"hba generate prefix 2001:db8::,febf:1:: pds x pure", "febf:1::/64 is link-local"},
		{"cga generate prefix fe80:: pds x key y", "fe80::/64 is link-local"},
		{"hba generate prefix ff0e:: pds x pure", "ff0e::/64 is multicast"},
		{"hba generate prefix :: pds x pure", "::/64 is reserved"},
		{"hba generate p fe80::", `"p" may be prefix or pds or pure`},
		{"hba drop", `no command of hba "drop": take one of show, verify, generate, help`},
	} {
		f := newFake()
		status, out, errs := call(f, strings.Fields(tt.words)...)
		if status != exitUsage || out != "" || !strings.Contains(errs, tt.want) {
			t.Errorf("%s: status %d, %q, %q", tt.words, status, out, errs)
		}
	}
	if status, _, errs := call(newFake(), "cga", "show", "pds", ""); status != exitUsage || !strings.Contains(errs, "not empty") {
		t.Errorf("status %d, %q", status, errs)
	}
}
