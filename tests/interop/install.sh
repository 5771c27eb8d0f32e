#!/usr/bin/env bash
# Sets up the programs to talk to in the folder $1. What cannot be had is named in $1/missing, with
# the reason, and is no error: the others are there.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
stamp="$dir/.stamp-$(cat "$here/install.sh" "$here/requirements.txt" "$here/package.json" |
    cksum | cut -d' ' -f1)"
: >"$dir/missing"

missing() { # PEER REASON
    echo "$1: $2" | tee -a "$dir/missing"
}

have() { command -v "$1" >/dev/null 2>&1; }

# --- Debian's packages -----------------------------------------------------------------------------

# One after another, so that one that is not there does not keep the others away.
sudo=()
[ "$(id -u)" = 0 ] || sudo=(sudo -n)
updated=
package() { # PROGRAM PACKAGE
    if have "$1"; then return; fi
    if ! have apt-get; then missing "$2" "not a Debian system"; return; fi
    if [ -z "$updated" ]; then
        timeout 60 "${sudo[@]}" apt-get -qq update >"$dir/apt.log" 2>&1 || true
        updated=1
    fi
    timeout 150 "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq install -y --no-install-recommends "$2" >>"$dir/apt.log" 2>&1 ||
        missing "$2" "apt-get could not install it; see ${dir##*/}/apt.log"
}
package libwebsockets-test-server libwebsockets-test-server
package chromium chromium

# --- Python's and Node's libraries -----------------------------------------------------------------

if [ ! -e "$stamp" ]; then
    rm -rf "$dir/venv" "$dir/node" "$dir"/.stamp-*
    if python3 -m venv "$dir/venv" >"$dir/pip.log" 2>&1; then
        timeout 120 "$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
            -r "$here/requirements.txt" >>"$dir/pip.log" 2>&1 || rm -rf "$dir/venv"
    else
        rm -rf "$dir/venv"
    fi
    if have npm; then
        mkdir -p "$dir/node"
        cp "$here/package.json" "$dir/node"
        timeout 120 npm install --silent --no-audit --no-fund --prefix "$dir/node" \
            >"$dir/npm.log" 2>&1 || rm -rf "$dir/node"
    fi
    if [ -d "$dir/venv" ] && [ -d "$dir/node" ]; then : >"$stamp"; fi
fi
[ -d "$dir/venv" ] || missing "websockets, aiohttp" "pip could not install them; see pip.log"
if ! have node || ! have npm; then
    missing ws "there is no Node here"
elif [ ! -d "$dir/node" ]; then
    missing ws "npm could not install it; see npm.log"
fi
