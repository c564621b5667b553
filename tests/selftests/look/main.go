// SPDX-License-Identifier: GPL-2.0

// Command look looks at a page in Chromium, for guest tests and the demo. It starts the browser once,
// since that takes a guest some seconds, and then does what its input says, a line at a time:
//
//	open URL			load a page
//	size WIDTH			have a window of so many pixels, that of a phone below 500
//	wait SECONDS EXPRESSION	wait until an expression of JavaScript is true
//	say EXPRESSION			answer with the value of an expression, as JSON
//	shot FILE			write a picture of the whole page
//
// Each line is answered by one, which begins with "ok" or "no".
//
// usage: look <LINES >ANSWERS
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
)

func main() {
	// As root, Chromium has no sandbox; it sees only pages of the test.
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(10*time.Minute))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	defer stop()
	tab, end := chromedp.NewContext(allocator)
	defer end()
	if err := chromedp.Do(tab); err != nil {
		fmt.Println("no", err)
		os.Exit(1)
	}
	fmt.Println("ok")
	follow(tab, os.Stdin, os.Stdout)
}

// follow does what the lines say.
func follow(tab context.Context, in io.Reader, out io.Writer) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		answer, err := do(tab, lines.Text())
		if err != nil {
			fmt.Fprintln(out, "no", strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		fmt.Fprintln(out, strings.TrimSpace("ok "+answer))
	}
}

// do does what a line says, and returns the answer.
func do(tab context.Context, line string) (string, error) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "open":
		return "", chromedp.Do(tab, chromedp.Navigate(rest))
	case "size":
		width, err := strconv.ParseInt(rest, 10, 64)
		if err != nil {
			return "", err
		}
		if width < 500 {
			return "", chromedp.Do(tab, chromedp.EmulateViewport(width, 900, chromedp.EmulateMobile))
		}
		return "", chromedp.Do(tab, chromedp.EmulateViewport(width, 900))
	case "wait":
		seconds, expression, _ := strings.Cut(rest, " ")
		n, err := strconv.ParseFloat(seconds, 64)
		if err != nil {
			return "", err
		}
		return "", wait(tab, time.Duration(n*float64(time.Second)), expression)
	case "say":
		v, err := chromedp.Run(tab, chromedp.Evaluate[any](rest))
		if err != nil {
			return "", err
		}
		b, err := json.Marshal(v)
		return string(b), err
	case "shot":
		b, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
		if err != nil {
			return "", err
		}
		return "", os.WriteFile(rest, b, 0o644)
	}
	return "", fmt.Errorf("there is no %q", word)
}

// wait asks from outside: pages that let no text become a program can be asked so, too.
func wait(tab context.Context, patience time.Duration, expression string) error {
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		ok, err := chromedp.Run(tab, chromedp.Evaluate[bool]("!!("+expression+")"))
		if err != nil || ok {
			return err
		}
		if time.Now().After(end) {
			text, err := chromedp.Run(tab, chromedp.Evaluate[string]("document.body.innerText"))
			return fmt.Errorf("not within %v: %s; the page says (%v): %s", patience, expression, err, text)
		}
	}
}
