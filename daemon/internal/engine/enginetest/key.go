// SPDX-License-Identifier: BSD-3-Clause

package enginetest

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"sync"
)

// Key is an RSA key of 1024 bits for CGAs. It is fixed, so that runs repeat, and protects
// nothing.
var Key = sync.OnceValue(func() *rsa.PrivateKey {
	b, _ := pem.Decode([]byte(keyPEM))
	k, err := x509.ParsePKCS1PrivateKey(b.Bytes)
	if err != nil {
		panic(err)
	}
	return k
})

const keyPEM = `-----BEGIN RSA PRIVATE KEY-----
MIICXQIBAAKBgQDInEJ3fNeq16BG9CNdEzwavaCeREXsR7mzx+j3sxzJfMPbMdTZ
LKXnu4zZAh5p7oLU8HBc4Q1DrXlhzL/shjsZ0ldRj3aqmQkibggPYV7eMdoOizia
SbXpw+YmP3RBy37K51IgdfJYUCsmbwqnYCPq+axVbIgyJaK0BjgTEjmL9wIDAQAB
AoGBAKJxRbETul9wsyxBTNF1XdoZaxI9HpGxksHtQswwkULmcIHx2/TvnngC+o5O
lOoaZH6hI5tR8Te4JO34qgCQwRE676LzgCHbqZePQVObZT9HuW5Z5kLyJImUKYix
ARjCpW+PUQ9gG+ntEXzxUer5TUmhQ53SLn8Gd6CZwmWhGuPBAkEA+bpcu3FGmazh
NEYnlifrAUdte5izO3EnKwGfVxB+XISeD+jCE+0VeycNkOtPD6KGZHHeted1ZELm
kboerNsQGQJBAM2mF/N6Wzz0smlu/vvu0/Hga6wXyNYUxbhFso/3gR1JZNW15yW0
Zqj3UEC/8bO+VbZzN7j6/4i/OcueR0ZRvo8CQD9SnDUDci2BgtFogJ04ngSDAiX3
AGuwM4haLvc6vW/kSNgr4xp+YZYKvwviPvft9DoADcL+X+v+csy87w5RtfECQDD+
x2oM1rv5GKCh/0IKrphL/Zsst365yDmU8Wv3bd2KZOm9wupqxqKu+YHTuUQ3rrgf
T0FVG5h65swqU5TfWOUCQQC9vx8eInHfowo6FDJORHLWkXPqG1ShWiecxYjRmKbg
1zDIPn+pxKfFgSsQW8I0S+HsqGJ3cs/BYr1WDVOEv+RC
-----END RSA PRIVATE KEY-----
`
