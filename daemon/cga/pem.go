// SPDX-License-Identifier: BSD-3-Clause

package cga

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"net/netip"
)

// The form in which addresses made here are kept in files: a PEM block (RFC
// 7468) for each, with the PDS in it and the address in a header, so that its
// Sec is kept as well.
const (
	pemType    = "CGA PARAMETERS"
	pemAddress = "Address"
)

// EncodePEM writes addresses, each with its PDS, as text that DecodePEM reads.
// Errors are those of AppendBinary.
func EncodePEM(list []Address) ([]byte, error) {
	var b bytes.Buffer
	for _, a := range list {
		der, err := a.PDS.MarshalBinary()
		if err != nil {
			return nil, err
		}
		block := &pem.Block{Type: pemType, Bytes: der, Headers: map[string]string{pemAddress: a.Addr.String()}}
		if err := pem.Encode(&b, block); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// DecodePEM reads what EncodePEM wrote. It also takes the bare octets of one PDS,
// as other programs write them: its address, which is not in them, is then the
// zero Addr. Addresses that are there have been verified with their PDS
// (VerifyCGA).
//
// Errors are ErrPDS if there is no PDS, and those of Parse and VerifyCGA.
func DecodePEM(b []byte) ([]Address, error) {
	if !bytes.Contains(b, []byte("-----BEGIN ")) {
		p, err := Parse(b)
		if err != nil {
			return nil, err
		}
		return []Address{{PDS: p}}, nil
	}
	var list []Address
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			break
		}
		if block.Type != pemType {
			return nil, fmt.Errorf("%w: there is a PEM block %q, where %q is looked for", ErrPDS, block.Type, pemType)
		}
		a, err := decodeBlock(block)
		if err != nil {
			return nil, fmt.Errorf("PEM block %d: %w", len(list)+1, err)
		}
		list = append(list, a)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: there is no PEM block that can be read", ErrPDS)
	}
	if len(bytes.TrimSpace(b)) > 0 {
		return nil, fmt.Errorf("%w: after PEM block %d there is something else", ErrPDS, len(list))
	}
	return list, nil
}

func decodeBlock(block *pem.Block) (Address, error) {
	p, err := Parse(block.Bytes)
	if err != nil {
		return Address{}, err
	}
	text, ok := block.Headers[pemAddress]
	if !ok {
		return Address{PDS: p}, nil
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return Address{}, fmt.Errorf("%w: %q", ErrAddress, text)
	}
	return Address{Addr: addr, PDS: p}, p.VerifyCGA(addr)
}
