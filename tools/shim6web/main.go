// SPDX-License-Identifier: BSD-3-Clause

// Command shim6web shows how Shim6 is on a host: a page for people, and metrics for Prometheus. It
// has no rights. It reads what shim6d tells everybody on the host by its control socket, and the
// counters that the kernel gives to all, and it changes nothing.
//
// watcher.go asks shim6d, screen.go has what the page shows, timeline.go what it draws, metrics.go
// what Prometheus scrapes; guard.go and listen.go keep strangers out.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/urfave/cli/v2"

	"shim6/daemon/config"
)

// version is set by the build.
var version = "unknown"

// Exit statuses.
const (
	exitFailed = 1 // shim6web can't run
	exitUsage  = 2 // the words make no sense
)

// memoryLimit has the collector of garbage work harder from so many octets on.
const memoryLimit = 14 << 20

const defaultListen = "127.0.0.1:6140"

const usage = `usage: shim6web [OPTIONS]

A page and metrics that show how Shim6 is on this host. It needs no rights.

OPTIONS:
  -listen ADDR       listen at HOST:PORT or unix:PATH (default ` + defaultListen + `),
                     unless systemd hands over a socket
  -config FILE       shim6d's configuration, which names its control socket
                     (default /etc/shim6d.conf, which may be absent)
  -socket PATH       shim6d's control socket
  -host NAME         a name by which browsers may ask, beside localhost and
                     addresses; may be given more than once
  -token-file FILE   ask readers for the token in this file
  -tls-cert FILE     speak TLS by this certificate, and -tls-key FILE
  -client-ca FILE    let in readers with a certificate of these authorities
  -tool PATH         run this shim6tool for checks (default shim6tool)
  -v, -version       print the version
  -h, -help          print this

An address that other hosts can reach needs TLS, and a token or certificates of
readers. Exit status: 0, 1 if shim6web can't run, 2 for words that make no sense.
`

func main() {
	// A variable of the environment goes before.
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	os.Exit(run(os.Args, os.Stdout, os.Stderr))
}

// options are what the command line says.
type options struct {
	listen, socket, config, tokenFile string
	tlsCert, tlsKey, clientCA, tool   string
	hosts                             []string
}

// usageError is a mistake on the command line.
type usageError struct{ error }

func run(args []string, stdout, stderr io.Writer) int {
	var o options
	app := &cli.App{
		Name: "shim6web", Version: version, Writer: stdout, ErrWriter: io.Discard,
		CustomAppHelpTemplate: usage, HideHelpCommand: true,
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError:   func(_ *cli.Context, err error, _ bool) error { return usageError{err} },
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "listen", Value: defaultListen, Destination: &o.listen},
			&cli.StringFlag{Name: "config", Value: "/etc/shim6d.conf", Destination: &o.config},
			&cli.StringFlag{Name: "socket", Destination: &o.socket},
			&cli.StringSliceFlag{Name: "host"},
			&cli.StringFlag{Name: "token-file", Destination: &o.tokenFile},
			&cli.StringFlag{Name: "tls-cert", Destination: &o.tlsCert},
			&cli.StringFlag{Name: "tls-key", Destination: &o.tlsKey},
			&cli.StringFlag{Name: "client-ca", Destination: &o.clientCA},
			&cli.StringFlag{Name: "tool", Value: "shim6tool", Destination: &o.tool},
		},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usageError{fmt.Errorf("%q: there are options only", c.Args().First())}
			}
			if (o.tlsCert == "") != (o.tlsKey == "") {
				return usageError{errors.New("-tls-cert and -tls-key belong together")}
			}
			if o.clientCA != "" && o.tlsCert == "" {
				return usageError{errors.New("-client-ca needs -tls-cert and -tls-key")}
			}
			o.hosts = c.StringSlice("host")
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return serve(ctx, &o, slog.New(slog.NewTextHandler(stderr, nil)))
		},
	}
	err := app.Run(args)
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "shim6web: %v\n", err)
	if errors.As(err, &usageError{}) {
		fmt.Fprintln(stderr, "shim6web: 'shim6web -help' lists the options")
		return exitUsage
	}
	return exitFailed
}

// serve serves until ctx ends.
func serve(ctx context.Context, o *options, log *slog.Logger) error {
	socket := o.socket
	if socket == "" {
		c, err := config.Read(o.config)
		if err != nil {
			// The file may be unreadable for us or absent, and the default is good for most.
			c = config.Default()
		}
		socket = c.Control.Socket
	}
	g, err := newGuard(o)
	if err != nil {
		return err
	}
	listeners, err := listen(o, g)
	if err != nil {
		return err
	}
	w := newWatcher(newHost(socket, o.tool), log)
	go w.run(ctx)
	return newSite(w, g, log).serve(ctx, listeners, g.tls)
}
