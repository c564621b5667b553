// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"
)

// spec is the part of a YNL specification that nlgen reads. The kernel's generator checks the
// specification against the full schema; parseSpec checks what the Go file relies on.
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
	// ValueStart is the value of an enum's first entry.
	ValueStart int64 `yaml:"value-start"`
	Entries    []entry
}

// entry is a value of an enum: a name, or a name with a description.
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
	c := checker{names: map[string]bool{}, sets: map[string]map[string]bool{}}
	if err := c.name("family", s.Name); err != nil {
		return nil, err
	}
	for _, d := range s.Definitions {
		if err := c.definition(d); err != nil {
			return nil, err
		}
	}
	for _, set := range s.AttributeSets {
		if err := c.attributeSet(set); err != nil {
			return nil, err
		}
	}
	for _, op := range s.Operations.List {
		if err := c.operation(op, s.Operations.List); err != nil {
			return nil, err
		}
	}
	for _, g := range s.McastGroups.List {
		if err := c.name("multicast group", g.Name); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// checker has what was seen of a specification so far.
type checker struct {
	names map[string]bool            // kinds with names, as in "operation config-get"
	sets  map[string]map[string]bool // the attributes of each set
}

// name checks that a name is one, and the first of its kind.
func (c *checker) name(kind, name string) error {
	if !nameRE.MatchString(name) {
		return fmt.Errorf("%s %q: a name is made of a-z, 0-9 and -", kind, name)
	}
	if c.names[kind+" "+name] {
		return fmt.Errorf("%s %q is there twice", kind, name)
	}
	c.names[kind+" "+name] = true
	return nil
}

func (c *checker) definition(d definition) error {
	if err := c.name("definition", d.Name); err != nil {
		return err
	}
	switch d.Type {
	case "const":
		return nil
	case "enum":
	default:
		return fmt.Errorf("definition %q is a %q: nlgen knows const and enum", d.Name, d.Type)
	}
	if len(d.Entries) == 0 {
		return fmt.Errorf("enum %q has no entries", d.Name)
	}
	for _, e := range d.Entries {
		if err := c.name("entry of "+d.Name, e.Name); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) attributeSet(set attributeSet) error {
	if err := c.name("attribute set", set.Name); err != nil {
		return err
	}
	c.sets[set.Name] = map[string]bool{}
	for _, a := range set.Attributes {
		if err := c.name("attribute of "+set.Name, a.Name); err != nil {
			return err
		}
		if !attributeTypes[a.Type] {
			return fmt.Errorf("attribute %q of set %q has the unknown type %q", a.Name, set.Name, a.Type)
		}
		c.sets[set.Name][a.Name] = true
	}
	return nil
}

// operation checks an operation, which is one of all.
func (c *checker) operation(op operation, all []operation) error {
	if err := c.name("operation", op.Name); err != nil {
		return err
	}
	if op.Notify != "" {
		if !slices.ContainsFunc(all, func(o operation) bool { return o.Name == op.Notify }) {
			return fmt.Errorf("operation %q notifies %q, which is no operation", op.Name, op.Notify)
		}
		return nil
	}
	set, ok := c.sets[op.AttributeSet]
	if !ok {
		return fmt.Errorf("operation %q names the unknown attribute set %q", op.Name, op.AttributeSet)
	}
	for _, a := range slices.Concat(op.Do.Request.Attributes, op.Do.Reply.Attributes,
		op.Dump.Request.Attributes, op.Dump.Reply.Attributes, op.Event.Attributes) {
		if !set[a] {
			return fmt.Errorf("operation %q names the attribute %q, which set %q lacks", op.Name, a, op.AttributeSet)
		}
	}
	return nil
}
