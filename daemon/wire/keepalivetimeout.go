// SPDX-License-Identifier: BSD-3-Clause

package wire

import "encoding/binary"

// KeepaliveTimeout is the Keepalive Timeout option (RFC 5534, section 5.3).
type KeepaliveTimeout struct {
	// Seconds is the Keepalive Timeout that the sender would like its peer to use, in
	// seconds. The RFC does not say what 0 means.
	Seconds uint16
}

// KeepaliveTimeout returns the Keepalive Timeout option.
func (o Options) KeepaliveTimeout() *KeepaliveTimeout { return find[*KeepaliveTimeout](o) }

// keepaliveTimeoutLen is the Length of a Keepalive Timeout option: 16 reserved bits come first.
const keepaliveTimeoutLen = 4

// Type returns OptionKeepaliveTimeout.
func (o *KeepaliveTimeout) Type() OptionType     { return OptionKeepaliveTimeout }
func (o *KeepaliveTimeout) contentsLen() int     { return keepaliveTimeoutLen }
func (o *KeepaliveTimeout) reserved() (int, int) { return 0, 2 }

func decodeKeepaliveTimeout(_ Type, c []byte, _ int) (Option, *ProtocolError) {
	return &KeepaliveTimeout{Seconds: binary.BigEndian.Uint16(c[2:])}, nil
}

func (o *KeepaliveTimeout) appendContents(b []byte) ([]byte, error) {
	return binary.BigEndian.AppendUint16(append(b, 0, 0), o.Seconds), nil
}
