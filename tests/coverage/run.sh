#!/bin/bash
# Runs all tests of credentials and authenticators, and says which lines and branches of `auth` they
# have been through.
#
#     tests/coverage/run.sh [options of `cargo llvm-cov report`, such as --html or --text]
#
# It wants a nightly toolchain, for branches, and `cargo install cargo-llvm-cov --locked`. Without a
# directory to test against (tests/ldap/run.sh) it goes on without one.
set -euo pipefail
cd "$(dirname "$0")/../.."

export RUSTUP_TOOLCHAIN=nightly CARGO_TARGET_DIR=$PWD/target/coverage
environment=$(cargo llvm-cov show-env --branch --sh)
eval "$environment"
cargo llvm-cov clean --workspace

cargo test -p wirewright-auth --features ldap
tests/ldap/run.sh || [ $? = 77 ]
cargo test -p wirewright-tests --test all -- auth::

others='/(core|net|tls|tests)/|/tests(/|\.rs)'
cargo llvm-cov report --branch --ignore-filename-regex "$others" "$@"
