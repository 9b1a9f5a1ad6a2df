#!/usr/bin/env bash
# Installs the engines that Causerie is measured beside, each in a virtual environment of its own
# under benches/peers/venv, from PyPI, at the versions of benches/peers/*.requirements.txt. Safe to
# run again: what is there and right is left alone.
#
#   scripts/peers.sh [PEER...]     PEER: pipecat livekit; default: both
#
# About 1 GB of disk in all. PYTHON names the interpreter; default: python3.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "peers: $*" >&2
    exit 1
}

peers=("$@")
((${#peers[@]})) || peers=(pipecat livekit)
for peer in "${peers[@]}"; do
    [[ -e benches/peers/$peer.requirements.txt ]] || fail "unknown peer \`$peer\`: pipecat or livekit"
done

python=${PYTHON:-python3}
[[ -n ${PYTHON:-} ]] || scripts/packages.sh venv
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$python is $("$python" --version 2>&1): Python 3.11 or newer is needed, name it in PYTHON"

megabytes() { du -sm "$1" | cut -f 1; }

for peer in "${peers[@]}"; do
    wanted=benches/peers/$peer.requirements.txt
    place=benches/peers/venv/$peer
    # Written when all of it was installed; a half-made one has none.
    stamp=$place/installed.txt
    if [[ -x $place/bin/python ]] && cmp --silent "$wanted" "$stamp"; then
        echo "peers: $peer is there ($(megabytes "$place") MB)"
        continue
    fi
    mkdir -p benches/peers/venv
    free=$(df --output=avail -k benches/peers/venv | tail -n 1)
    ((free >= 1024 * 1024)) ||
        fail "$((free / 1024)) MB are free here and $peer takes up to 1 GB while it is installed: make room and run this again"
    echo "peers: $peer: $(grep -c '==' "$wanted") packages into $place"
    "$python" -m venv --clear "$place"
    # The list is whole: nothing is resolved, so that everybody measures the same.
    "$place/bin/python" -m pip install --disable-pip-version-check --no-deps \
        --prefer-binary --requirement "$wanted" ||
        fail "pip could not install $peer: see its message above, mend that and run this again"
    "$place/bin/python" -m pip check
    cp "$wanted" "$stamp"
    echo "peers: $peer takes $(megabytes "$place") MB"
done
echo "peers: $(megabytes benches/peers/venv) MB in all under benches/peers/venv"
