// SPDX-License-Identifier: BSD-3-Clause

// Command shim6d is the daemon of Shim6: it makes contexts with peers, keeps both ends in step,
// and finds another locator pair when one fails. The kernel has the payload, which goes on
// without the daemon.
package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"shim6/daemon/config"
)

// version is set by the build.
var version = "unknown"

// Exit statuses.
const (
	exitFailed = 1 // shim6d can't run, or the configuration is wrong
	exitUsage  = 2 // the words make no sense
)

const defaultConfig = "/etc/shim6d.conf"

const usage = `usage: shim6d [OPTIONS]

The daemon of Shim6. It needs CAP_NET_ADMIN, and the kernel module shim6, which
the kernel loads by itself if it is installed.

OPTIONS:
  -c, -config FILE   the configuration (default ` + defaultConfig + `, which may be absent)
  -check             read the configuration, say what is wrong with it, and end
  -flush-addresses   remove the addresses, rules and routes that shim6d has set
                     up in this network namespace, and end
  -v, -version       print the version
  -h, -help          print this

SIGHUP has the configuration read again. SIGTERM ends shim6d: contexts and sessions
go on in the kernel, and peers are not told. Exit status: 0, 1 if shim6d can't run
or the configuration is wrong, 2 for words that make no sense.
`

func main() {
	os.Exit(run(os.Args, os.Stdout, os.Stderr))
}

// usageError is a mistake on the command line.
type usageError struct{ error }

func run(args []string, stdout, stderr io.Writer) int {
	var path string
	var check, flush bool
	app := &cli.App{
		Name:                  "shim6d",
		Version:               version,
		Writer:                stdout,
		ErrWriter:             io.Discard,
		CustomAppHelpTemplate: usage,
		HideHelpCommand:       true,
		ExitErrHandler:        func(*cli.Context, error) {},
		OnUsageError:          func(_ *cli.Context, err error, _ bool) error { return usageError{err} },
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "config", Aliases: []string{"c"}, Value: defaultConfig, Destination: &path},
			&cli.BoolFlag{Name: "check", Destination: &check},
			&cli.BoolFlag{Name: "flush-addresses", Destination: &flush},
		},
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usageError{fmt.Errorf("%q: there are options only", c.Args().First())}
			}
			if flush {
				return flushAddresses()
			}
			cfg, err := read(path, c.IsSet("config"))
			if err != nil {
				return err
			}
			if check {
				fmt.Fprintf(stdout, "%s: ok\n", path)
				return nil
			}
			return serve(path, c.IsSet("config"), cfg, stderr)
		},
	}
	err := app.Run(args)
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "shim6d: %v\n", err)
	if errors.As(err, &usageError{}) {
		fmt.Fprintln(stderr, "shim6d: 'shim6d -help' lists the options")
		return exitUsage
	}
	return exitFailed
}

// read reads the configuration. The default one may be absent.
func read(path string, must bool) (*config.Config, error) {
	c, err := config.Read(path)
	var ce *config.Error
	if !must && errors.As(err, &ce) && ce.File == path && ce.Line == 0 && errors.Is(err, fs.ErrNotExist) {
		return config.Default(), nil
	}
	return c, err
}

// serve is the daemon, until it is told to end.
func serve(path string, must bool, c *config.Config, stderr io.Writer) error {
	// From here on the signals mean something.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT)
	d, err := newDaemon(c, path, newLog(c, stderr))
	if err != nil {
		return err
	}
	d.read = func() (*config.Config, error) { return read(path, must) }
	defer d.close()
	if err := d.start(); err != nil {
		return err
	}
	return d.loop(signals)
}

// logger is a slog.Logger whose level changes on reload.
type logger struct {
	*slog.Logger
	level *slog.LevelVar
}

func newLog(c *config.Config, w io.Writer) logger {
	l := logger{level: &slog.LevelVar{}}
	l.level.Set(c.Log.Level)
	o := &slog.HandlerOptions{Level: l.level}
	// The journal has its own clock.
	if os.Getenv("JOURNAL_STREAM") != "" {
		o.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}
	}
	line := func(w io.Writer) slog.Handler {
		if c.Log.Format == "json" {
			return slog.NewJSONHandler(w, o)
		}
		return slog.NewTextHandler(w, o)
	}
	h := newJournalHandler(l.level, line, w)
	if h == nil {
		h = line(w)
	}
	l.Logger = slog.New(h)
	return l
}
