// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shim6/daemon/cga"
)

// vector is one of the addresses that other programs made.
type vector struct {
	Name, Address, PDS string
	Key                string `json:"privkey_pem"`
	Expect             bool
}

// writeVector puts a PDS, and the key if there is one, where the tool reads it.
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

// names are the files in a directory, hidden ones too.
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

// good calls the tool and wants it to succeed.
func good(t *testing.T, words string, args ...any) string {
	t.Helper()
	words = fmt.Sprintf(words, args...)
	status, out, errs := call(newFake(), strings.Fields(words)...)
	if status != 0 || errs != "" {
		t.Fatalf("%s: status %d, %q", words, status, errs)
	}
	return out
}

// refused calls the tool and wants it to fail, with this in the message.
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
	// One whose P flag is where others do not look for it: its key may sign all the
	// same, and what is shown says why.
	_, pds, _ = writeVector(t, "hbacga-2-sec0")
	if out := good(t, "hba show pds %s", pds); !strings.HasPrefix(out, "pds bound-to cga-hba\n") ||
		!strings.Contains(out, "\n    public-key ") || !strings.Contains(out, "\n    p-flag false p-flag-misplaced true prefixes 2001:db8:1:1::/64,") {
		t.Error(out)
	}
	if out := good(t, "-j hba show pds %s", pds); !strings.Contains(out, `"bound-to":"cga-hba"`) ||
		!strings.Contains(out, `"p-flag":false,"p-flag-misplaced":true,"prefixes":[`) {
		t.Error(out)
	}
	// Nor does a key that is too short become a nonce.
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

// Shows: 6629-8-01
func TestCGAGenerate(t *testing.T) {
	dir := t.TempDir()
	key, pds := filepath.Join(dir, "key"), filepath.Join(dir, "pds")
	made := lines(t, good(t, "cga generate prefix 2001:db8:1:2::/64 new-key %s pds %s", key, pds))
	if len(made) != 1 || cga.PrefixOf(made[0]).String() != "2001:db8:1:2::/64" || cga.SecOf(made[0]) != 1 {
		t.Fatalf("%v", made)
	}
	for path, mode := range map[string]fs.FileMode{key: 0o600, pds: 0o644} {
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode()&^mode != 0 || st.Mode()&0o600 != 0o600 {
			t.Errorf("%s has mode %v, want %v", path, st.Mode(), mode)
		}
	}
	good(t, "cga verify %v pds %s", made[0], pds)
	out := good(t, "cga show pds %s", pds)
	if !strings.HasPrefix(out, made[0].String()+" sec 1 bound-to cga\n") || !strings.Contains(out, "rsa 2048 bits") {
		t.Errorf("%s", out)
	}

	// The same key serves again, and the address is another one.
	again := lines(t, good(t, "c%s", "ga g prefix 2001:db8:1:2:: sec 0 key "+key+" pds "+pds+"2"))
	if again[0] == made[0] || cga.SecOf(again[0]) != 0 {
		t.Errorf("%v after %v", again, made)
	}
	first, err := readPDS(pds)
	if err != nil {
		t.Fatal(err)
	}
	second, err := readPDS(pds + "2")
	if err != nil || !bytes.Equal(first[0].PDS.PublicKey, second[0].PDS.PublicKey) {
		t.Errorf("another key, %v", err)
	}
	if d := cmp.Diff([]string{"key", "pds", "pds2"}, names(t, dir)); d != "" {
		t.Error(d)
	}
}

func TestHBAGenerate(t *testing.T) {
	for _, tt := range []struct{ words, boundTo, key string }{
		{"pure", "hba-only", "rsa 384 bits"},
		{"pure sec 0", "hba-only", "rsa 384 bits"},
		{"new-key %s/key key-bits 1024", "cga-hba", "rsa 1024 bits"},
	} {
		t.Run(tt.words, func(t *testing.T) {
			dir := t.TempDir()
			pds := filepath.Join(dir, "pds")
			words := strings.ReplaceAll(tt.words, "%s", dir)
			out := good(t, "-j hba generate prefix 2001:db8:1:1::,2001:db8:2:1::/64,fd00:1:2:3:: pds %s %s", pds, words)
			var objects []struct {
				Address  netip.Addr
				BoundTo  string             `json:"bound-to"`
				Prefixes []cga.SubnetPrefix `json:"prefixes"`
				PFlag    bool               `json:"p-flag"`
			}
			if err := json.Unmarshal([]byte(out), &objects); err != nil || len(objects) != 3 {
				t.Fatalf("%v: %s", err, out)
			}
			shown := good(t, "hba show pds %s", pds)
			for _, o := range objects {
				if o.BoundTo != tt.boundTo || o.PFlag != (tt.boundTo == "cga-hba") || len(o.Prefixes) != 3 {
					t.Errorf("%+v", o)
				}
				good(t, "hba verify %v pds %s", o.Address, pds)
				good(t, "cga verify %v pds %s", o.Address, pds)
				if !strings.Contains(shown, o.Address.String()+" sec ") {
					t.Errorf("%v is not in\n%s", o.Address, shown)
				}
			}
			if !strings.Contains(shown, tt.key) {
				t.Errorf("no %q in\n%s", tt.key, shown)
			}
			// The JSON of what was made is that of what is shown.
			if d := cmp.Diff(out, good(t, "-j hba show pds %s", pds)); d != "" {
				t.Error(d)
			}
		})
	}
}

// A key of another program, in both of its forms.
func TestGenerateKeyFile(t *testing.T) {
	_, pds, key := writeVector(t, "sec1-linklocal")
	good(t, "cga generate prefix 2001:db8:: key %s pds %s.2", key, pds)
	a, err := readPDS(pds)
	if err != nil {
		t.Fatal(err)
	}
	b, err := readPDS(pds + ".2")
	if err != nil || !bytes.Equal(a[0].PDS.PublicKey, b[0].PDS.PublicKey) {
		t.Errorf("another key: %v", err)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "no PEM block"},
		{"a PDS", "-----BEGIN CGA PARAMETERS-----\nAAAA\n-----END CGA PARAMETERS-----\n", `PEM block "CGA PARAMETERS", where "PRIVATE KEY"`},
		{"noise", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "/key: "},
		{"older noise", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n", "/key: "},
		{"an encrypted key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "the key is encrypted, and there is nobody to ask for the passphrase"},
		{"an older encrypted key", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
			"the key is encrypted, and there is nobody"},
		{"Ed25519", "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n", "the key is not RSA"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			write(t, key, []byte(tt.text))
			refused(t, tt.want, "cga generate prefix 2001:db8:: key %s pds %s.3", key, pds)
			if _, err := os.Stat(pds + ".3"); err == nil {
				t.Error("there is a PDS")
			}
		})
	}
	write(t, key, read(t, "../../daemon/cga/testdata/keys/rsa1016.pem"))
	t.Setenv("GODEBUG", "rsa1024min=0")
	refused(t, "RSA key of 1016 bits, where 1024 is the least (RFC 5533 section 16)", "cga generate prefix 2001:db8:: key %s pds %s.3", key, pds)
	write(t, key, read(t, "../../daemon/cga/testdata/keys/rsa4096.pem"))
	refused(t, "RSA key of 4096 bits, where 3072 is the greatest", "cga generate prefix 2001:db8:: key %s pds %s.3", key, pds)
	refused(t, "no such file", "cga generate prefix 2001:db8:: key %s.not pds %s.3", key, pds)
}

// What is there stays as it is, and nothing is left of the attempt.
func TestGenerateExists(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	write(t, there, []byte("precious"))
	if err := os.Symlink("nowhere", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{
		"hba generate prefix 2001:db8:: pure pds %[1]s/there",
		"hba generate prefix 2001:db8:: pure pds %[1]s/link",
		"cga generate prefix 2001:db8:: new-key %[1]s/there pds %[1]s/pds",
		"cga generate prefix 2001:db8:: new-key %[1]s/key pds %[1]s/there",
	} {
		refused(t, "file already exists, and is not overwritten", words, dir)
	}
	refused(t, "no such file or directory", "hba generate prefix 2001:db8:: pure pds %s/not/there", dir)
	refused(t, "not a directory", "hba generate prefix 2001:db8:: pure pds %s/there/pds", dir)
	// The key is written first: without the PDS it goes again.
	refused(t, "no such file or directory", "cga generate prefix 2001:db8:: new-key %s/key key-bits 1024 pds %s/not/there", dir, dir)
	if string(read(t, there)) != "precious" {
		t.Error("it was overwritten")
	}
	if d := cmp.Diff([]string{"link", "there"}, names(t, dir)); d != "" {
		t.Error(d)
	}
}

// Who comes second does not win, though both found nothing there; with hard links and
// without.
func TestNewFile(t *testing.T) {
	for name, l := range map[string]func(string, string) error{
		"links": os.Link, "no links": func(from, to string) error { return &os.LinkError{Op: "link", Old: from, New: to, Err: syscall.EPERM} },
	} {
		t.Run(name, func(t *testing.T) {
			link = l
			defer func() { link = os.Link }()
			dir := t.TempDir()
			// As long as a name can be.
			path := filepath.Join(dir, strings.Repeat("f", 255))
			var files []*newFile
			for range 2 {
				f, err := create(path, 0o600)
				if err != nil {
					t.Fatal(err)
				}
				defer f.discard()
				files = append(files, f)
			}
			for i, f := range files {
				if err := f.write(fmt.Appendf(nil, "by %d", i)); err != nil {
					t.Fatal(err)
				}
				if _, err := os.Stat(path); (err == nil) != (i > 0) {
					t.Errorf("before it is published: %v", err)
				}
				if err := f.publish(); errors.Is(err, fs.ErrExist) != (i > 0) || i == 0 && err != nil {
					t.Errorf("%v", err)
				}
			}
			if string(read(t, path)) != "by 0" {
				t.Error("it was overwritten")
			}
			if _, err := create(path, 0o600); !errors.Is(err, fs.ErrExist) {
				t.Errorf("%v", err)
			}
			for _, f := range files {
				f.discard()
			}
			if d := cmp.Diff([]string{filepath.Base(path)}, names(t, dir)); d != "" {
				t.Error(d)
			}
		})
	}
}

// What cannot be written is found before a search that would take hours.
func TestUnusableDestination(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), nil)
	for _, tt := range []struct {
		pds, key string
		want     error
	}{
		{"/not/pds", "", fs.ErrNotExist},
		{"/pds", "/not/key", fs.ErrNotExist},
		{"/file/pds", "", syscall.ENOTDIR},
		{"/file", "", fs.ErrExist},
		{"/" + strings.Repeat("f", 256), "", syscall.ENAMETOOLONG},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		sec := uint8(2)
		r := request{kind: kindHBA, prefixes: make([]cga.SubnetPrefix, 1), pds: dir + tt.pds, sec: &sec, pure: true}
		if tt.key != "" {
			r.newKey, r.pure = dir+tt.key, false
		}
		if _, err := (&tool{err: new(bytes.Buffer)}).generate(ctx, r); !errors.Is(err, tt.want) {
			t.Errorf("pds %s, key %s: %v, want %v", tt.pds, tt.key, err, tt.want)
		}
		if d := cmp.Diff([]string{"file"}, names(t, dir)); d != "" {
			t.Error(d)
		}
	}
	// A file system whose files cannot be renamed without a risk.
	link = func(string, string) error { return syscall.EPERM }
	defer func() { link = os.Link }()
	if _, err := create("/proc/self/pds", 0o600); err == nil {
		t.Error("there is a file in /proc")
	}
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
		{"cga generate prefix 2001:db8:: pds x key y key-bits 2048", "key-bits is about a 'new-key FILE'"},
		{"cga generate prefix 2001:db8:: pds x new-key y key-bits 1023", "key-bits is from 1024 to 3072"},
		{"cga generate prefix 2001:db8:: pds x new-key y key-bits 3073", "key-bits is from 1024 to 3072"},
		{"cga generate prefix 2001:db8:: pds x new-key y key-bits many", `"many" is not a number`},
		{"cga generate prefix 2001:db8:: pds x key y sec 3", "sec is from 0 to 2"},
		{"cga generate prefix 2001:db8:: pds x new-key ./x", "the same file twice"},
		{"cga generate prefix 2001:db8:: pds x new-key " + here + "/y/../x", "the same file twice"},
		{"hba generate prefix 2001:db8::,fd00::,2001:db8::/64 pds x pure", "2001:db8::/64 is there twice"},
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

// Ctrl-C ends a search that would take hours, and so does the end of a session; and
// neither a key of which the PDS will never be is left behind, nor what it was begun
// as.
func TestGenerateInterrupted(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			// Before the tool listens to the signal it must not be what
			// ends the test.
			ignored := make(chan os.Signal, 1)
			signal.Notify(ignored, sig)
			defer signal.Stop(ignored)
			dir := t.TempDir()
			var status int
			var errs string
			done := make(chan struct{})
			go func() {
				defer close(done)
				status, _, errs = call(newFake(), strings.Fields("hba generate prefix 2001:db8::,fd00:: sec 2 key-bits 1024 new-key "+dir+"/key pds "+dir+"/pds")...)
			}()
			for deadline := time.Now().Add(time.Minute); len(names(t, dir)) < 2; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("it begins no files")
				}
			}
			for running := true; running; {
				select {
				case <-done:
					running = false
				case <-time.After(20 * time.Millisecond):
					if err := syscall.Kill(os.Getpid(), sig); err != nil {
						t.Fatal(err)
					}
				}
			}
			if status != exitRefused || errs != "shim6tool: interrupted; nothing was written\n" {
				t.Errorf("status %d, %q", status, errs)
			}
			if list := names(t, dir); len(list) > 0 {
				t.Errorf("%v is left", list)
			}
		})
	}
}

// Who runs it by nohup wants it to go on.
func TestEndings(t *testing.T) {
	if d := cmp.Diff([]os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}, endings()); d != "" {
		t.Error(d)
	}
	signal.Ignore(syscall.SIGHUP)
	defer signal.Reset(syscall.SIGHUP)
	if d := cmp.Diff([]os.Signal{syscall.SIGINT, syscall.SIGTERM}, endings()); d != "" {
		t.Error(d)
	}
}

func TestGenerateCancelledBefore(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	r := request{kind: kindCGA, prefixes: make([]cga.SubnetPrefix, 1), pds: dir + "/pds", newKey: dir + "/key"}
	if _, err := (&tool{err: new(bytes.Buffer)}).generate(ctx, r); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if list := names(t, dir); len(list) > 0 {
		t.Errorf("%v is left", list)
	}
}

func TestProgress(t *testing.T) {
	now := time.Unix(0, 0)
	var out bytes.Buffer
	p := newProgress(&out, 2, func() time.Time { return now })
	p.hashes(1000)
	p.done()
	if out.Len() > 0 {
		t.Errorf("too early: %q", &out)
	}
	now = now.Add(time.Second)
	p.hashes(4_000_000)
	p.hashes(4_100_000) // not so soon after
	now = now.Add(time.Second)
	p.hashes(8_000_000)
	p.done()
	const want = "\r\x1b[K4.0 million hashes, 4.0 million/s, 1 s of 17m54s on average" +
		"\r\x1b[K8.0 million hashes, 4.0 million/s, 2 s of 17m54s on average\r\x1b[K"
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Error(d)
	}
	if isTerminal(&out) {
		t.Error("a buffer is no terminal")
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if isTerminal(f) {
		t.Error("a file is no terminal")
	}
}

// The key is one that openssl reads, and the PDS has its public half.
func TestKeyForOthers(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl")
	}
	dir := t.TempDir()
	good(t, "cga generate prefix 2001:db8:: new-key %s/key key-bits 1024 pds %s/pds", dir, dir)
	der, err := exec.Command(openssl, "pkey", "-in", dir+"/key", "-pubout", "-outform", "DER").Output()
	if err != nil {
		t.Fatal(err)
	}
	list, err := readPDS(dir + "/pds")
	if err != nil || !bytes.Equal(der, list[0].PDS.PublicKey) {
		t.Errorf("%x, %v", der, err)
	}
}
