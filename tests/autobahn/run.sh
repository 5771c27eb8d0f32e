#!/usr/bin/env bash
# Runs the Autobahn suite against the echo server and against a client of ours.
#
#   run.sh [--quick] [--cases PATTERNS] [--jobs N] [--tls]
#
#   --quick             100 messages a case in groups 12 and 13 instead of 1000
#   --cases PATTERNS    some cases only, as '1.*,6.4.*,12.1.1' (default: all 517)
#   --jobs N            processes that share the cases (default: one per core)
#   --tls               over TLS, with certificates made by openssl for this run
#
# The suite is set up in $AUTOBAHN_DIR, by default target/autobahn/suite; the reports lie in
# target/autobahn/server and target/autobahn/client, with -tls behind it over TLS. The last two lines
# count the verdicts, and the exit status is 0 only if every case of both roles is OK (three are
# informational for everybody).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
messages=1000 cases='*' jobs=$(nproc) tls=
while [ $# -gt 0 ]; do
    case $1 in
        --quick) messages=100; shift ;;
        --cases) cases=${2:?--cases needs patterns}; shift 2 ;;
        --jobs) jobs=${2:?--jobs needs a number}; shift 2 ;;
        --tls) tls=-tls; shift ;;
        *) sed -n '2,14p' "$0" >&2; exit 64 ;;
    esac
done

suite=${AUTOBAHN_DIR:-$root/target/autobahn/suite}
"$here/install.sh" "$suite"

cd "$root"
cargo build --release -p wirewright --examples
target=$(cargo metadata --format-version 1 --no-deps |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
examples=$target/release/examples

over=() serves=() trusts=()
if [ -n "$tls" ]; then
    certificates=$root/target/autobahn/certificates
    "$root/tests/interop/certificates.sh" "$certificates"
    over=(--tls "$certificates")
    serves=(--tls "$certificates/server.pem" "$certificates/server.key")
    trusts=(--ca "$certificates/ca.pem")
fi

# Both roles run whatever comes of the first; their last lines are kept for the end.
status=0
run_role() {
    local role=$1 out=$root/target/autobahn/$1$tls
    shift
    "$here/run_role.py" "$role" --suite "$suite" --out "$out" --cases "$cases" "${over[@]}" \
        --messages "$messages" --jobs "$jobs" -- "$@" >"$out.log" || status=1
    sed '$d' "$out.log"
}
mkdir -p "$root/target/autobahn"
run_role server "$examples/echo_server" '127.0.0.1:{port}' "${serves[@]}"
run_role client "$examples/autobahn_client" '{url}' '{agent}' "${trusts[@]}"
tail -q -n 1 "$root/target/autobahn/server$tls.log" "$root/target/autobahn/client$tls.log"
exit "$status"
