// SPDX-License-Identifier: BSD-3-Clause

package cga

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"net/netip"
)

// Files keep addresses that were made here as PEM blocks (RFC 7468): each has the PDS in it and the
// address in a header, so that the Sec is kept, too.
const (
	pemType    = "CGA PARAMETERS"
	pemAddress = "Address"
)

// EncodePEM writes addresses, each with its PDS, as text that DecodePEM reads. Errors are those of
// AppendBinary.
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

// DecodePEM reads the text that EncodePEM wrote. It also takes the bare octets of one PDS, as other
// programs write them; they have no address, so it is the zero Addr. The addresses of PEM blocks
// have been verified with their PDS (VerifyCGA). Around and between PEM blocks only white space is
// allowed: otherwise the loss of a member of a set could go unnoticed.
//
// Errors are ErrPDS if there is no PDS, and those of Parse and VerifyCGA.
func DecodePEM(b []byte) ([]Address, error) {
	if !bytes.Contains(b, pemBegin) {
		p, err := Parse(b)
		if err != nil {
			return nil, err
		}
		return []Address{{PDS: p}}, nil
	}
	var list []Address
	for b = bytes.TrimSpace(b); len(b) > 0; b = bytes.TrimSpace(b) {
		block, rest, err := decodeNext(b)
		if err != nil {
			return nil, fmt.Errorf("PEM block %d: %w", len(list)+1, err)
		}
		b = rest
		if block.Type != pemType {
			return nil, fmt.Errorf("%w: there is a PEM block %q in place of %q", ErrPDS, block.Type, pemType)
		}
		a, err := decodeBlock(block)
		if err != nil {
			return nil, fmt.Errorf("PEM block %d: %w", len(list)+1, err)
		}
		list = append(list, a)
	}
	return list, nil
}

// decodeNext reads the PEM block at the beginning of b. pem.Decode alone goes on to the next block
// if one is damaged, or if there is something else before it.
func decodeNext(b []byte) (block *pem.Block, rest []byte, err error) {
	if !bytes.HasPrefix(b, pemBegin) {
		return nil, nil, fmt.Errorf("%w: there is something that is no PEM block", ErrPDS)
	}
	block, rest = pem.Decode(b)
	if block == nil || bytes.Count(b[:len(b)-len(rest)], pemBegin) != 1 {
		return nil, nil, fmt.Errorf("%w: it cannot be read", ErrPDS)
	}
	return block, rest, nil
}

var pemBegin = []byte("-----BEGIN ")

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
