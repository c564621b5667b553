// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"shim6/daemon/cga"
)

// kind is one of the two kinds of addresses, each of which is an object.
type kind struct {
	name   string
	verify func(*cga.PDS, netip.Addr) error
	// success says of an address that it verifies.
	success string
}

var (
	kindCGA = kind{"cga", (*cga.PDS).VerifyCGA, "is the CGA of"}
	kindHBA = kind{"hba", (*cga.PDS).VerifyHBA, "is in the HBA set of"}
)

// readPDS reads a file of addressGenerate, or the bare octets of a PDS.
func readPDS(path string) ([]cga.Address, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	list, err := cga.DecodePEM(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}

func (t *tool) printAddresses(list []cga.Address) error {
	if t.json {
		var objects []object
		for _, a := range list {
			o, err := addressObject(a)
			if err != nil {
				return err
			}
			objects = append(objects, o)
		}
		return t.printJSON(objects)
	}
	for _, a := range list {
		s, err := addressText(a)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprint(t.out, s); err != nil {
			return err
		}
	}
	return nil
}

// The names of what an address is bound to (RFC 5535 section 4).
const (
	boundToKey  = "cga"
	boundToBoth = "cga-hba"
	boundToSet  = "hba-only"
)

// boundTo says what an address is bound to. The Multi-Prefix extension says whether a key is in its
// place; whether that key could sign does not matter.
func boundTo(p *cga.PDS) string {
	m, err := p.MultiPrefix()
	switch {
	case err != nil:
		return boundToKey
	case m.PublicKey || m.Misplaced:
		return boundToBoth
	}
	return boundToSet
}

// keyBits is the length in bits of the RSA key, or of a nonce that looks like one; 0 if there is
// neither.
func keyBits(p *cga.PDS) int {
	k, err := x509.ParsePKIXPublicKey(p.PublicKey)
	if err != nil {
		return 0
	}
	if k, ok := k.(*rsa.PublicKey); ok {
		return k.N.BitLen()
	}
	return 0
}

// addressObject has the names of the RFCs. It leaves out the address of a bare PDS, which does not
// say it.
func addressObject(a cga.Address) (object, error) {
	p := a.PDS
	hash1, err := p.Hash1()
	if err != nil {
		return nil, err
	}
	hash2, err := p.Hash2()
	if err != nil {
		return nil, err
	}
	highest, err := p.HighestSec()
	if err != nil {
		return nil, err
	}
	var o object
	if a.Addr.IsValid() {
		o = append(o, field{"address", a.Addr}, field{"sec", cga.SecOf(a.Addr)})
	}
	o = append(o, object{
		{"bound-to", boundTo(p)},
		{"modifier", hex.EncodeToString(p.Modifier[:])},
		{"subnet-prefix", p.SubnetPrefix},
		{"collision-count", p.CollisionCount},
		{"public-key", hex.EncodeToString(p.PublicKey)},
	}...)
	if bits := keyBits(p); bits > 0 {
		o = append(o, field{"public-key-bits", bits})
	}
	m, err := p.MultiPrefix()
	if err == nil {
		o = append(o, field{"p-flag", m.PublicKey})
		if m.Misplaced {
			o = append(o, field{"p-flag-misplaced", true})
		}
		o = append(o, field{"prefixes", append([]cga.SubnetPrefix{}, m.Prefixes...)})
	}
	extensions := []object{}
	for _, e := range p.Extensions {
		extensions = append(extensions, object{{"type", e.Type}, {"data", hex.EncodeToString(e.Data)}})
	}
	return append(o, object{
		{"extensions", extensions},
		{"hash1", hex.EncodeToString(hash1[:])},
		{"hash2", hex.EncodeToString(hash2[:])},
		{"sec-highest", highest},
	}...), nil
}

// addressText is addressObject as text, without the octets of the key.
func addressText(a cga.Address) (string, error) {
	o, err := addressObject(a)
	if err != nil {
		return "", err
	}
	values := make(map[string]any)
	for _, f := range o {
		values[f.name] = f.value
	}
	var b strings.Builder
	if a.Addr.IsValid() {
		fmt.Fprintf(&b, "%v sec %v bound-to %v\n", a.Addr, values["sec"], values["bound-to"])
	} else {
		fmt.Fprintf(&b, "pds bound-to %v\n", values["bound-to"])
	}
	fmt.Fprintf(&b, "    modifier %v subnet-prefix %v collision-count %v\n", values["modifier"], values["subnet-prefix"], values["collision-count"])
	what := "public-key"
	if values["bound-to"] == boundToSet {
		what = "nonce"
	}
	fmt.Fprintf(&b, "    %s %d octets", what, len(a.PDS.PublicKey))
	if bits, ok := values["public-key-bits"]; ok {
		fmt.Fprintf(&b, ", rsa %v bits", bits)
	}
	b.WriteByte('\n')
	if list, ok := values["prefixes"].([]cga.SubnetPrefix); ok {
		fmt.Fprintf(&b, "    p-flag %v", values["p-flag"])
		if values["p-flag-misplaced"] != nil {
			b.WriteString(" p-flag-misplaced true")
		}
		fmt.Fprintf(&b, " prefixes %s\n", strings.Join(texts(list), ","))
	}
	for _, e := range a.PDS.Extensions {
		if _, err := a.PDS.MultiPrefix(); e.Type != cga.ExtensionMultiPrefix || err != nil {
			fmt.Fprintf(&b, "    extension %#04x %d octets\n", e.Type, len(e.Data))
		}
	}
	fmt.Fprintf(&b, "    hash1 %v hash2 %v sec-highest %v\n", values["hash1"], values["hash2"], values["sec-highest"])
	return b.String(), nil
}
