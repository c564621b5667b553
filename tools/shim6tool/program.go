// SPDX-License-Identifier: BSD-3-Clause

//go:build !answers

package main

import "os"

func main() { os.Exit(newTool(os.Stdout, os.Stderr).run(os.Args[1:])) }
