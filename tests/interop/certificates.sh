#!/usr/bin/env bash
# Makes the certificates that tests over TLS need in the folder $1, by openssl, good for two days:
#
#   ca.pem             the authority of all but the stranger
#   server.pem .key    for localhost and 127.0.0.1, a key on P-256; server-rsa.pem .key, RSA
#   server.sha256      the hash of its public key, in base64, by which browsers know it
#   client.pem .key    a client's, "gateway 7"
#   stranger.pem .key  a client's, which its own authority, other-ca.pem, has issued
set -euo pipefail

mkdir -p "$1"
cd "$1"

key() { # NAME
    case $1 in
        *-rsa) openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$1.key" ;;
        *) openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" ;;
    esac
}

authority() { # NAME
    key "$1"
    openssl req -x509 -new -key "$1.key" -days 2 -out "$1.pem" -subj "/O=Interop/CN=$1" \
        -addext 'keyUsage=critical,keyCertSign,cRLSign'
}

certificate() { # NAME AUTHORITY COMMON-NAME EXTENSIONS
    key "$1"
    openssl req -new -key "$1.key" -subj "/O=Interop/CN=$3" -out "$1.csr"
    openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 2 \
        -extfile <(printf '%b' "basicConstraints=CA:FALSE\n$4\n") -out "$1.pem" 2>/dev/null
    rm "$1.csr"
}

serves='subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth'
authority ca
authority other-ca
certificate server ca localhost "$serves"
certificate server-rsa ca localhost "$serves"
certificate client ca 'gateway 7' 'extendedKeyUsage=clientAuth'
certificate stranger other-ca stranger 'extendedKeyUsage=clientAuth'
openssl pkey -in server.key -pubout -outform DER | openssl dgst -sha256 -binary |
    base64 >server.sha256
