#!/usr/bin/env bash
# Talks with programs that nobody here wrote, in both roles: see README.md.
#
#   run.sh [--only PATTERN]    PATTERN such as 'websockets *' or '* client'
#
# The peers are set up in target/interop. There is a line for each and its role, then one that
# counts them all; the exit status is 0 only if no case failed. A peer that could not be installed
# is named with the reason, and is no failure.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"
target=$(cargo metadata --format-version 1 --no-deps |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
cargo build --locked -p wirewright-tests --bin interop
"$here/install.sh" "$target/interop"
exec "$here/run.py" "$target/debug/interop" "$target/interop" "$@"
