// SPDX-License-Identifier: GPL-2.0

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// choose returns the parts that the options ask for, and those that they need.
func choose(all []*part, o options) ([]*part, error) {
	// A title may have commas; names have none.
	names, title, _ := strings.Cut(o.only, ":")
	title = strings.TrimSpace(title)
	if o.kernel != "" && o.kernel != "all" && !slices.Contains(kernels, o.kernel) {
		return nil, fmt.Errorf("there is no kernel for K=%s; there are %s", o.kernel, strings.Join(kernels, " "))
	}
	var wanted []*part
	for name := range strings.SplitSeq(names, ",") {
		name = strings.TrimPrefix(strings.TrimSuffix(strings.TrimSpace(name), ".sh"), "test_")
		parts, err := named(all, name, o.kernel)
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, parts...)
	}
	if title != "" {
		// The share that has the case is known only when it runs: one guest takes all shares.
		wanted = slices.DeleteFunc(wanted, func(p *part) bool { return p.guest != nil && p.guest.share > 0 })
		for _, p := range wanted {
			if p.guest == nil {
				return nil, fmt.Errorf("only tests in guests have cases that run alone; ONLY=%s is none", o.only)
			}
			p.name, _, _ = strings.Cut(p.name, "-1of")
			p.guest.shares, p.guest.title = 1, title
		}
	}
	return closed(all, repeated(wanted, o.repeat)), nil
}

// named returns the parts with a name, or of a test, on a kernel.
func named(all []*part, test, kernel string) ([]*part, error) {
	on := func(p *part) bool { return kernel == "" || kernel == "all" || p.kernel == kernel }
	if test == "" {
		return slices.DeleteFunc(slices.Clone(all), func(p *part) bool { return !on(p) }), nil
	}
	for _, p := range all {
		if p.name == test {
			return []*part{p}, nil
		}
	}
	of := slices.DeleteFunc(slices.Clone(all), func(p *part) bool { return p.test != test })
	if len(of) == 0 {
		names := map[string]bool{}
		for _, p := range all {
			names[p.test] = true
		}
		return nil, fmt.Errorf("there is no test for ONLY=%s; there are %s", test, strings.Join(slices.Sorted(maps.Keys(names)), " "))
	}
	if kernel == "" {
		// One of its kernels is enough.
		kernel = of[0].kernel
		if slices.ContainsFunc(of, func(p *part) bool { return p.kernel == "latest" }) {
			kernel = "latest"
		}
		if kernel == "" {
			return of, nil
		}
	}
	wanted := slices.DeleteFunc(slices.Clone(of), func(p *part) bool { return !on(p) })
	if len(wanted) == 0 {
		var names []string
		for _, p := range of {
			names = append(names, p.kernel)
		}
		return nil, fmt.Errorf("test %s does not run on K=%s, but on %s", test, kernel, strings.Join(slices.Compact(names), " "))
	}
	return wanted, nil
}

// repeated returns each part n times, under different names. Parts that prepare are not
// repeated.
func repeated(parts []*part, n int) []*part {
	if n == 1 {
		return parts
	}
	var l []*part
	for _, p := range parts {
		if p.prepares {
			l = append(l, p)
			continue
		}
		for i := range n {
			again := *p
			again.name = fmt.Sprintf("%s-run%d", p.name, i+1)
			l = append(l, &again)
		}
	}
	return l
}

// closed returns parts and, before each, the parts of all that it needs; each once.
func closed(all, parts []*part) []*part {
	have := map[string]bool{}
	var l []*part
	var add func(p *part)
	add = func(p *part) {
		if have[p.name] {
			return
		}
		have[p.name] = true
		for _, need := range p.needs {
			if i := slices.IndexFunc(all, func(q *part) bool { return q.name == need }); i >= 0 {
				add(all[i])
			}
		}
		l = append(l, p)
	}
	for _, p := range parts {
		add(p)
	}
	return l
}
