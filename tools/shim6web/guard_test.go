// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// asked is the answer to a request with some headers, which a site with a token gives.
func asked(t *testing.T, s *site, method, host, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	r.Host = host
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

func tokenFile(t *testing.T, token string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func siteOf(t *testing.T, o options) *site {
	t.Helper()
	g, err := newGuard(&o)
	if err != nil {
		t.Fatal(err)
	}
	w := newWatcher(newFake(1).host(), nil)
	return newSite(w, g, nil)
}

// A site whose name was bound to the address of this host names itself, and is refused.
func TestRebinding(t *testing.T) {
	s := siteOf(t, options{hosts: []string{"router.example"}})
	for host, want := range map[string]int{
		"localhost": 200, "localhost:6140": 200, "LOCALHOST.:6140": 200, "127.0.0.1:6140": 200, "[::1]:6140": 200, "[fe80::1]": 200, "router.example": 200,
		"evil.example": 421, "evil.example:6140": 421, "localhost.evil.example": 421, "": 421, "127.0.0.1.evil.example": 421,
	} {
		for _, path := range []string{"/", "/api/screen", "/metrics", "/login", "/assets/app.js"} {
			if w := asked(t, s, "GET", host, path); w.Code != want {
				t.Errorf("%s of %q: %d, want %d", path, host, w.Code, want)
			}
		}
	}
}

// Pages of other sites may lead to the page, and do nothing else.
func TestCrossSite(t *testing.T) {
	s := siteOf(t, options{})
	for _, x := range []struct {
		method, path string
		want         int
		header       []string
	}{
		{"GET", "/api/screen", 200, nil},
		{"GET", "/api/screen", 200, []string{"Sec-Fetch-Site", "same-origin"}},
		{"GET", "/api/screen", 200, []string{"Sec-Fetch-Site", "none"}},
		{"GET", "/api/screen", 403, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"}},
		{"GET", "/api/screen", 403, []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}},
		{"GET", "/api/events", 403, []string{"Origin", "https://evil.example"}},
		{"GET", "/metrics", 403, []string{"Origin", "http://localhost:8080"}},
		{"GET", "/metrics", 403, []string{"Origin", "null"}},
		{"GET", "/", 200, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}},
		{"GET", "/", 403, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}},
		{"POST", "/api/doctor", 403, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}},
		{"POST", "/api/doctor", 403, []string{"Origin", "https://evil.example"}},
		{"POST", "/api/doctor", 202, []string{"Origin", "http://localhost", "Sec-Fetch-Site", "same-origin"}},
	} {
		if w := asked(t, s, x.method, "localhost", x.path, x.header...); w.Code != x.want {
			t.Errorf("%s %s %q: %d, want %d", x.method, x.path, x.header, w.Code, x.want)
		}
	}
	w := asked(t, s, "GET", "localhost", "/")
	if p := w.Header().Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'none'") || strings.Contains(p, "unsafe") || w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("headers %q", w.Header())
	}
}

// Nothing is shown without the token. A browser gets a cookie for it, which scripts do not see.
func TestToken(t *testing.T) {
	token := strings.Repeat("x", minToken)
	s := siteOf(t, options{tokenFile: tokenFile(t, token)})
	for _, path := range []string{"/api/screen", "/api/events", "/api/timeline?context=x", "/metrics", "/nothing"} {
		for _, header := range [][]string{nil, {"Authorization", "Bearer " + token + "x"}, {"Authorization", "Bearer "}, {"Authorization", token}, {"Cookie", "shim6web-80="}, {"Cookie", "shim6web-80=" + token}} {
			if w := asked(t, s, "GET", "localhost", path, header...); w.Code != 401 || strings.Contains(w.Body.String(), "2001:db8") {
				t.Errorf("%s with %q: %d %s", path, header, w.Code, w.Body)
			}
		}
	}
	if w := asked(t, s, "GET", "localhost", "/"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/login" {
		t.Errorf("the page: %d %q", w.Code, w.Header())
	}
	if w := asked(t, s, "GET", "localhost", "/metrics", "Authorization", "Bearer "+token); w.Code != 200 {
		t.Errorf("with the token: %d", w.Code)
	}
	login := func(word string) *http.Response {
		r := httptest.NewRequest("POST", "/login", strings.NewReader(url.Values{"token": {word}}.Encode()))
		r.Host = "localhost"
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		return w.Result()
	}
	if r := login("wrong"); r.Header.Get("Location") != "/login?wrong" || len(r.Cookies()) > 0 {
		t.Errorf("a wrong token: %q", r.Header)
	}
	r := login(token)
	if len(r.Cookies()) != 1 || r.Cookies()[0].Value == token || !r.Cookies()[0].HttpOnly || r.Cookies()[0].SameSite != http.SameSiteStrictMode {
		t.Fatalf("the token: %q", r.Header)
	}
	if w := asked(t, s, "GET", "localhost", "/api/screen", "Cookie", r.Cookies()[0].String()); w.Code != 200 {
		t.Errorf("with the cookie: %d", w.Code)
	}
}

// Strangers reach no socket on which readers need not show who they are.
func TestMayListen(t *testing.T) {
	dir := t.TempDir()
	cert, key := certificate(t, dir)
	token := tokenFile(t, strings.Repeat("x", minToken))
	tcp := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 6140} }
	for _, x := range []struct {
		address net.Addr
		options
		ok bool
	}{
		{tcp("127.0.0.1"), options{}, true},
		{tcp("::1"), options{}, true},
		{&net.UnixAddr{Name: "/run/x", Net: "unix"}, options{}, true},
		{tcp("0.0.0.0"), options{}, false},
		{tcp("::"), options{}, false},
		{tcp("2001:db8::1"), options{tokenFile: token}, false},
		{tcp("2001:db8::1"), options{tlsCert: cert, tlsKey: key}, false},
		{tcp("2001:db8::1"), options{tlsCert: cert, tlsKey: key, tokenFile: token}, true},
		{tcp("2001:db8::1"), options{tlsCert: cert, tlsKey: key, clientCA: cert}, true},
	} {
		g, err := newGuard(&x.options)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.mayListen(x.address); (err == nil) != x.ok {
			t.Errorf("%v with %+v: %v", x.address, x.options, err)
		}
	}
	for _, o := range []options{{tokenFile: tokenFile(t, "short")}, {tokenFile: dir + "/none"}, {tlsCert: dir, tlsKey: key}, {tlsCert: cert, tlsKey: key, clientCA: token}} {
		if _, err := newGuard(&o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

// With a client's certificate, those without one are not let in.
func TestClientCertificate(t *testing.T) {
	cert, key := certificate(t, t.TempDir())
	g, err := newGuard(&options{tlsCert: cert, tlsKey: key, clientCA: cert})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.NotFoundHandler()}
	defer s.Close()
	go s.Serve(tls.NewListener(l, g.tls))
	own, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, with := range []bool{true, false} {
		c := &tls.Config{InsecureSkipVerify: true}
		if with {
			c.Certificates = []tls.Certificate{own}
		}
		r, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: c}}).Get("https://" + l.Addr().String())
		if err == nil {
			r.Body.Close()
		}
		if (err == nil) != with {
			t.Errorf("with a certificate %v: %v", with, err)
		}
	}
}

// certificate makes files with a certificate and its key.
func certificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
