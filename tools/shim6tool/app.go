// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"io"
	"slices"

	"github.com/urfave/cli/v2"
)

// app makes the program from the rows. cli reads options, finds commands, and prints help and the
// version. The command help is ours, since that of cli takes no shortened words.
func (t *tool) app() *cli.App {
	app := &cli.App{
		Name:                   "shim6tool",
		Version:                version,
		Writer:                 t.out,
		ErrWriter:              io.Discard,
		UseShortOptionHandling: true,
		HideHelpCommand:        true,
		ExitErrHandler:         func(*cli.Context, error) {},
		OnUsageError:           onUsageError,
		CustomAppHelpTemplate:  "{{.Description}}",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Aliases: []string{"j"}, Destination: &t.json,
				Usage: "print JSON; times are in milliseconds"},
			&cli.BoolFlag{Name: "pretty", Aliases: []string{"p"}, Destination: &t.pretty,
				Usage: "indent the JSON"},
			&cli.BoolFlag{Name: "statistics", Aliases: []string{"s"}, Destination: &t.statistics,
				Usage: "say more: counters, preferences, what was probed"},
			&cli.BoolFlag{Name: "timestamp", Aliases: []string{"t"}, Destination: &t.long,
				Usage: "have monitor print the time of each event"},
			&cli.BoolFlag{Name: "tshort", Aliases: []string{"ts"}, Destination: &t.short,
				Usage: "the same, short and on the line of the event"},
			&cli.StringFlag{Name: "netns", Aliases: []string{"n"}, Destination: &t.netns,
				Usage: "in the network namespace `NETNS`, a name or a path"},
			&cli.StringFlag{Name: "socket", Destination: &t.socket,
				Usage: "shim6d listens at `PATH`; without it, where /etc/shim6d.conf says or, with -n, /etc/netns/NETNS/shim6d.conf"},
			// cli adds the flag for help only together with its own command help.
			cli.VersionFlag, cli.HelpFlag,
		},
		Action: t.choose("object", t.status),
	}
	for _, o := range objects {
		app.Commands = append(app.Commands, t.objectCommand(o))
	}
	app.Description = usage(app)
	help := t.helpCommand("object", app.Description, app.Commands)
	help.Aliases = []string{"h"}
	app.Commands = append(app.Commands, help)
	return app
}

// objectCommand makes the command of an object, with those of its rows. Alone it runs the first row.
func (t *tool) objectCommand(o objectRow) *cli.Command {
	rows := commandsOf(o.name)
	c := &cli.Command{
		Name: o.name, Usage: o.help, Description: objectUsage(o),
		CustomHelpTemplate: "{{.Description}}", OnUsageError: onUsageError,
		Action: t.choose("command of "+o.name, func() error { return rows[0].run(t, nil) }),
	}
	for _, r := range rows {
		c.Subcommands = append(c.Subcommands, &cli.Command{
			Name: r.verb, Usage: r.help, ArgsUsage: r.args, Description: commandUsage(r), HideHelpCommand: true,
			CustomHelpTemplate: "{{.Description}}", OnUsageError: onUsageError,
			Action: func(ctx *cli.Context) error { return r.run(t, ctx.Args().Slice()) },
		})
	}
	c.Subcommands = append(c.Subcommands, t.helpCommand("command of "+o.name, c.Description, c.Subcommands))
	return c
}

// helpCommand makes a command that prints a text, or the text of one of its parts.
func (t *tool) helpCommand(kind, text string, parts []*cli.Command) *cli.Command {
	return &cli.Command{
		Name: "help", Description: text, HideHelpCommand: true,
		CustomHelpTemplate: "{{.Description}}", OnUsageError: onUsageError,
		Action: func(ctx *cli.Context) error {
			text := text
			if ctx.Args().Present() {
				part, err := find(kind, ctx.Args().First(), parts)
				if err != nil {
					return err
				}
				text = part.Description
			}
			_, err := io.WriteString(t.out, text)
			return err
		},
	}
}

func onUsageError(_ *cli.Context, err error, _ bool) error { return usageError(err.Error()) }

// choose is the action where cli does not know the next word, since the word is shortened: it runs
// the command that the word is short for. If there is no word, it runs alone.
func (t *tool) choose(kind string, alone func() error) cli.ActionFunc {
	return func(ctx *cli.Context) error {
		if !ctx.Args().Present() {
			return alone()
		}
		command, err := find(kind, ctx.Args().First(), ctx.Command.Subcommands)
		if err != nil {
			return err
		}
		next := cli.NewContext(ctx.App, nil, ctx)
		next.Command = command
		return command.Run(next, ctx.Args().Slice()...)
	}
}

// find returns the first command that a word is, or is short for.
func find(kind, word string, commands []*cli.Command) (*cli.Command, error) {
	var names []string
	for _, c := range commands {
		names = append(names, c.Name)
	}
	found, err := words(kind, word, names)
	if err != nil {
		return nil, err
	}
	return commands[slices.Index(names, found[0])], nil
}
