#!/usr/bin/env bash
# Runs Vapi's official SDKs against an engine of ours.
#
#   scripts/sdk.sh PATH-TO-CAUSERIE
#
# Takes Node and npm, which are installed where that is possible; where they are not, or npm reaches
# no registry, this says so and is skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
causerie=$(realpath "$1")

skip() {
    echo "skipped: Vapi's SDKs against our API: $*" >&2
    exit 0
}

scripts/packages.sh npm || skip "npm cannot be installed (see above)"
command -v node >/dev/null || skip "npm is here, but node is not"

# Built beside everything else that is built, so that the sources stay clean.
work=${CARGO_TARGET_DIR:-target}/sdk
mkdir -p "$work"
work=$(realpath "$work")
cp engine/tests/sdk/package.json engine/tests/sdk/*.mjs "$work/"
# The lock is put there last, so that it says what is installed.
lock=engine/tests/sdk/package-lock.json
if ! cmp --silent "$lock" "$work/installed.json"; then
    echo "sdk: fetching Vapi's SDKs with npm"
    cp "$lock" "$work/"
    (cd "$work" && npm ci --no-audit --no-fund --ignore-scripts) || skip "npm cannot fetch them"
    cp "$lock" "$work/installed.json"
fi

data=$(mktemp -d)
CAUSERIE_PRIVATE_KEY=$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')
export CAUSERIE_PRIVATE_KEY
# Its numbers are made up.
export CAUSERIE_TWILIO_CONFIGURE_NUMBERS=false
"$causerie" serve --listen 127.0.0.1:0 --data-dir "$data/data" >"$data/ready" 2>"$data/log" &
engine=$!
trap 'kill "$engine" 2>/dev/null || true; wait "$engine" 2>/dev/null || true; rm -rf "$data"' EXIT

until [[ -s "$data/ready" ]]; do
    kill -0 "$engine" 2>/dev/null || {
        cat "$data/log" >&2
        exit 1
    }
    sleep 0.1
done
address=$(node -p 'JSON.parse(fs.readFileSync(process.argv[1], "utf8")).listen' "$data/ready")

VAPI_BASE_URL="http://$address" VAPI_TOKEN="$CAUSERIE_PRIVATE_KEY" node --test "$work/sdk.test.mjs"
