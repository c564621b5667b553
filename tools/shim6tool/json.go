// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// field is one value of an object that is shown, under its name in netlink/shim6.yaml.
type field struct {
	name  string
	value any
}

// object is shown with its fields in this order.
type object []field

// MarshalJSON writes the fields in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for i, f := range o {
		b.WriteByte("{,"[min(i, 1)])
		value, err := json.Marshal(f.value)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%q:%s", f.name, value)
	}
	if len(o) == 0 {
		b.WriteByte('{')
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// UnmarshalJSON reads an object and keeps the text of its values.
func (o *object) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if _, err := d.Token(); err != nil {
		return err
	}
	*o = nil
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		*o = append(*o, field{fmt.Sprint(name), value})
	}
	return nil
}

// objectOf makes an object of a value of another package, with the names that it has in JSON.
func objectOf(v any) (o object, err error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal(b, &o)
	return o, err
}

// printJSON prints an array, as ip -j does.
func (t *tool) printJSON(list any) error {
	if l, ok := list.([]object); ok && l == nil {
		list = []object{}
	}
	return t.encode(list)
}

func (t *tool) encode(v any) error {
	enc := json.NewEncoder(t.out)
	if t.pretty {
		enc.SetIndent("", "    ")
	}
	return enc.Encode(v)
}
