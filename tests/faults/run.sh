#!/usr/bin/env bash
# Makes the n-th system call of a kind fail, for every n and a list of kinds and errors, in a client
# and in a listener, and looks at what becomes of them.
#
#   run.sh [--seconds N] [--jobs N] [--only PATTERN]
#
#   --seconds N       begin nothing new after this time; kinds that were not done are named
#   --jobs N          runs at a time (default: two per core, as many only wait)
#   --only PATTERN    some kinds only, as 'client recvfrom *'
#
# The last line counts the runs, and the exit status is 0 only if none failed. Status 77 means that
# nothing could be run here, for the reason that is printed.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

if ! command -v strace >/dev/null; then
    echo "faults: strace is not installed"
    exit 77
fi
# Containers often forbid to trace a process; and the option is of strace 5.3.
if ! strace -f -qq --seccomp-bpf -o /dev/null -e trace=getpid -e inject=getpid:error=EINTR true; then
    echo "faults: strace may not trace a process here, or is too old"
    exit 77
fi
cd "$root"
cargo build --locked -p wirewright-tests --bin scenario
target=$(cargo metadata --format-version 1 --no-deps |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
exec "$here/faults.py" "$target/debug/scenario" "$@"
