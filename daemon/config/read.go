// SPDX-License-Identifier: BSD-3-Clause

package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/BurntSushi/toml"
)

// Read reads a configuration and the files that it names. Their names are relative to its
// folder.
func Read(name string) (*Config, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, &Error{File: name, Err: fmt.Errorf("can't be read: %w", err)}
	}
	f, err := parse(name, string(text))
	if err != nil {
		return nil, err
	}
	if err := f.load(filepath.Dir(name)); err != nil {
		return nil, err
	}
	return f.config, nil
}

// Parse reads a configuration from text; errors have the name. The files that the text names
// are not read.
func Parse(name, text string) (*Config, error) {
	f, err := parse(name, text)
	if err != nil {
		return nil, err
	}
	return f.config, nil
}

// file is a configuration that is being read.
type file struct {
	name, text string
	meta       toml.MetaData
	config     *Config
}

func parse(name, text string) (*file, error) {
	f := &file{name: name, text: text, config: Default()}
	var err error
	if f.meta, err = toml.Decode(text, f.config); err != nil {
		return nil, f.syntax(err)
	}
	if keys := f.meta.Undecoded(); len(keys) > 0 {
		return nil, f.unknown(keys[0])
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	return f, nil
}
