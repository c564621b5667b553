// SPDX-License-Identifier: BSD-3-Clause

package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// Error says what is wrong with a configuration, and where.
type Error struct {
	// File is its name. Line counts from 1; it is 0 if the file itself is wrong.
	File string
	Line int
	// Key is the full name of the key, "" if the error is about no key.
	Key string
	Err error
}

func (e *Error) Error() string {
	s := e.File
	if e.Line > 0 {
		s += fmt.Sprintf(":%d", e.Line)
	}
	if e.Key != "" {
		s += ": " + e.Key
	}
	return s + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// typeMismatch is the text of the decoder's error about a wrong type, which has no Go type.
var typeMismatch = regexp.MustCompile(`^toml: line (\d+) \(last key "(.*)"\): `)

// syntax makes an Error of the decoder's error.
func (f *file) syntax(err error) error {
	var pe toml.ParseError
	if errors.As(err, &pe) {
		e := &Error{File: f.name, Line: pe.Position.Line, Key: pe.LastKey, Err: errors.New(pe.Message)}
		if w := wanted(pe.LastKey); w != "" {
			e.Err = fmt.Errorf("%s: wanted is %s", pe.Message, w)
		}
		return e
	}
	if m := typeMismatch.FindStringSubmatch(err.Error()); m != nil {
		if line, aerr := strconv.Atoi(m[1]); aerr == nil && wanted(m[2]) != "" {
			return &Error{File: f.name, Line: line, Key: m[2], Err: fmt.Errorf("it is of the wrong type: wanted is %s", wanted(m[2]))}
		}
	}
	return &Error{File: f.name, Err: err}
}

// wanted describes the values of a key, "" if there is no such key.
func wanted(key string) string {
	t := reflect.TypeFor[Config]()
	for name := range strings.SplitSeq(key, ".") {
		if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct {
			t = t.Elem()
		}
		field, ok := fieldOf(t, name)
		if !ok {
			return ""
		}
		if t = field.Type; t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
	}
	switch t {
	case reflect.TypeFor[Duration]():
		return `a time such as "15s"`
	case reflect.TypeFor[slog.Level]():
		return `one of "debug", "info", "warn", "error"`
	case reflect.TypeFor[[]netip.Prefix]():
		return `a list such as ["2001:db8::/32"]`
	}
	last := key[strings.LastIndex(key, ".")+1:]
	switch t.Kind() {
	case reflect.Struct:
		return "a table, [" + last + "]"
	case reflect.Slice:
		return "a list of tables, each begun by [[" + last + "]]"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text in quotes"
	case reflect.Uint8:
		return "a number from 0 to 255"
	case reflect.Uint16:
		return "a number from 1 to 65535"
	}
	return "a number"
}

func fieldOf(t reflect.Type, key string) (reflect.StructField, bool) {
	if t.Kind() != reflect.Struct {
		return reflect.StructField{}, false
	}
	for field := range t.Fields() {
		if tag := field.Tag.Get("toml"); tag == key && tag != "-" {
			return field, true
		}
	}
	return reflect.StructField{}, false
}

// wrong says what is wrong with the value of a key.
func (f *file) wrong(key, format string, args ...any) error {
	k := toml.Key(strings.Split(key, "."))
	line := 0
	// If the key isn't there, the line is that of its table.
	for ; line == 0 && len(k) > 0; k = k[:len(k)-1] {
		line = f.line(k)
	}
	return &Error{File: f.name, Line: line, Key: key, Err: fmt.Errorf(format, args...)}
}

// unknown says that there is no such key, and which keys there are.
func (f *file) unknown(key toml.Key) error {
	t, i := reflect.TypeFor[Config](), 0
	for ; i < len(key)-1; i++ {
		field, ok := fieldOf(t, key[i])
		if !ok {
			break
		}
		if t = field.Type; t.Kind() == reflect.Slice {
			t = t.Elem()
		}
	}
	where := "outside of all tables"
	if i > 0 {
		where = "in [" + key[:i].String() + "]"
	}
	var known []string
	for field := range t.Fields() {
		if tag := field.Tag.Get("toml"); tag != "-" {
			known = append(known, tag)
		}
	}
	return &Error{File: f.name, Line: f.line(key[:i+1]), Key: key[:i+1].String(),
		Err: fmt.Errorf("there is no such key: %s there is %s", where, strings.Join(known, ", "))}
}

// line is the line of a key, 0 if it isn't there.
func (f *file) line(key toml.Key) int {
	var root table
	meta, err := toml.Decode(f.text, &root)
	if err != nil {
		return 0
	}
	return root.line(&meta, key)
}

// table is a table whose values are not decoded yet.
type table map[string]toml.Primitive

// line is the line of a key below t, in the first table of a list that has it; 0 if it
// isn't there. The decoder knows lines, but tells them only in errors: so the value is
// decoded into a marker.
func (t table) line(meta *toml.MetaData, key toml.Key) int {
	value, ok := t[key[0]]
	if !ok {
		return 0
	}
	if len(key) == 1 {
		var at toml.ParseError
		errors.As(meta.PrimitiveDecode(value, &marker{}), &at)
		return at.Position.Line
	}
	var list []table
	if meta.PrimitiveDecode(value, &list) != nil {
		list = []table{{}}
		if meta.PrimitiveDecode(value, &list[0]) != nil {
			return 0
		}
	}
	for _, below := range list {
		if line := below.line(meta, key[1:]); line != 0 {
			return line
		}
	}
	return 0
}

// marker can't be decoded.
type marker struct{}

func (*marker) UnmarshalTOML(any) error { return errors.New("here") }
