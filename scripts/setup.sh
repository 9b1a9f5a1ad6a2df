#!/usr/bin/env bash
# Makes a Debian machine with Rust ready: system packages, native libraries, a built `causerie`,
# models. Safe to run again: what is there is checked and left alone.
#
#   scripts/setup.sh [release|test]     which build to make; default: release
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "setup: $*" >&2
    exit 1
}

command -v cargo >/dev/null ||
    fail "Rust is missing: install it from https://rustup.rs and run this again"

if [[ ! -d target ]]; then
    free=$(df --output=avail -k . | tail -n 1)
    ((free >= 6 * 1024 * 1024)) ||
        fail "$((free / 1024)) MB are free here and a build takes about 6 GB: make room and run this again"
fi

scripts/packages.sh
scripts/native.sh

target=${CARGO_TARGET_DIR:-target}
case ${1:-release} in
    release)
        cargo build --release --locked --bin causerie
        causerie=$target/release/causerie
        ;;
    test)
        # The tests' own build includes the binary; a separate one would build most of the
        # dependencies a second time, with other features.
        cargo test --workspace --locked --no-run
        causerie=$target/debug/causerie
        ;;
    *) fail "unknown build \`$1\`: release or test" ;;
esac
scripts/models.sh "$causerie"
