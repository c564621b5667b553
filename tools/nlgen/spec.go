// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"
)

// spec is what nlgen reads of a YNL specification. The kernel's generator
// checks it against the full schema; this checks what the Go part relies on.
type spec struct {
	Name          string
	Definitions   []definition
	AttributeSets []attributeSet `yaml:"attribute-sets"`
	Operations    struct{ List []operation }
	McastGroups   struct{ List []struct{ Name string } } `yaml:"mcast-groups"`
}

type definition struct {
	Type  string
	Name  string
	Doc   string
	Value int64
	// Of an enum: the first entry's value, and the entries, each a name or
	// a name with a description.
	ValueStart int64 `yaml:"value-start"`
	Entries    []entry
}

type entry struct{ Name, Doc string }

// UnmarshalYAML takes both forms of an entry.
func (e *entry) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		return n.Decode(&e.Name)
	}
	type plain entry
	return n.Decode((*plain)(e))
}

type attributeSet struct {
	Name       string
	Attributes []attribute
}

type attribute struct {
	Name string
	Type string
	Doc  string
}

type operation struct {
	Name         string
	Doc          string
	AttributeSet string `yaml:"attribute-set"`
	Notify       string
	Do, Dump     struct{ Request, Reply struct{ Attributes []string } }
	Event        struct{ Attributes []string }
}

var nameRE = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// attributeTypes are the types that the schema of a new family allows.
var attributeTypes = map[string]bool{
	"unused": true, "pad": true, "flag": true, "binary": true, "uint": true,
	"sint": true, "u8": true, "u16": true, "u32": true, "u64": true, "s32": true,
	"s64": true, "string": true, "nest": true, "indexed-array": true,
}

// parseSpec reads a specification. Errors name what is wrong and where.
func parseSpec(text []byte) (*spec, error) {
	s := &spec{}
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(s); err != nil {
		return nil, fmt.Errorf("not YAML of the right shape: %w", err)
	}
	seen := map[string]bool{}
	check := func(kind, name string) error {
		if !nameRE.MatchString(name) {
			return fmt.Errorf("%s %q: a name is made of a-z, 0-9 and -", kind, name)
		}
		if seen[kind+" "+name] {
			return fmt.Errorf("%s %q is there twice", kind, name)
		}
		seen[kind+" "+name] = true
		return nil
	}
	if err := check("family", s.Name); err != nil {
		return nil, err
	}
	for _, d := range s.Definitions {
		if err := check("definition", d.Name); err != nil {
			return nil, err
		}
		switch d.Type {
		case "const":
		case "enum":
			if len(d.Entries) == 0 {
				return nil, fmt.Errorf("enum %q has no entries", d.Name)
			}
			for _, e := range d.Entries {
				if err := check("entry of "+d.Name, e.Name); err != nil {
					return nil, err
				}
			}
		default:
			return nil, fmt.Errorf("definition %q is a %q: nlgen knows const and enum", d.Name, d.Type)
		}
	}
	sets := map[string]map[string]bool{}
	for _, set := range s.AttributeSets {
		if err := check("attribute set", set.Name); err != nil {
			return nil, err
		}
		sets[set.Name] = map[string]bool{}
		for _, a := range set.Attributes {
			if err := check("attribute of "+set.Name, a.Name); err != nil {
				return nil, err
			}
			if !attributeTypes[a.Type] {
				return nil, fmt.Errorf("attribute %q of set %q has the unknown type %q", a.Name, set.Name, a.Type)
			}
			sets[set.Name][a.Name] = true
		}
	}
	ops := map[string]bool{}
	for _, op := range s.Operations.List {
		ops[op.Name] = true
	}
	for _, op := range s.Operations.List {
		if err := check("operation", op.Name); err != nil {
			return nil, err
		}
		if op.Notify != "" {
			if !ops[op.Notify] {
				return nil, fmt.Errorf("operation %q notifies %q, which is no operation", op.Name, op.Notify)
			}
			continue
		}
		set, ok := sets[op.AttributeSet]
		if !ok {
			return nil, fmt.Errorf("operation %q names the unknown attribute set %q", op.Name, op.AttributeSet)
		}
		for _, a := range slices.Concat(op.Do.Request.Attributes, op.Do.Reply.Attributes,
			op.Dump.Request.Attributes, op.Dump.Reply.Attributes, op.Event.Attributes) {
			if !set[a] {
				return nil, fmt.Errorf("operation %q names the attribute %q, which set %q lacks", op.Name, a, op.AttributeSet)
			}
		}
	}
	for _, g := range s.McastGroups.List {
		if err := check("multicast group", g.Name); err != nil {
			return nil, err
		}
	}
	return s, nil
}
