#!/bin/bash
# Starts a directory with users and groups, and runs the tests of wirewright-auth that need one.
#
#     tests/ldap/run.sh [names of tests]
#
# It wants slapd and openssl; as root, or with CI=true, it installs them where they are missing, and
# otherwise leaves with status 77. All that it makes is in a folder of its own, which is gone in the
# end, as is the directory.
set -euo pipefail
cd "$(dirname "$0")/../.."

missing=()
for program in slapd openssl; do
    PATH="$PATH:/usr/sbin" command -v "$program" >/dev/null || missing+=("$program")
done
if [ ${#missing[@]} -gt 0 ]; then
    if [ "${CI:-}" != true ] && [ "$(id -u)" != 0 ]; then
        echo "directory: ${missing[*]} not installed: apt-get install ${missing[*]}"
        exit 77
    fi
    sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -qq
    # The package starts no directory of its own: another may be there.
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends \
        "${missing[@]}" >/dev/null
fi
export PATH="$PATH:/usr/sbin"

folder=$(mktemp -d)
pid=
finish() {
    if [ -n "$pid" ]; then
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    fi
    rm -rf "$folder"
}
trap finish EXIT

# A port that nobody listens on.
free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        if ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
}

# An authority, a certificate of its own for this machine, and an authority that has nothing to do
# with it.
certificates() {
    cd "$folder"
    for name in ca other; do
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
            -keyout "$name.key" -out "$name.pem" -subj "/CN=tests $name" 2>/dev/null
    done
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout server.key -out server.csr -subj "/CN=localhost" 2>/dev/null
    printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n' >extensions
    openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
        -extfile extensions -out server.pem 2>/dev/null
    cd - >/dev/null
}

# The configuration and the content of a directory.
directory() {
    local name=$1
    mkdir "$folder/$name"
    sed -e "s|@FOLDER@|$folder|g" -e "s|@NAME@|$name|g" tests/ldap/slapd.conf \
        >"$folder/$name.conf"
    slapadd -f "$folder/$name.conf" -l tests/ldap/users.ldif
}

certificates
directory shared
directory own
port=$(free_port)
tls_port=$(free_port)
slapd -d 0 -f "$folder/shared.conf" -h "ldap://127.0.0.1:$port/ ldaps://127.0.0.1:$tls_port/" &
pid=$!
for _ in $(seq 100); do
    (: <"/dev/tcp/127.0.0.1/$tls_port") 2>/dev/null && break
    sleep 0.1
done

WIREWRIGHT_LDAP_PORT=$port WIREWRIGHT_LDAPS_PORT=$tls_port WIREWRIGHT_LDAP_FOLDER=$folder \
    WIREWRIGHT_LDAP_OWN_PORT=$(free_port) \
    cargo test -p wirewright-auth --features ldap --test all "${@:-ldap}" -- --include-ignored
