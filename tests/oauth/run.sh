#!/usr/bin/env bash
# Our tokens and checks of tokens against an authorization server that nobody here wrote: see
# README.md.
#
#   run.sh
#
# The server is set up in target/oauth. The last line counts the cases, and the exit status is 0
# only if none failed; it is 77 where there is no Node, or the server could not be installed.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"
target=$(cargo metadata --format-version 1 --no-deps |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
dir=$target/oauth
mkdir -p "$dir"

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "oauth: skipped, there is no Node here"
    exit 77
fi
if ! cmp -s "$here/package.json" "$dir/package.json" || ! [ -e "$dir/.installed" ]; then
    rm -rf "$dir/node_modules" "$dir/package-lock.json" "$dir/.installed"
    cp "$here/package.json" "$dir"
    if ! timeout 120 npm install --silent --no-audit --no-fund --prefix "$dir" \
            >"$dir/npm.log" 2>&1; then
        echo "oauth: skipped, npm could not install oidc-provider; see ${dir#"$root/"}/npm.log"
        exit 77
    fi
    touch "$dir/.installed"
fi
# Next to what it imports.
cp "$here/server.mjs" "$dir"
"$root/tests/interop/certificates.sh" "$dir/certificates"
cargo build --locked -p wirewright-tests --features auth --bin oauth
cd "$dir"
exec "$target/debug/oauth" server.mjs certificates
