// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"os"

	"shim6/daemon/control"
	"shim6/daemon/internal/controlserver"
)

// controlSocket is the part that serves the control socket.
type controlSocket struct {
	still
	*core
	backend control.Backend
	server  *controlserver.Server
}

func (s *controlSocket) String() string { return "control" }

func (s *controlSocket) Start() error {
	l, err := controlserver.Listen(s.config.Control.Socket, s.config.Control.Group)
	if err != nil {
		return err
	}
	s.server = controlserver.NewServer(s.backend, s.log.Logger)
	go func() {
		if err := s.server.Serve(l); err != nil {
			s.log.Error("the control socket is dead", "error", err)
		}
	}()
	return nil
}

func (s *controlSocket) Close() {
	if s.server != nil {
		s.server.Close()
		os.Remove(s.config.Control.Socket)
	}
}
