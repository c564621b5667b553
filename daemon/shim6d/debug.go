// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"shim6/daemon/config"
	"shim6/daemon/internal/debugport"
)

// debugPort is the part that opens and closes the debug port.
type debugPort struct {
	still
	*core
	backend debugport.Backend
	// server is nil while the port is closed.
	server *debugport.Server
}

func (p *debugPort) String() string { return "debug" }

// Start opens the port if the configuration wants it.
func (p *debugPort) Start() error {
	if !p.config.DebugPort.Enabled {
		return nil
	}
	s, err := debugport.Listen(p.config.DebugPort.Port, p.backend, p.log.Logger)
	if err != nil {
		return err
	}
	p.server = s
	p.log.Warn("the debug port is open: every program of this host may command shim6d", "address", s.Addr())
	return nil
}

func (p *debugPort) Apply(old *config.Config) error {
	if old.DebugPort == p.config.DebugPort {
		return nil
	}
	p.Close()
	if err := p.Start(); err != nil {
		p.log.Error("the debug port stays closed", "error", err)
	}
	return nil
}

func (p *debugPort) Close() {
	if p.server != nil {
		p.server.Close()
		p.server = nil
	}
}
