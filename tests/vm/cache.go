// SPDX-License-Identifier: GPL-2.0

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"syscall"
	"time"

	"shim6/tests/lab"
)

// kernelKind is one of the kernels that -k names.
type kernelKind struct {
	uml     bool
	meta    string   // stock: the package that depends on the newest image
	source  string   // uml: the source package; "" for the newest of unstable
	configs []string // uml: fragments, below the repository
	smp     bool     // uml: it has more than one processor, and real time only
	space   uint64   // MiB needed to fetch and build it
}

var kernels = map[string]kernelKind{
	"6.1":  {meta: "linux-image-amd64", space: 1200},
	"6.12": {meta: "linux-image-6.12-amd64", space: 1500},
	"6.1-uml": {uml: true, source: "linux-source-6.1", space: 4000,
		configs: append(slices.Clone(umlConfigs), "tests/vm/config/6.1.config")},
	"latest": {uml: true, space: 4000, configs: umlConfigs},
	"debug": {uml: true, source: "linux-source-6.12", space: 5000,
		configs: append(slices.Clone(umlConfigs), "tests/vm/config/debug.config")},
	"smp": {uml: true, smp: true, space: 3000, configs: []string{"tests/vm/config/smp.config"}},
}

var umlConfigs = []string{"tests/vm/config/uml.config", "tests/selftests/config"}

func kernelNames() []string {
	var l []string
	for n := range kernels {
		l = append(l, n)
	}
	sort.Strings(l)
	return l
}

// virtualNames are the kernels that have virtual time.
func virtualNames() []string {
	return slices.DeleteFunc(kernelNames(), func(n string) bool { return !kernels[n].uml || kernels[n].smp })
}

// kernel is a kernel that is ready to boot. It is kept as kernel.json in its folder, whose name
// consists of the kernel's name, its version and the key of its configuration. Folders of other
// configurations stay for a while, since branches differ in theirs.
type kernel struct {
	Name    string
	Version string // of the Debian package
	Release string // uname -r
	UML     bool
	Image   string // the kernel that boots
	Initrd  string // QEMU only
	Build   string // the folder against which modules are built
	Source  string // the source tree; for QEMU kernels the headers
	Modules string // the folder that has lib/modules/Release
	Key     string // the configuration it was made from
}

// maxAge is how old a kernel may get before the archive is asked for a newer.
const maxAge = 14 * 24 * time.Hour

// cache is the folder that outlives a run.
type cache struct{ dir string }

func openCache() (*cache, error) {
	dir, err := lab.CacheDir()
	if err != nil {
		return nil, err
	}
	for _, d := range []string{"kernels", "modules", "runs", "locks", "logs", "src"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, fmt.Errorf("the cache %s can't be written: %w; set SHIM6_CACHE to another folder", dir, err)
		}
	}
	return &cache{dir}, nil
}

func (c *cache) path(elem ...string) string {
	return filepath.Join(append([]string{c.dir}, elem...)...)
}

// lock keeps other runners away from a part of the cache until unlock.
func (c *cache) lock(name string, p *progress) (unlock func(), err error) {
	f, err := os.OpenFile(c.path("locks", name), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		p.say("waiting for another run that prepares %s ...", name)
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			f.Close()
			return nil, err
		}
	}
	return func() { f.Close() }, nil
}

// room returns an error if the cache's disk has less than need MiB free.
func (c *cache) room(need uint64) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(c.dir, &st); err != nil {
		return err
	}
	free := st.Bavail * uint64(st.Bsize) >> 20
	if free < need {
		return fmt.Errorf("the disk of the cache %s is too full: %d MiB free, %d MiB needed; free some, or set SHIM6_CACHE to another folder", c.dir, free, need)
	}
	return nil
}

// prepare returns the kernel that o names, fetched and built if it is not in
// the cache or too old. A kernel that can't be renewed is used as it is.
func (c *cache) prepare(o *options, p *progress) (*kernel, error) {
	unlock, err := c.lock(o.kernel, p)
	if err != nil {
		return nil, err
	}
	defer unlock()

	kind := kernels[o.kernel]
	key, err := kind.key(o.repo)
	if err != nil {
		return nil, err
	}
	old, age := c.load(o.kernel, key)
	if old != nil && age < maxAge && !o.update {
		return old, c.install(p, o.prepare)
	}
	if err := c.room(kind.space); err != nil {
		return nil, err
	}
	if err := c.install(p, o.prepare); err != nil {
		return nil, err
	}
	var k *kernel
	if kind.uml {
		k, err = c.makeUML(o, kind, key, old, p)
	} else {
		k, err = c.fetchStock(o.kernel, kind, key, old, p)
	}
	switch {
	case err != nil && old != nil && errors.Is(err, errNetwork):
		p.say("%v; using %s of %s ago", err, old.Version, age.Round(time.Hour))
		return old, nil
	case err != nil:
		// A full disk shows itself by many errors: say it in one way.
		if full := c.room(64); full != nil {
			return nil, fmt.Errorf("%w\n%w", err, full)
		}
		return nil, err
	}
	return k, c.store(k)
}

// install is installMissing by one runner at a time: apt has one lock.
func (c *cache) install(p *progress, tests bool) error {
	unlock, err := c.lock("apt", p)
	if err != nil {
		return err
	}
	defer unlock()
	return installMissing(p, tests)
}

// load returns the newest kernel of a name and a configuration, and how long ago the
// archive was asked for it.
func (c *cache) load(name, key string) (*kernel, time.Duration) {
	var newest *kernel
	var age time.Duration
	files, _ := filepath.Glob(filepath.Join(c.kernelDir(name, "*", key), "kernel.json"))
	for _, file := range files {
		st, err := os.Stat(file)
		if err != nil {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		k := &kernel{}
		if json.Unmarshal(b, k) != nil {
			continue
		}
		if _, err := os.Stat(k.Image); err != nil {
			continue
		}
		if since := time.Since(st.ModTime()); newest == nil || since < age {
			newest, age = k, since
		}
	}
	if newest != nil {
		c.touch(newest)
	}
	return newest, age
}

// kernelDir is the folder of a kernel.
func (c *cache) kernelDir(name, version, key string) string {
	return c.path("kernels", name+"_"+version+"_"+key)
}

// touch keeps a kernel from being dropped for lack of use.
func (c *cache) touch(k *kernel) {
	os.WriteFile(filepath.Join(c.kernelDir(k.Name, k.Version, k.Key), "used"), nil, 0o644)
}

// keepKernels is how many kernels of a name the cache keeps, by their last use: a
// branch with another configuration must not cost a build at each change of branches.
const keepKernels = 3

// store makes a kernel one that load finds, and drops those that were not used for long.
func (c *cache) store(k *kernel) error {
	b, err := json.MarshalIndent(k, "", "\t")
	if err != nil {
		return err
	}
	file := filepath.Join(c.kernelDir(k.Name, k.Version, k.Key), "kernel.json")
	if err := os.WriteFile(file+".new", b, 0o644); err != nil {
		return err
	}
	if err := os.Rename(file+".new", file); err != nil {
		return err
	}
	c.touch(k)
	all, _ := filepath.Glob(c.kernelDir(k.Name, "*", "*"))
	slices.SortFunc(all, func(a, b string) int { return lastUse(b).Compare(lastUse(a)) })
	for _, d := range all[min(len(all), keepKernels):] {
		os.RemoveAll(d)
	}
	return nil
}

// lastUse is when a kernel's folder was last used, or made, if it is not complete.
func lastUse(dir string) time.Time {
	for _, f := range []string{"used", "."} {
		if st, err := os.Stat(filepath.Join(dir, f)); err == nil {
			return st.ModTime()
		}
	}
	return time.Time{}
}

// key is a digest of all that a kernel is made from, apart from its version.
func (kind kernelKind) key(repo string) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, recipe)
	for _, f := range kind.configs {
		b, err := os.ReadFile(filepath.Join(repo, f))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s\n%s\n", f, b)
	}
	return hex.EncodeToString(h.Sum(nil))[:12], nil
}

// recipe changes whenever the way a kernel is made changes, so that caches
// made the old way are not used.
const recipe = "1"

// hashFiles feeds the names and contents of all files below dir to h.
func hashFiles(h io.Writer, dir string, skip ...string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if slices.Contains(skip, rel) {
			return filepath.SkipDir
		}
		if !d.Type().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%s %d\n", rel, len(b))
		_, err = h.Write(b)
		return err
	})
}

// lastRun returns the newest artifacts folder of a kernel, or "".
func (c *cache) lastRun(kernel string) string {
	l, _ := filepath.Glob(c.path("runs", "*-"+kernel+"-*"))
	if len(l) == 0 {
		return ""
	}
	sort.Strings(l)
	return l[len(l)-1]
}
