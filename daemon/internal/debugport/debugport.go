// SPDX-License-Identifier: BSD-3-Clause

// Package debugport is the debugging port of the first shim6d: commands by UDP, one per datagram.
// The answers are text.
//
//	dump                                      all contexts, with their ids
//	context SRC-ULID DST-ULID                 make a context
//	delete SRC-ULID DST-ULID                  discard it
//	update CONTEXT-ID                         tell the peer all our locators
//	shim CONTEXT-ID SRC-LOCATOR DST-LOCATOR   send by another locator pair, once
//	                                          that has answered a Probe
//	deshim CONTEXT-ID                         send by the ULIDs again
//
// It listens on the loopback only, by IPv6 and IPv4, and is off by default: UDP does not say who
// asks, so any program of the host may use it. It tells no context tags. The control socket can
// do more, and knows who asks.
package debugport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"shim6/daemon/control"
)

const (
	// maxCommand is more octets than any command has.
	maxCommand = 512
	// maxAnswer is how many octets fit a datagram. The rest of a longer dump is left out.
	maxAnswer = 60000
	timeout   = 5 * time.Second
)

// Backend is what the commands need of the daemon; a control.Backend has it.
type Backend interface {
	Contexts(context.Context) ([]control.Context, error)
	Open(context.Context, control.OpenRequest) error
	Close(context.Context, control.Name) error
	Refresh(context.Context, control.Name) error
	Use(context.Context, control.UseRequest) error
}

// Server answers commands.
type Server struct {
	conns   []*net.UDPConn
	backend Backend
	log     *slog.Logger

	// mu guards all below. ids are given to contexts when they are first seen; last is the
	// last id that was given.
	mu    sync.Mutex
	ids   map[control.Name]int
	names map[int]control.Name
	last  int
}

// Listen begins to answer at a port of the loopback, by both families: "localhost" is 127.0.0.1
// for some programs and ::1 for others. 0 is any free port. A host need not have both addresses.
func Listen(port uint16, b Backend, log *slog.Logger) (*Server, error) {
	s := newServer(b, log)
	var missing error
	for _, a := range []netip.Addr{netip.IPv6Loopback(), netip.AddrFrom4([4]byte{127, 0, 0, 1})} {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, port)))
		if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT) {
			missing = errors.Join(missing, err)
			continue
		}
		if err != nil {
			// Another program has the port, and would get the commands.
			s.Close()
			return nil, fmt.Errorf("the debug port: %w", err)
		}
		s.conns = append(s.conns, conn)
		port = s.Addr().Port()
	}
	if s.conns == nil {
		return nil, fmt.Errorf("the debug port: %w", missing)
	}
	for _, conn := range s.conns {
		go s.serve(conn)
	}
	return s, nil
}

func newServer(b Backend, log *slog.Logger) *Server {
	return &Server{backend: b, log: log, ids: map[control.Name]int{}, names: map[int]control.Name{}}
}

// Addr is the first of the addresses at which it listens.
func (s *Server) Addr() netip.AddrPort {
	return s.conns[0].LocalAddr().(*net.UDPAddr).AddrPort()
}

// Close ends the Server. A command that has begun may still be done.
func (s *Server) Close() error {
	var err error
	for _, conn := range s.conns {
		err = errors.Join(err, conn.Close())
	}
	return err
}

func (s *Server) serve(conn *net.UDPConn) {
	b := make([]byte, maxCommand+1)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			s.log.Debug("the debug port can't read", "error", err)
			continue
		}
		if _, err := conn.WriteToUDPAddrPort([]byte(s.answer(string(b[:n]))), from); err != nil {
			s.log.Debug("the debug port can't answer", "error", err)
		}
	}
}

// commands are the commands, with the names of their words.
var commands = map[string]struct {
	words []string
	do    func(*Server, context.Context, []string) (string, error)
}{
	"dump":    {nil, (*Server).dump},
	"context": {[]string{"SRC-ULID", "DST-ULID"}, (*Server).open},
	"delete":  {[]string{"SRC-ULID", "DST-ULID"}, (*Server).delete},
	"update":  {[]string{"CONTEXT-ID"}, (*Server).update},
	"shim":    {[]string{"CONTEXT-ID", "SRC-LOCATOR", "DST-LOCATOR"}, (*Server).shim},
	"deshim":  {[]string{"CONTEXT-ID"}, (*Server).deshim},
}

// answer does one command. Its answer fits a datagram.
func (s *Server) answer(text string) string {
	if len(text) > maxCommand {
		return "error: the command is too long\n"
	}
	answer := s.do(text)
	if len(answer) > maxAnswer {
		answer = answer[:strings.LastIndexByte(answer[:maxAnswer], '\n')+1] + "...\n"
	}
	return answer
}

func (s *Server) do(text string) string {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	words := strings.Fields(text)
	if len(words) == 0 {
		return "error: no command: take one of dump, context, delete, update, shim, deshim\n"
	}
	c, ok := commands[words[0]]
	if !ok {
		return fmt.Sprintf("error: there is no command %q: take one of dump, context, delete, update, shim, deshim\n", words[0])
	}
	if len(words)-1 != len(c.words) {
		return fmt.Sprintf("error: usage: %s\n", strings.Join(append(words[:1], c.words...), " "))
	}
	if words[0] != "dump" {
		s.log.Info("command of the debug port", "command", words)
	}
	out, err := c.do(s, ctx, words[1:])
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	return out + "ok\n"
}

func (s *Server) dump(ctx context.Context, _ []string) (string, error) {
	list, err := s.backend.Contexts(ctx)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number(list)
	var b strings.Builder
	for _, c := range list {
		fmt.Fprintf(&b, "%d %v %v fii %d %s", s.ids[c.Name], c.ULIDLocal, c.ULIDPeer, c.FII, c.State)
		if c.LocatorLocal.IsValid() {
			fmt.Fprintf(&b, " by %v %v", c.LocatorLocal, c.LocatorPeer)
		}
		if c.ReapState != "" {
			fmt.Fprintf(&b, " %s", c.ReapState)
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}

// number gives ids to contexts that have none, and forgets those that are gone.
func (s *Server) number(list []control.Context) {
	there := map[control.Name]bool{}
	for _, c := range list {
		there[c.Name] = true
		if s.ids[c.Name] == 0 {
			s.last++
			s.ids[c.Name], s.names[s.last] = s.last, c.Name
		}
	}
	for name, id := range s.ids {
		if !there[name] {
			delete(s.ids, name)
			delete(s.names, id)
		}
	}
}

func address(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is6() || a.Zone() != "" {
		return a, fmt.Errorf("%q is no IPv6 address", s)
	}
	return a, nil
}

func pair(words []string) (a, b netip.Addr, err error) {
	if a, err = address(words[0]); err == nil {
		b, err = address(words[1])
	}
	return a, b, err
}

func (s *Server) context(word string) (control.Name, error) {
	id, err := strconv.Atoi(word)
	s.mu.Lock()
	defer s.mu.Unlock()
	name, ok := s.names[id]
	if err != nil || !ok {
		return name, fmt.Errorf("there is no context with the id %q: dump shows those that there are", word)
	}
	return name, nil
}

func (s *Server) open(ctx context.Context, words []string) (string, error) {
	local, peer, err := pair(words)
	if err != nil {
		return "", err
	}
	return "", s.backend.Open(ctx, control.OpenRequest{Name: control.Name{ULIDLocal: local, ULIDPeer: peer}})
}

func (s *Server) delete(ctx context.Context, words []string) (string, error) {
	local, peer, err := pair(words)
	if err != nil {
		return "", err
	}
	return "", s.backend.Close(ctx, control.Name{ULIDLocal: local, ULIDPeer: peer})
}

func (s *Server) update(ctx context.Context, words []string) (string, error) {
	name, err := s.context(words[0])
	if err != nil {
		return "", err
	}
	return "", s.backend.Refresh(ctx, name)
}

func (s *Server) shim(ctx context.Context, words []string) (string, error) {
	name, err := s.context(words[0])
	if err != nil {
		return "", err
	}
	local, peer, err := pair(words[1:])
	if err != nil {
		return "", err
	}
	return "", s.backend.Use(ctx, control.UseRequest{Name: name, LocatorLocal: local, LocatorPeer: peer})
}

func (s *Server) deshim(ctx context.Context, words []string) (string, error) {
	name, err := s.context(words[0])
	if err != nil {
		return "", err
	}
	return "", s.backend.Use(ctx, control.UseRequest{Name: name, LocatorLocal: name.ULIDLocal, LocatorPeer: name.ULIDPeer})
}
