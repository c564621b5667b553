// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"shim6/daemon/control"
)

var slogDiscard = slog.New(slog.DiscardHandler)

// need returns the path of a program of the system.
func need(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("SHIM6_NO_SKIP") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return path
}

func scrape(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != 200 {
		t.Fatalf("%s %s %v", r.Status, b, err)
	}
	return string(b)
}

// The metrics are those of the overview, in the units of Prometheus. Names of links are as they are.
func TestMetrics(t *testing.T) {
	f := newFake(3)
	f.overview.Unprotected = []control.Lack{{Local: "one-provider", Peer: "none-told", Contexts: 2}}
	f.overview.Links = append(f.overview.Links, control.Link{Interface: "bad\xff", Locators: nil})
	w, url := browse(t, f, options{})
	eventually(t, 5*time.Second, "shim6d has answered", func() bool { return w.screen().Overview != nil })
	text := scrape(t, url)
	for _, want := range []string{
		"shim6_up 1\n", `shim6_contexts{state="established"} 3`, `shim6_contexts_unprotected{local="one-provider",peer="none-told",why=""} 2`,
		`shim6_switches_total{direction="outbound",trigger="local"} 2`, `shim6_outage_seconds_bucket{le="0.05"} 1`, `shim6_outage_seconds_bucket{le="+Inf"} 2`,
		"shim6_outage_seconds_sum 0.2", `shim6_link_probe_rtt_seconds{interface="up1",router="fe80::1"} 0.0204`,
		`shim6_link_operational{interface="a<b>\"&'",router="fe80::2"} 1`, `shim6_link_operational{interface="bad` + "\uFFFD" + `",router=""} 0`,
		`shim6_kernel_events_total{counter="out-rehomed"} 7`, `shim6_control_messages_sent_total{type="I1"} 3`, `shim6_interface_receive_bytes_total{interface="up1"} `,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s", want)
		}
	}
	if strings.Contains(text, "2001:db8") {
		t.Error("a label has an address of a peer or of this host")
	}
	f.set(func() { f.err = fmt.Errorf("gone") })
	soon(w.hurry)
	eventually(t, 15*time.Second, "shim6d is gone", func() bool { return strings.Contains(scrape(t, url), "shim6_up 0\n") })
	if text := scrape(t, url); strings.Contains(text, "shim6_contexts") {
		t.Error("what shim6d said last is told for true")
	}
}

// Prometheus's own tool has nothing to say against the metrics.
func TestPromtool(t *testing.T) {
	promtool := need(t, "promtool")
	w, url := browse(t, newFake(3), options{})
	eventually(t, 5*time.Second, "shim6d has answered", func() bool { return w.screen().Overview != nil })
	c := exec.Command(promtool, "check", "metrics")
	c.Stdin = strings.NewReader(scrape(t, url))
	if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v %s", err, out)
	}
}

// The alerts fire when they should, and clear, and use metrics that there are.
func TestAlerts(t *testing.T) {
	promtool := need(t, "promtool")
	c := exec.Command(promtool, "test", "rules", "shim6.test.yml")
	c.Dir = "prometheus"
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v %s", err, out)
	}
	known := map[string]bool{"shim6_outage_seconds_bucket": true}
	for _, m := range metrics {
		known[regexp.MustCompile(`fqName: "(\w+)"`).FindStringSubmatch(m.Desc.String())[1]] = true
	}
	for _, file := range []string{"prometheus/shim6.rules.yml", "grafana/shim6.json"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`\bshim6_\w+`).FindAllString(string(b), -1)
		if len(found) < 5 {
			t.Errorf("%s uses only %q", file, found)
		}
		for _, name := range found {
			if !known[name] {
				t.Errorf("%s uses %s, which is no metric", file, name)
			}
		}
	}
}

// A scrape asks shim6d nothing, and takes as long with a hundred thousand contexts as with one.
func TestScrapeOfMany(t *testing.T) {
	f := newFake(100_000)
	w, url := browse(t, f, options{})
	eventually(t, 5*time.Second, "shim6d has answered", func() bool { return w.screen().Overview != nil })
	scrape(t, url)
	f.set(func() { f.stalls = true })
	best := time.Hour
	for range 10 {
		began := time.Now()
		if !strings.Contains(scrape(t, url), `shim6_contexts{state="established"} 100000`) {
			t.Fatal("the contexts are not there")
		}
		best = min(best, time.Since(began))
	}
	if best > 100*time.Millisecond {
		t.Errorf("a scrape takes %v", best)
	}
}

// The program takes 30 MB at most with ten thousand contexts, fifty readers, and a scrape now and
// then. It is the real program, and a shim6d of which only the control socket is there.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "shim6web")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v %s", err, out)
	}
	socket := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /overview", func(w http.ResponseWriter, _ *http.Request) {
		o := overviewOf(10_000)
		for i := range o.Glances {
			for len(o.Glances[i].Pairs) < control.MaxGlancePairs {
				o.Glances[i].Pairs = append(o.Glances[i].Pairs, o.Glances[i].Pairs[3])
			}
		}
		json.NewEncoder(w).Encode(o)
	})
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(300 * time.Millisecond)
		after, _ := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64)
		s := moved()
		json.NewEncoder(w).Encode(control.Events{Sequence: after + 1, Events: []control.Event{{Sequence: after + 1, Switch: &s}}})
	})
	s := &http.Server{Handler: mux}
	go s.Serve(l)
	defer s.Close()
	listen := filepath.Join(dir, "web")
	c := exec.Command(program, "-listen", "unix:"+listen, "-socket", socket, "-tool", "/nothing")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { c.Process.Kill(); c.Wait() }()
	eventually(t, 10*time.Second, "the program listens", func() bool { return exists(listen) })
	for range 50 {
		r, err := net.Dial("unix", listen)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		io.WriteString(r, "GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
		go io.Copy(io.Discard, r)
	}
	scraper := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", listen)
	}}}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		r, err := scraper.Get("http://localhost/metrics")
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var kib int
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kib); n == 1 {
			t.Logf("%d KiB at most", kib)
			if kib > 30<<10 {
				t.Errorf("it has taken %d KiB", kib)
			}
		}
		if n, _ := fmt.Sscanf(line, "RssAnon: %d kB", &kib); n == 1 {
			t.Logf("%d KiB of its own", kib)
		}
	}
}
