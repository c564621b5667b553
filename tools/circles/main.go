// SPDX-License-Identifier: BSD-3-Clause

// Command circles finds circles in a folder with C code: C files that call each other and headers
// that include each other, directly or by way of others. A C file depends on another one if it names
// a function that the other one defines and that is not static. Variables do not count: the
// generated table of the netlink family names the functions of the files that use the family.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	folder := flag.String("folder", "kernel", "the `folder` with the C files")
	verbose := flag.Bool("v", false, "print the files in layers: each uses only files in layers before its own")
	flag.Parse()
	if err := run(os.Stdout, *folder, *verbose); err != nil {
		fmt.Fprintf(os.Stderr, "circles: %v\n", err)
		os.Exit(1)
	}
}

func run(w io.Writer, folder string, verbose bool) error {
	code, err := read(folder, "*.c")
	if err != nil {
		return err
	}
	headers, err := read(folder, "*.h")
	if err != nil {
		return err
	}
	return errors.Join(check(w, calls(code), folder, verbose), check(w, includes(headers), folder, verbose))
}

// read returns the files of a folder by name.
func read(folder, pattern string) (map[string]string, error) {
	paths, err := filepath.Glob(filepath.Join(folder, pattern))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("there is no %s in %s", pattern, folder)
	}
	texts := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		texts[filepath.Base(path)] = string(text)
	}
	return texts, nil
}

// check prints the layers of a graph, if verbose, and returns its circles as an error.
func check(w io.Writer, g graph, folder string, verbose bool) error {
	layers, rest := g.layers()
	if verbose {
		for i, l := range layers {
			fmt.Fprintf(w, "%d: %s\n", i, strings.Join(l, " "))
		}
	}
	if len(rest) == 0 {
		return nil
	}
	var b strings.Builder
	for _, circle := range g.circles(rest) {
		fmt.Fprintf(&b, "%d files of %s form a circle: %s\n", len(circle), folder, strings.Join(circle, " "))
		for _, from := range circle {
			for _, to := range circle {
				if names := g[from][to]; len(names) > 0 {
					fmt.Fprintf(&b, "\t%s uses %s: %s\n", from, to, strings.Join(names, " "))
				}
			}
		}
	}
	return errors.New(strings.TrimSuffix(b.String(), "\n"))
}

// graph has, for each file and each file that it uses, the functions that it uses of it.
type graph map[string]map[string][]string

var (
	noise = regexp.MustCompile(`(?s)/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"`)
	// A definition is a declarator that begins in the first column, and a brace in the first column
	// of the line after it.
	definition = regexp.MustCompile(`(?m)^([A-Za-z_][\w\s*]*?)(\w+)\(([^;{}]*)\)\n\{`)
	word       = regexp.MustCompile(`\w+`)
	include    = regexp.MustCompile(`(?m)^\s*#\s*include\s+"([^"]+)"`)
)

// includes makes the graph of headers by name and text.
func includes(texts map[string]string) graph {
	g := graph{}
	for file, text := range texts {
		g[file] = map[string][]string{}
		for _, m := range include.FindAllStringSubmatch(text, -1) {
			if _, ours := texts[m[1]]; ours {
				g[file][m[1]] = []string{"its declarations"}
			}
		}
	}
	return g
}

// calls makes the graph of C files by name and text.
func calls(texts map[string]string) graph {
	definedIn := map[string]string{}
	clean := map[string]string{}
	for file, text := range texts {
		text = noise.ReplaceAllString(text, " ")
		clean[file] = text
		for _, m := range definition.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(strings.Fields(m[1]), "static") {
				definedIn[m[2]] = file
			}
		}
	}
	g := graph{}
	for file, text := range clean {
		g[file] = map[string][]string{}
		words := word.FindAllString(text, -1)
		slices.Sort(words)
		for _, name := range slices.Compact(words) {
			if to := definedIn[name]; to != "" && to != file {
				g[file][to] = append(g[file][to], name)
			}
		}
	}
	return g
}

// layers sorts the files so that each uses only files in layers before its own. Files that
// cannot be sorted so, because of circles, are the rest.
func (g graph) layers() (layers [][]string, rest []string) {
	done := map[string]bool{}
	for len(done) < len(g) {
		var layer []string
		for file, uses := range g {
			ready := !done[file]
			for to := range uses {
				ready = ready && done[to]
			}
			if ready {
				layer = append(layer, file)
			}
		}
		if len(layer) == 0 {
			break
		}
		slices.Sort(layer)
		for _, file := range layer {
			done[file] = true
		}
		layers = append(layers, layer)
	}
	for file := range g {
		if !done[file] {
			rest = append(rest, file)
		}
	}
	slices.Sort(rest)
	return layers, rest
}

// circles returns those groups of the given files in which each reaches every other one.
func (g graph) circles(files []string) (circles [][]string) {
	reach := map[string]map[string]bool{}
	for _, file := range files {
		reach[file] = map[string]bool{}
		for todo := []string{file}; len(todo) > 0; {
			at := todo[0]
			todo = todo[1:]
			for to := range g[at] {
				if !reach[file][to] {
					reach[file][to] = true
					todo = append(todo, to)
				}
			}
		}
	}
	seen := map[string]bool{}
	for _, file := range files {
		if seen[file] || !reach[file][file] {
			continue
		}
		var circle []string
		for _, other := range files {
			if reach[file][other] && reach[other][file] {
				circle = append(circle, other)
				seen[other] = true
			}
		}
		circles = append(circles, circle)
	}
	return circles
}
