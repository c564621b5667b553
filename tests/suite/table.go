// SPDX-License-Identifier: GPL-2.0

package main

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// The kernels. Native ones are User Mode Linux, with virtual time, native speed and one
// processor. Emulated ones are Debian's own under QEMU, with two processors and with the module
// and packages as a user has them. They are ten to thirty times slower. Kernel smp is User
// Mode Linux with several processors at native speed, in real time, for races alone.
var (
	native   = []string{"latest", "6.1-uml", "debug"}
	emulated = []string{"6.12", "6.1"}
	single   = slices.Concat(native, emulated)
	kernels  = append(slices.Clone(single), "smp")
)

// plan says on which kernels a test runs. On the first one, its cases are divided among this
// many guests, each of which takes cost seconds where that is not known; 0 for a usual test.
type plan struct {
	kernels []string
	guests  int
	cost    float64
	module  string // folder of a module that its guests load, or ""
}

// plans has the tests that do not simply run on each native kernel in one guest.
var plans = map[string]plan{
	// These are about programs rather than about a kernel. The first asks the module for everything
	// that it has, so the debug kernel watches it.
	"ynl":            {kernels: []string{"latest", "debug"}},
	"tool":           {kernels: []string{"latest"}},
	"address":        {kernels: []string{"latest"}},
	"networkd":       {kernels: []string{"latest"}},
	"networkmanager": {kernels: []string{"latest"}},
	"explore":        {kernels: []string{"latest"}},
	"disk":           {kernels: []string{"latest"}},
	"roam":           {kernels: []string{"latest"}},
	"source":         {kernels: []string{"latest"}},
	"topology":       {kernels: []string{"latest"}},
	"web":            {kernels: []string{"latest"}, cost: 120},
	"many":           {kernels: []string{"latest"}, cost: 60},
	"examples":       {kernels: []string{"latest"}},
	"temporary":      {kernels: []string{"latest"}},
	"hosts":          {kernels: []string{"latest"}},
	"server":         {kernels: []string{"latest"}},
	"systemd":        {kernels: []string{"latest"}},
	"onelink":        {kernels: []string{"latest"}},
	"matrix":         {kernels: []string{"latest"}, guests: 4, cost: 300},
	// firewalld and ufw need modules that only Debian's own kernels have, as do bonds and VLANs.
	"firewall": {kernels: []string{"6.12"}},
	"masters":  {kernels: []string{"6.12"}},
	// The debug kernel sees the exchange, restarts, and rmmod under two shim6ds.
	"daemon": {kernels: []string{"latest", "debug"}},
	// These also need what only Debian's own kernels have: the module as it is compiled for
	// x86, and more than one processor.
	"module": {kernels: single},
	"switch": {kernels: []string{"latest", "6.12"}},
	"fair":   {kernels: []string{"latest", "6.12"}},
	"demo":   {kernels: []string{"latest", "6.12"}},
	"races":  {kernels: []string{"smp"}, module: "tests/bench/datapath"},
	// Faults that the checkers of debug and the interfaces of 6.1 could show here show in packets,
	// traffic, context and daemon too. On a machine where processes start slowly, the whole run would
	// take longer than it may.
	"filters": {kernels: []string{"latest"}},
	"packets": {kernels: []string{"latest", "debug"}},
	"traffic": {kernels: []string{"latest", "debug", "6.1"}},
	"mtu":     {kernels: []string{"latest", "6.1-uml"}},
	"nic":     {kernels: []string{"latest", "debug"}},
	"layout":  {kernels: []string{"latest", "debug"}},
	"cgroup":  {kernels: []string{"latest"}},
	"sockopt": {kernels: native, cost: 60},
	// The module does nothing in these that it does not do in context, switch and traffic.
	"failover":   {kernels: []string{"latest"}, guests: 4, cost: 150},
	"outages":    {kernels: []string{"latest"}},
	"routers":    {kernels: []string{"latest"}, guests: 2, cost: 100},
	"payload":    {kernels: []string{"latest"}},
	"udp_path":   {kernels: []string{"latest"}, guests: 2, cost: 150},
	"translated": {kernels: []string{"latest"}, cost: 60},
}

// leaky are the tests that use the module most. On the debug kernel, the runner looks for
// memory that they have lost. That makes them slower, so it is not done for all tests.
var leaky = []string{"config", "context", "traffic"}

// table returns all parts, with these tests of tests/selftests.
func table(tests []string) []*part {
	var parts []*part
	add := func(p *part) { parts = append(parts, p) }

	for _, k := range kernels {
		add(&part{name: "prepare-" + k, test: "prepare", kernel: k, cost: guess(k, 30, 240), tries: 3, prepares: true,
			command: []string{"tests/vm/run", "-k", k, "-j", fmt.Sprint(compilers()), "-prepare"}})
	}
	add(&part{name: "programs", test: "programs", cost: 10, rootless: true, prepares: true,
		command: []string{"make", "-s", "test-programs"}})

	add(&part{name: "lint", test: "lint", cost: 40, rootless: true, command: []string{"tests/check.sh", "lint"}})
	add(&part{name: "unit", test: "unit", cost: 150, rootless: true, command: []string{"tests/check.sh", "unit"}})
	add(&part{name: "sources", test: "sources", cost: 90, needs: []string{"prepare-debug", "prepare-latest", "prepare-6.12"},
		command: []string{"tests/check.sh", "sources"}, env: []string{"SHIM6_NO_SKIP=1"}})

	for _, test := range tests {
		pl, ok := plans[test]
		if !ok {
			pl.kernels = native
		}
		for i, k := range pl.kernels {
			shares := 1
			if i == 0 {
				shares = max(pl.guests, 1)
			}
			for share := range shares {
				p := selftest(test, k, share, shares)
				if i == 0 && pl.cost > 0 {
					p.cost = pl.cost
				}
				p.guest.leaks = k == "debug" && slices.Contains(leaky, test)
				p.guest.module = pl.module
				p.repeats = i > 0
				add(p)
			}
		}
	}
	// DKMS compiles twice for each. The scripts of the packages are the same on 6.12, and other tests
	// run its module.
	debKernels := []string{"latest", "6.1"}
	image := &part{name: "deb-image", test: "deb", cost: 120, needs: []string{"programs"},
		lateCommand: func(p *part) ([]string, error) {
			builds, err := buildFolders(debKernels)
			return []string{"tests/vm/overlay", "-o", artifacts(p.name), "-e", "SHIM6_NO_SKIP=1", "-e", "SHIM6_DEB_BUILDS=" + builds,
				"tests/selftests/run.sh", "deb_image.sh"}, err
		}}
	for _, k := range debKernels {
		image.needs = append(image.needs, "prepare-"+k)
	}
	add(image)
	deb := selftest("", "latest", 0, 1)
	deb.name, deb.test, deb.cost, deb.guest.script = "deb-latest", "deb", 40, "deb.sh"
	deb.needs = append(deb.needs, image.name)
	deb.guest.env = append(deb.guest.env, "SHIM6_DEB_IMAGE="+artifacts(image.name))
	add(deb)

	add(&part{name: "runner-input", test: "runner", cost: 20, needs: []string{"prepare-6.12"},
		command: []string{"tests/vm/selftest.sh", "input"}})
	for _, k := range []string{"latest", "debug", "6.12", "smp"} {
		add(&part{name: "runner-" + k, test: "runner", kernel: k, cost: guess(k, 120, 20), needs: []string{"prepare-" + k},
			command: []string{"tests/vm/selftest.sh", k}})
	}

	// It counts the instructions and references to memory of a packet, which do not depend on the load
	// of this machine.
	add(&part{name: "datapath", test: "datapath", cost: 100, needs: []string{"programs", "prepare-6.12"},
		command: []string{"tests/vm/run", "-built", "-k", "6.12", "-t", "counted", "-T", "1500", "-m", "tests/bench/datapath",
			"-o", artifacts("datapath"), "--", "tests/bench/datapath/run.sh"}})
	// These measure time: the engine's figures, and how long a newcomer waits.
	add(&part{name: "engine", test: "engine", cost: 60, whole: true, rootless: true,
		command: []string{"go", "test", "-v", "-count=1", "-timeout", "20m", "-run", "^TestWanted$", "./daemon/internal/enginebench"}})
	// Another part runs beside, on the other of two processors, which a newcomer does not have.
	add(&part{name: "bare", test: "bare", cost: 300, needs: []string{"prepare-6.12"},
		command: []string{"tests/bare.sh", "500", "100"}, env: []string{"SHIM6_NO_SKIP=1"}})
	return parts
}

// guess is the cost, in seconds, of a part that has not run yet.
func guess(kernel string, emulatedCost, nativeCost float64) float64 {
	switch {
	case slices.Contains(emulated, kernel):
		return emulatedCost
	case kernel == "debug":
		return 2 * nativeCost
	}
	return nativeCost
}

// selftest returns the part for one share of the cases of a test, on a kernel.
func selftest(test, kernel string, share, shares int) *part {
	p := &part{
		name: test + "@" + kernel, test: test, kernel: kernel, cost: guess(kernel, 100, 12),
		needs: []string{"programs", "prepare-" + kernel},
		guest: &guest{script: "test_" + test + ".sh", limit: 3000, share: share, shares: shares},
	}
	if shares > 1 {
		p.name += fmt.Sprintf("-%dof%d", share+1, shares)
	}
	return p
}

// buildFolders returns the folders against which modules are built, of kernels in the cache.
func buildFolders(kernels []string) (string, error) {
	var builds []string
	for _, k := range kernels {
		b, err := exec.Command("tests/vm/run", "-k", k, "-path", "build").Output()
		if err != nil {
			return "", fmt.Errorf("kernel %s: %w", k, err)
		}
		builds = append(builds, strings.TrimSpace(string(b)))
	}
	return strings.Join(builds, " "), nil
}
