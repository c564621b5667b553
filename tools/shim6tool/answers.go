// SPDX-License-Identifier: BSD-3-Clause

//go:build answers

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/itchyny/gojq"
)

// Built with the tag answers, the program is for the guest tests alone. A guest takes a tenth of a
// second of a processor to start shim6tool, curl or jq, and tests poll. This program goes on
// running and does the work of the three:
//
//	answers FILE		write the port and the pid into FILE, and listen on 127.0.0.1
//
// A request has a number and as many words, each with an octet 0 behind it. The first word is the
// file that gets the output. Then:
//
//	socket PATH URL BODY [FILTER [--arg NAME VALUE ...]]
//		what shim6d's control socket answers, and what FILTER makes of it, as jq -rce has it
//	tool FILTER WORD...
//		what FILTER makes of what shim6tool says, as jq -rc has it
//
// The answer is a line with the exit status and, if there is one, the error.

// The statuses of jq -e, and curl's for a server that can't be reached.
const (
	statusFalse   = 1
	statusNothing = 4
	statusFilter  = 5
	statusConnect = 7
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: answers FILE")
		os.Exit(exitUsage)
	}
	if err := listen(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "answers:", err)
		os.Exit(exitRefused)
	}
}

func listen(file string) error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	about := fmt.Sprintln(l.Addr().(*net.TCPAddr).Port, os.Getpid())
	if err := os.WriteFile(file+".new", []byte(about), 0o600); err != nil {
		return err
	}
	if err := os.Rename(file+".new", file); err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			status, err := serve(c)
			if err != nil {
				fmt.Fprintln(c, status, strings.ReplaceAll(err.Error(), "\n", " "))
			} else {
				fmt.Fprintln(c, status)
			}
		}()
	}
}

// serve reads one request and does what it asks for.
func serve(r io.Reader) (status int, err error) {
	words, err := readWords(bufio.NewReader(r))
	if err != nil {
		return exitUsage, err
	}
	if len(words) < 3 {
		return exitUsage, errors.New("a request of less than three words")
	}
	var out bytes.Buffer
	switch what, rest := words[1], words[2:]; {
	case what == "socket" && len(rest) >= 3:
		status, err = fromSocket(&out, rest)
	case what == "tool":
		status, err = fromTool(&out, rest[0], rest[1:])
	default:
		return exitUsage, fmt.Errorf("no such request: %q", words)
	}
	if e := os.WriteFile(words[0], out.Bytes(), 0o600); e != nil {
		return exitRefused, e
	}
	return status, err
}

func readWords(r *bufio.Reader) ([]string, error) {
	word := func() (string, error) {
		w, err := r.ReadString(0)
		return strings.TrimSuffix(w, "\x00"), err
	}
	number, err := word()
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return nil, err
	}
	var words []string
	for range n {
		w, err := word()
		if err != nil {
			return nil, err
		}
		words = append(words, w)
	}
	return words, nil
}

func fromSocket(out *bytes.Buffer, words []string) (int, error) {
	path, url, body := words[0], words[1], words[2]
	c := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}}
	var answer *http.Response
	var err error
	if body == "" {
		answer, err = c.Get("http://shim6d" + url)
	} else {
		answer, err = c.Post("http://shim6d"+url, "application/x-www-form-urlencoded", strings.NewReader(body))
	}
	if err != nil {
		return statusConnect, err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		return statusConnect, err
	}
	if len(words) == 3 {
		out.Write(b)
		return 0, nil
	}
	var names []string
	var values []any
	for rest := words[4:]; len(rest) > 0; rest = rest[3:] {
		if len(rest) < 3 || rest[0] != "--arg" {
			return exitUsage, fmt.Errorf("behind a filter there is only --arg NAME VALUE: %q", rest)
		}
		names, values = append(names, "$"+rest[1]), append(values, rest[2])
	}
	return filter(out, b, words[3], names, values)
}

func fromTool(out *bytes.Buffer, program string, words []string) (int, error) {
	var shown, said bytes.Buffer
	newTool(&shown, &said).run(words)
	status, err := filter(out, shown.Bytes(), program, nil, nil)
	if status == statusFalse || status == statusNothing {
		status = 0
	}
	if err == nil && said.Len() > 0 {
		err = errors.New(strings.TrimSpace(said.String()))
	}
	return status, err
}

// filter writes what a filter of jq makes of JSON, strings without quotes, and returns the status.
func filter(out *bytes.Buffer, b []byte, program string, names []string, values []any) (int, error) {
	query, err := gojq.Parse(program)
	if err != nil {
		return statusFilter, fmt.Errorf("%s: %w", program, err)
	}
	code, err := gojq.Compile(query, gojq.WithVariables(names))
	if err != nil {
		return statusFilter, fmt.Errorf("%s: %w", program, err)
	}
	status := statusNothing
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	for {
		var v any
		if err := d.Decode(&v); err == io.EOF {
			return status, nil
		} else if err != nil {
			return statusFilter, fmt.Errorf("no JSON: %w: %s", err, b)
		}
		for results := code.Run(numbers(v), values...); ; {
			v, ok := results.Next()
			if !ok {
				break
			}
			status = 0
			switch v := v.(type) {
			case error:
				return statusFilter, fmt.Errorf("%s: %w", program, v)
			case string:
				fmt.Fprintln(out, v)
				continue
			case nil:
				status = statusFalse
			case bool:
				if !v {
					status = statusFalse
				}
			}
			text, err := gojq.Marshal(v)
			if err != nil {
				return statusFilter, err
			}
			fmt.Fprintf(out, "%s\n", text)
		}
	}
}

// numbers has whole numbers as int, which gojq prints as they are.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.Atoi(string(v)); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	}
	return v
}
