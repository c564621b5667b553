// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// reasons has the reasons why requirements have no test: in each line ids, a tab and a sentence.
//
//go:embed reasons.tsv
var reasons string

// parseReasons returns the reasons by id. The error names everything that is wrong: an id that
// no row has, whose level is not counted, that has a reason already, or that a test names by now;
// a reason that is no sentence, or that refers to an id without a test.
func parseReasons(text string, rows []requirement, found map[string][]string) (map[string]string, error) {
	levels := map[string]string{}
	for _, r := range rows {
		levels[r.id] = r.level
	}
	why := map[string]string{}
	var errs []error
	for i, l := range strings.Split(text, "\n") {
		if l == "" || l[0] == '#' {
			continue
		}
		fail := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("reasons.tsv, line %d: %s", i+1, fmt.Sprintf(format, args...)))
		}
		ids, reason, ok := strings.Cut(l, "\t")
		if !ok || strings.Contains(reason, "\t") || strings.TrimSpace(reason) != reason || !strings.HasSuffix(reason, ".") {
			fail("not ids, a tab and a sentence")
			continue
		}
		for _, other := range idPattern.FindAllString(reason, -1) {
			if len(found[other]) == 0 {
				fail("the reason refers to %s, which no test names", other)
			}
		}
		for id := range strings.SplitSeq(ids, " ") {
			level, known := levels[id]
			switch {
			case !known:
				fail("no requirement has the id %s", id)
			case !slices.Contains(counted, level):
				fail("%s needs no reason, for its level is %s", id, level)
			case why[id] != "":
				fail("%s has a reason already", id)
			case len(found[id]) > 0:
				fail("%s has a test, in %s", id, strings.Join(found[id], ", "))
			default:
				why[id] = reason
			}
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return why, nil
}
