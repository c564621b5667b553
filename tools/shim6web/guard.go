// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	// minToken is the least length of a token in octets. Nobody guesses one that is as long and was
	// drawn at random, so wrong ones need no limit, by which a stranger could keep readers out.
	minToken = 32
)

// guard decides who may read. A browser on this host runs scripts of any site, which can ask for
// local addresses. So each request must name this host as the one that it is for, which those of a
// site whose name was bound to our address do not, and must not come from another site.
type guard struct {
	hosts []string
	// token is what readers must know, "" if they need not. cookie is what a browser has got for it.
	token, cookie string
	tls           *tls.Config
}

func newGuard(o *options) (*guard, error) {
	g := &guard{hosts: append([]string{"localhost"}, o.hosts...)}
	file := o.tokenFile
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); file == "" && dir != "" {
		// As LoadCredential=token:... of the unit gives it.
		if path := filepath.Join(dir, "token"); exists(path) {
			file = path
		}
	}
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("the token: %w", err)
		}
		if g.token = strings.TrimSpace(string(b)); len(g.token) < minToken {
			return nil, fmt.Errorf("the token in %s has less than %d octets: make one by 'openssl rand -hex 32'", file, minToken)
		}
		var key [32]byte
		if _, err := rand.Read(key[:]); err != nil {
			return nil, err
		}
		// A browser is not given the token itself, and what it is given ends with this process.
		m := hmac.New(sha256.New, key[:])
		m.Write([]byte(g.token))
		g.cookie = hex.EncodeToString(m.Sum(nil))
	}
	if o.tlsCert != "" {
		c, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
		if err != nil {
			return nil, fmt.Errorf("the certificate: %w", err)
		}
		g.tls = &tls.Config{Certificates: []tls.Certificate{c}, MinVersion: tls.VersionTLS12}
	}
	if o.clientCA != "" {
		b, err := os.ReadFile(o.clientCA)
		if err != nil {
			return nil, fmt.Errorf("the authorities: %w", err)
		}
		g.tls.ClientCAs, g.tls.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !g.tls.ClientCAs.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("%s has no certificate in PEM", o.clientCA)
		}
	}
	return g, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// headers are those of all answers: scripts and styles are ours alone, and no other site may show
// or read anything.
var headers = map[string]string{
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
		"img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
	"X-Content-Type-Options": "nosniff",
	// Not "no-referrer": a form would then be sent without saying where it is from.
	"Referrer-Policy":              "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cache-Control":                "no-store",
}

// wrap guards a handler. Paths in public need no token.
func (g *guard) wrap(h http.Handler, public func(path string) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for k, v := range headers {
			w.Header().Set(k, v)
		}
		switch {
		case !g.named(r.Host):
			http.Error(w, fmt.Sprintf("this host is not known as %q: shim6web -host NAME lets a name in", r.Host), http.StatusMisdirectedRequest)
		case foreign(r):
			http.Error(w, "another site may not ask for this", http.StatusForbidden)
		case public(r.URL.Path) || g.known(r):
			h.ServeHTTP(w, r)
		case r.URL.Path == "/":
			http.Redirect(w, r, "/login", http.StatusSeeOther)
		default:
			w.Header().Set("Connection", "close")
			w.Header().Set("WWW-Authenticate", `Bearer realm="shim6web"`)
			http.Error(w, "a token is needed", http.StatusUnauthorized)
		}
	})
}

// named reports whether a request names this host: by an address, which cannot be bound to
// another one, or by a name that was let in.
func (g *guard) named(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if net.ParseIP(strings.Trim(host, "[]")) != nil {
		return true
	}
	return slices.ContainsFunc(g.hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// foreign reports whether a page of another site has made a request. To follow a link to the page
// itself is not meant.
func foreign(r *http.Request) bool {
	if o := r.Header.Get("Origin"); o != "" {
		u, err := url.Parse(o)
		return err != nil || u.Host != r.Host
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return false
	}
	return r.Method != http.MethodGet || r.URL.Path != "/" && r.URL.Path != "/login" || r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document"
}

// cookieName has the port by which the browser asks: it gives cookies to all ports of a host, so that
// two programs would take each other's. With TLS, no other site of the domain can set it.
func cookieName(r *http.Request) string {
	host, port, prefix := r.Host, "80", ""
	if r.TLS != nil {
		port, prefix = "443", "__Host-"
	}
	if _, p, err := net.SplitHostPort(host); err == nil {
		if n, err := strconv.ParseUint(p, 10, 16); err == nil {
			port = strconv.FormatUint(n, 10)
		}
	}
	return prefix + "shim6web-" + port
}

// known reports whether a request shows the token, or that its browser has shown it.
func (g *guard) known(r *http.Request) bool {
	if g.token == "" {
		return true
	}
	if c, err := r.Cookie(cookieName(r)); err == nil && same(c.Value, g.cookie) {
		return true
	}
	if t, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return same(t, g.token)
	}
	return false
}

// same compares without telling by its time how much is the same.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// login takes the token from the form of the page, and gives the browser a cookie for it.
func (g *guard) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4096)
	if !same(strings.TrimSpace(r.PostFormValue("token")), g.token) {
		http.Redirect(w, r, "/login?wrong", http.StatusSeeOther)
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(r), Value: g.cookie, Path: "/", HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
