#!/bin/sh
# Writes the keys of the fuzz targets anew, as OpenSSL 3 writes them. They are for tests alone:
# anybody can read them. Signatures of Ed25519 are all of one length, so that a handshake's bytes
# are in the same places each time.
set -eu
cd "$(dirname "$0")"
rm -f ./*.pem ./*.key ./*.jwks

key() { openssl genpkey -algorithm ED25519 -out "$1.key"; }

# 36500 days: who runs the tests has a clock of their own.
key ca
openssl req -x509 -new -key ca.key -subj "/CN=authority" -days 36500 -out ca.pem \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign"
for name in server client; do
    key "$name"
    openssl req -x509 -new -key "$name.key" -CA ca.pem -CAkey ca.key -subj "/CN=$name" \
        -days 36500 -out "$name.pem" -addext "basicConstraints=critical,CA:FALSE" \
        -addext "subjectAltName=DNS:example.com" \
        -addext "extendedKeyUsage=serverAuth,clientAuth"
done
rm ca.key

# Who signs tokens, and the set that says so (RFC 7517).
openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out p256.key
key ed25519
public() { openssl pkey -in "$1.key" -pubout -outform DER | tail -c "$2"; }
base64url() { base64 -w 0 | tr '+/' '-_' | tr -d '='; }
# A modulus of 256 bytes, and behind it the exponent 65537 in five.
rsa=$(public rsa 261 | head -c 256 | base64url)
x=$(public p256 64 | head -c 32 | base64url) y=$(public p256 32 | base64url)
ed25519=$(public ed25519 32 | base64url)
cat >keys.jwks <<END
{"keys": [
{"kty": "RSA", "kid": "rsa", "use": "sig", "n": "$rsa", "e": "AQAB"},
{"kty": "EC", "kid": "p256", "alg": "ES256", "crv": "P-256", "x": "$x", "y": "$y"},
{"kty": "OKP", "kid": "ed25519", "crv": "Ed25519", "x": "$ed25519"}
]}
END
