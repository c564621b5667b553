// SPDX-License-Identifier: GPL-2.0

// Command quic_flow is flow.py for QUIC, by quic-go: a flow whose interruptions are measured.
//
//	quic_flow sink ADDRESS quic:PORT
//	quic_flow source SECONDS MILLISECONDS LOCAL ADDRESS quic:PORT
//
// The source sends 1000 octets every so many MILLISECONDS on one stream. The sink says "ready", and
// at SIGUSR1 "marked". At SIGTERM it prints the name of the flow, and for how many milliseconds at
// most nothing arrived since it was marked; and, if something arrived after that time, "back".
package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/quic-go/quic-go"
)

const protocol = "shim6-test"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "quic_flow: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "sink":
		return sink(args[1], args[2])
	case len(args) == 6 && args[0] == "source":
		seconds, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		tick, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(seconds)*time.Second)
		defer cancel()
		return source(ctx, time.Duration(tick)*time.Millisecond, args[3], args[4], args[5])
	}
	return errors.New("usage: quic_flow sink ADDRESS quic:PORT | source SECONDS MILLISECONDS LOCAL ADDRESS quic:PORT")
}

// socket returns a UDP socket at an address, and the port of a flow.
func socket(address, flow string, bound bool) (*net.UDPConn, int, error) {
	number, ok := strings.CutPrefix(flow, "quic:")
	port, err := strconv.Atoi(number)
	if !ok || err != nil {
		return nil, 0, fmt.Errorf("%q is no flow: quic:PORT", flow)
	}
	at := &net.UDPAddr{IP: net.ParseIP(address)}
	if bound {
		at.Port = port
	}
	c, err := net.ListenUDP("udp6", at)
	return c, port, err
}

// heard is what has arrived.
type heard struct {
	mu      sync.Mutex
	last    time.Time
	longest time.Duration
}

func (h *heard) mark() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last, h.longest = time.Now(), 0
}

func (h *heard) arrived() {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	h.longest, h.last = max(h.longest, now.Sub(h.last)), now
}

func (h *heard) result(flow string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	silent := time.Since(h.last)
	back := ""
	if silent < max(h.longest, time.Second) {
		back = " back"
	}
	return fmt.Sprintf("%s %d%s", flow, max(silent, h.longest).Milliseconds(), back)
}

func sink(address, flow string) error {
	c, _, err := socket(address, flow, true)
	if err != nil {
		return err
	}
	cert, err := certificate()
	if err != nil {
		return err
	}
	l, err := quic.Listen(c, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{protocol}}, nil)
	if err != nil {
		return err
	}
	h := &heard{}
	h.mark()
	go func() {
		for {
			fmt.Fprintf(os.Stderr, "%s: %v\n", flow, receive(l, h))
		}
	}()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGTERM)
	fmt.Println("ready")
	for s := range signals {
		if s == syscall.SIGTERM {
			break
		}
		h.mark()
		fmt.Println("marked")
	}
	fmt.Println(h.result(flow))
	return nil
}

// receive takes one connection and the octets of its stream, and says why that has ended.
func receive(l *quic.Listener, h *heard) error {
	c, err := l.Accept(context.Background())
	if err != nil {
		return err
	}
	s, err := c.AcceptStream(context.Background())
	if err != nil {
		return err
	}
	b := make([]byte, 1<<16)
	for {
		if _, err := s.Read(b); err != nil {
			return err
		}
		h.arrived()
	}
}

func source(ctx context.Context, tick time.Duration, local, address, flow string) error {
	c, port, err := socket(local, flow, false)
	if err != nil {
		return err
	}
	// The certificate is the sink's own, made for this run.
	conf := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}}
	conn, err := quic.Dial(ctx, c, &net.UDPAddr{IP: net.ParseIP(address), Port: port}, conf, nil)
	if err != nil {
		return err
	}
	s, err := conn.OpenStream()
	if err != nil {
		return err
	}
	block := make([]byte, 1000)
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			if _, err := s.Write(block); err != nil {
				return err
			}
		}
	}
}

func certificate() (tls.Certificate, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, err
}
