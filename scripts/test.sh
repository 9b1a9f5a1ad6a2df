#!/usr/bin/env bash
# Runs every test of the workspace; `make test` has made the machine ready before.
set -euo pipefail
cd "$(dirname "$0")/.."

if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --locked --no-fail-fast
    cargo test --workspace --locked --doc
else
    cargo test --workspace --locked --no-fail-fast
fi

cargo build --locked --package engine --bin causerie
scripts/sdk.sh "${CARGO_TARGET_DIR:-target}/debug/causerie"
