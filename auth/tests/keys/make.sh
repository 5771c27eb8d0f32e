#!/bin/sh
# Writes the keys of the tests anew, as OpenSSL 3 and Java's keytool write them. They are for tests
# alone: anybody can read them.
set -eu
cd "$(dirname "$0")"
rm -f ./*.pem ./*.der ./*.p12

rsa() { openssl genpkey -quiet -algorithm RSA -pkeyopt "rsa_keygen_bits:$1" -out "$2"; }
curve() { openssl genpkey -algorithm EC -pkeyopt "ec_paramgen_curve:$1" -out "$2"; }
# 36500 days: who runs the tests has a clock of their own.
certify() { openssl req -x509 -new -key "$1.pem" -subj "/CN=$1" -days 36500 -out "$1-cert.pem"; }

rsa 2048 rsa.pem
rsa 1024 rsa-1024.pem
curve P-256 p256.pem
curve P-384 p384.pem
curve P-521 p521.pem
openssl genpkey -algorithm ED25519 -out ed25519.pem
openssl genpkey -algorithm ED448 -out ed448.pem
for key in rsa rsa-1024 p256 p384 p521 ed25519 ed448; do
    openssl pkey -in "$key.pem" -pubout -out "$key-public.pem"
done
for key in rsa p256 p384 ed25519; do
    certify "$key"
done
openssl x509 -in rsa-cert.pem -outform DER -out rsa-cert.der

# Other forms of the same keys.
openssl pkey -in rsa.pem -traditional -out rsa-pkcs1.pem
openssl rsa -in rsa.pem -RSAPublicKey_out -out rsa-pkcs1-public.pem
openssl pkey -in p256.pem -traditional -out p256-sec1.pem
openssl pkey -in p384.pem -traditional -out p384-sec1.pem
# As `openssl ecparam -genkey` writes it, with the parameters before the key.
{ openssl ecparam -name prime256v1; cat p256-sec1.pem; } > p256-sec1-parameters.pem
for key in rsa p256 ed25519; do
    openssl pkcs8 -topk8 -in "$key.pem" -v2 aes-256-cbc -passout pass:changeit \
        -out "$key-encrypted.pem"
done
openssl pkcs8 -topk8 -in p384.pem -scrypt -passout pass:changeit -out p384-encrypted-scrypt.pem
openssl rsa -in rsa.pem -traditional -aes128 -passout pass:changeit -out rsa-encrypted-old.pem

# Key stores: one key; two, with names; of Java; of the old encryption; and trust stores.
store() { openssl pkcs12 -export -passout pass:changeit "$@"; }
store -inkey rsa.pem -in rsa-cert.pem -name rsa -out rsa.p12
store -legacy -inkey rsa.pem -in rsa-cert.pem -name rsa -out rsa-legacy.p12
store -inkey ed25519.pem -in ed25519-cert.pem -name ed25519 -out ed25519.p12
for key in p256 p384; do
    store -inkey "$key.pem" -in "$key-cert.pem" -name "$key" -out "$key.p12"
    keytool -importkeystore -noprompt -srckeystore "$key.p12" -srcstorepass changeit \
        -srcalias "$key" -destkeystore java.p12 -deststorepass changeit -deststoretype PKCS12 \
        -destalias "Key-$key"
    keytool -importcert -noprompt -file "$key-cert.pem" -alias "Trust-$key" \
        -keystore java-trust.p12 -storepass changeit -storetype PKCS12
done
store -nokeys -in rsa-cert.pem -caname rsa -out trust.p12
