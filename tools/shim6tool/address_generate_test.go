// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shim6/daemon/cga"
	"shim6/tools/conformance/shows"
)

func TestCGAGenerate(t *testing.T) {
	shows.IDs(t, "6629-8-01")
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

	// The same key makes another address.
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

// A key that another program made is read in both of its forms.
func TestGenerateKeyFile(t *testing.T) {
	shows.IDs(t, "3972-7.3-01")
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
	// Each run makes another address, also from the same key and prefix.
	good(t, "cga generate prefix 2001:db8:: key %s pds %s.3", key, pds)
	if c, err := readPDS(pds + ".3"); err != nil || c[0].PDS.Modifier == b[0].PDS.Modifier || c[0].Addr == b[0].Addr {
		t.Errorf("%+v after %+v, %v", c, b, err)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "no PEM block"},
		{"a PDS", "-----BEGIN CGA PARAMETERS-----\nAAAA\n-----END CGA PARAMETERS-----\n", `PEM block "CGA PARAMETERS", and should begin with "PRIVATE KEY"`},
		{"noise", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "/key: "},
		{"older noise", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n", "/key: "},
		{"an encrypted key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "the key is encrypted, and there is nobody to ask for the passphrase"},
		{"an older encrypted key", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
			"the key is encrypted, and there is nobody"},
		{"Ed25519", "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n", "the key is not RSA"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			write(t, key, []byte(tt.text))
			refused(t, tt.want, "cga generate prefix 2001:db8:: key %s pds %s.4", key, pds)
			if _, err := os.Stat(pds + ".4"); err == nil {
				t.Error("there is a PDS")
			}
		})
	}
	write(t, key, read(t, "../../daemon/cga/testdata/keys/rsa1016.pem"))
	t.Setenv("GODEBUG", "rsa1024min=0")
	refused(t, "RSA key of 1016 bits, where 1024 is the least (RFC 5533 section 16)", "cga generate prefix 2001:db8:: key %s pds %s.4", key, pds)
	write(t, key, read(t, "../../daemon/cga/testdata/keys/rsa4096.pem"))
	refused(t, "RSA key of 4096 bits, where 3072 is the greatest", "cga generate prefix 2001:db8:: key %s pds %s.4", key, pds)
	refused(t, "no such file", "cga generate prefix 2001:db8:: key %s.not pds %s.4", key, pds)
}

// A file that exists is not changed, and a failed attempt leaves no file.
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
	// The key is written first; it is removed if there can be no PDS.
	refused(t, "no such file or directory", "cga generate prefix 2001:db8:: new-key %s/key key-bits 1024 pds %s/not/there", dir, dir)
	if string(read(t, there)) != "precious" {
		t.Error("it was overwritten")
	}
	if d := cmp.Diff([]string{"link", "there"}, names(t, dir)); d != "" {
		t.Error(d)
	}
}

// Of two that begin a file of one name, the second fails; with hard links and without.
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

// A file that cannot be written is found before a search that would take hours.
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
	// A file system that cannot rename a file without overwriting another one.
	link = func(string, string) error { return syscall.EPERM }
	defer func() { link = os.Link }()
	if _, err := create("/proc/self/pds", 0o600); err == nil {
		t.Error("there is a file in /proc")
	}
}

// Ctrl-C and the end of a login session end a search that would take hours. No key and no temporary
// file are left.
func TestGenerateInterrupted(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			// Until the tool listens to the signal, the signal must not end the test.
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

// A search that nohup runs goes on when the login session ends.
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

// openssl can read the key, and the PDS has its public half.
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
