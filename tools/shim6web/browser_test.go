// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

//go:embed testdata/axe/axe.min.js
var axe string

//go:embed testdata/layout.js
var layout string

// chromium is a tab of a real Chromium without a window.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("SHIM6_NO_SKIP") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	// As root, Chromium has no sandbox; it sees only pages of this test.
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(time.Minute))
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	tab, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	// The limit of time is not for the start: the browser ends with its first context.
	if err := chromedp.Do(tab); err != nil {
		t.Fatal(err)
	}
	timed, cancel := context.WithTimeout(tab, 2*time.Minute)
	t.Cleanup(cancel)
	return timed
}

// step is what a test does in a tab.
type step = chromedp.Action[chromedp.Void]

func do(t *testing.T, tab context.Context, steps ...step) {
	t.Helper()
	if err := chromedp.Do(tab, steps...); err != nil {
		t.Fatal(err)
	}
}

// value is that of an expression of JavaScript, or of the promise that it makes.
func value[T any](t *testing.T, tab context.Context, expression string) T {
	t.Helper()
	v, err := chromedp.Run(tab, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// sized is a tab with a window of a width, that of a phone if it is small.
func sized(width int64) step {
	if width < 500 {
		return chromedp.EmulateViewport(width, 900, chromedp.EmulateMobile)
	}
	return chromedp.EmulateViewport(width, 900)
}

// says waits until an expression is true. It is asked from outside: the page lets no text become a
// program.
func says(expression string) step {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			ok, err := chromedp.Evaluate[bool]("!!("+expression+")")(ctx, target)
			if err != nil || ok {
				return err
			}
			if time.Now().After(end) {
				return fmt.Errorf("it is never so that %s", expression)
			}
		}
	})
}

// shoot keeps a picture, if somebody wants it.
func shoot(t *testing.T, tab context.Context, name string) {
	t.Helper()
	folder := os.Getenv("SHIM6_ARTIFACTS")
	if folder == "" {
		return
	}
	b, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), b, 0o644); err != nil {
		t.Error(err)
	}
}

// lookAt judges what is on the page by rules: those of axe-core for readers with disabilities, the
// contrast of colours among them, and ours for the layout.
func lookAt(t *testing.T, tab context.Context, name string) {
	t.Helper()
	type violations []struct {
		ID, Help string
		Nodes    []struct{ HTML, FailureSummary string }
	}
	value[int](t, tab, axe+";0")
	found := value[violations](t, tab, `axe.run({resultTypes: ['violations']}).then(r => r.violations)`)
	for _, v := range found {
		b, _ := json.Marshal(v.Nodes)
		t.Errorf("%s: axe: %s: %s: %s", name, v.ID, v.Help, b)
	}
	for _, f := range value[[]string](t, tab, layout) {
		t.Errorf("%s: layout: %s", name, f)
	}
	shoot(t, tab, name)
}

// The page can be read and used by everybody: on a phone, a tablet and a screen, light and dark, by
// keyboard and screen reader. Names of the host are text, whatever is in them.
func TestPageLooks(t *testing.T) {
	tab := chromium(t)
	f := newFake(3)
	f.overview.Glances[1].Protected, f.overview.Glances[1].Text = false, "not protected: we have one provider"
	f.overview.Glances[2].ReapState = "exploring"
	f.overview.Protected, f.overview.ReapStates["exploring"], f.overview.ReapStates["operational"] = 2, 1, 2
	f.overview.Links[1].Operational, f.overview.Links[1].Why = false, "the interface is down"
	_, url := browse(t, f, options{})
	f.happen(moved())
	do(t, tab, chromedp.Navigate(url), says(`document.querySelectorAll('#sessions > li').length === 3 && document.querySelectorAll('#findings > li').length === 2 && document.querySelectorAll('#switches > li').length === 1`))
	if name := value[string](t, tab, `document.querySelectorAll('#links h3')[1].textContent`); name != hostile {
		t.Errorf("the link is called %q", name)
	}
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{360, 768, 1440} {
			do(t, tab, sized(width))
			lookAt(t, tab, fmt.Sprintf("page-%s-%d", theme, width))
		}
		do(t, tab, chromedp.Click(chromedp.CSS("#theme")), says(`document.documentElement.dataset.theme !== '`+theme+`'`))
	}
	if n := value[int](t, tab, `document.querySelectorAll('main b').length`); n != 0 {
		t.Error("a name became HTML")
	}
}

// By keyboard alone a reader opens a timeline, sees the chart, and comes back to where he was.
func TestPageByKeyboard(t *testing.T) {
	tab := chromium(t)
	f := newFake(1)
	_, url := browse(t, f, options{})
	do(t, tab, sized(768), chromedp.Navigate(url),
		says(`document.querySelectorAll('#sessions button').length === 1`))
	var at string
	for range 20 {
		do(t, tab, chromedp.KeyEvent("\t"))
		at = value[string](t, tab, `document.activeElement.textContent`)
		if strings.HasPrefix(at, "Timeline") {
			break
		}
	}
	if !strings.HasPrefix(at, "Timeline") {
		t.Fatalf("the focus is on %q", at)
	}
	do(t, tab, chromedp.KeyEvent("\r"), says(`document.querySelector('#chart canvas') && document.activeElement.id === 'timeline'`))
	do(t, tab, says(`document.getElementById('timeline-text').textContent.includes('bit/s on average')`))
	f.happen(moved())
	do(t, tab, says(`document.querySelectorAll('#timeline-switches > li').length === 1 && document.querySelectorAll('#legend > li').length === 2`))
	lookAt(t, tab, "timeline-768")
	do(t, tab, sized(360), says(`document.querySelector('#chart').scrollWidth <= document.querySelector('#chart').clientWidth`))
	lookAt(t, tab, "timeline-360")
	do(t, tab, chromedp.KeyEvent("\x1b"), says(`document.getElementById('timeline').hidden && document.activeElement.textContent.startsWith('Timeline')`))
}

// By keyboard alone a reader comes to each session of more than fit on a page, and finds one by its address.
func TestPagesByKeyboard(t *testing.T) {
	tab := chromium(t)
	f := newFake(250)
	_, url := browse(t, f, options{})
	do(t, tab, sized(1440), chromedp.Navigate(url), says(`document.querySelectorAll('#sessions > li').length === 100 && document.getElementById('sessions-note').textContent.startsWith('250;')`))
	note := func(want string) step {
		return says(fmt.Sprintf(`document.getElementById('pages-note').textContent.startsWith(%q)`, want))
	}
	press := func(id, key string) {
		t.Helper()
		do(t, tab, chromedp.Focus(chromedp.CSS("#"+id)), chromedp.KeyEvent(key))
	}
	press("pages-all", "\r")
	do(t, tab, note("Sessions 1 to 100 of 250"), says(`document.getElementById('pages-back').getAttribute('aria-disabled') === 'true' && document.getElementById('pages-all').getAttribute('aria-pressed') === 'true'`))
	press("pages-next", "\r")
	do(t, tab, note("Sessions 101 to 200 of 250"), chromedp.KeyEvent(" "), note("Sessions 201 to 250 of 250"),
		says(`document.querySelectorAll('#sessions > li').length === 50 && document.activeElement.id === 'pages-next'`))
	for _, width := range []int64{360, 768, 1440} {
		do(t, tab, sized(width))
		lookAt(t, tab, fmt.Sprintf("pages-%d", width))
	}
	// There is none behind the last one.
	press("pages-next", "\r")
	press("pages-back", "\r")
	do(t, tab, note("Sessions 101 to 200 of 250"))
	press("find-text", "d8::f9")
	do(t, tab, chromedp.KeyEvent("\r"), note("No session has d8::f9"))
	do(t, tab, says(`(document.getElementById('find-text').value = '', true)`))
	press("find-text", "db8::f9")
	do(t, tab, chromedp.KeyEvent("\r"), note("Sessions 1 to 1 of 1 with db8::f9"),
		says(`document.querySelector('#sessions h3').textContent === '2001:db8::f9' && document.getElementById('pages').hidden`))
	// A session that is not among the first ones has a timeline as well, from now on.
	press("sessions button", "\r")
	do(t, tab, says(`document.getElementById('timeline-text').textContent.startsWith('The timeline has begun')`), chromedp.KeyEvent("\x1b"))
	press("pages-all", "\r")
	do(t, tab, says(`document.querySelectorAll('#sessions > li').length === 100 && document.getElementById('pages-note').textContent === ''`))
}

// A switch is on the page within a second, and a shim6d that does not answer soon after.
func TestPageIsLive(t *testing.T) {
	tab := chromium(t)
	f := newFake(1)
	_, url := browse(t, f, options{})
	do(t, tab, chromedp.Navigate(url), says(`document.getElementById('verdict-text').textContent.includes('The only session is protected')`))
	// On a machine that is busy with other tests the best of some counts.
	best := time.Hour
	for i := range 5 {
		s := moved()
		s.Why = fmt.Sprintf("reason %d", i)
		if i%2 == 1 {
			s.From, s.To = s.To, s.From
		}
		began := time.Now()
		f.happen(s)
		do(t, tab, says(fmt.Sprintf(`document.querySelector('#sessions dd:nth-of-type(2)').textContent.includes('%v → %v') && document.getElementById('switches').textContent.includes('%s')`,
			s.To.LocatorLocal, s.To.LocatorPeer, s.Why)))
		best = min(best, time.Since(began))
	}
	if best > time.Second {
		t.Errorf("a switch is seen after %v", best)
	}
	f.set(func() { f.err = fmt.Errorf("nobody listens") })
	do(t, tab, says(`document.getElementById('verdict').className === 'bad' && document.getElementById('verdict-text').textContent.includes('nobody listens')`))
}

// With a token, a browser shows the page to those who know it, and stays there.
func TestPageWithToken(t *testing.T) {
	tab := chromium(t)
	token := strings.Repeat("t", minToken)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, url := browse(t, newFake(1), options{tokenFile: file})
	do(t, tab, sized(360), chromedp.Navigate(url), says(`document.getElementById('token')`))
	lookAt(t, tab, "login-360")
	do(t, tab, chromedp.SendKeys(chromedp.CSS("#token"), "wrong\r"), says(`document.getElementById('wrong') && !document.getElementById('wrong').hidden`),
		chromedp.SendKeys(chromedp.CSS("#token"), token+"\r"), says(`document.querySelectorAll('#sessions > li').length === 1`))
}
