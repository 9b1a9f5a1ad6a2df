#!/usr/bin/env bash
# Installs the Debian packages that are missing, saying which and why before it does.
#
#   scripts/packages.sh [NEED...]     NEED: cc ca-certificates flite espeak-ng pip npm venv
#
# With no NEED: what building and running Causerie takes. `pip` and `npm` are asked for by the
# scripts that download, and only when they have something to download; `venv` by scripts/peers.sh.
set -euo pipefail

fail() {
    echo "setup: $*" >&2
    exit 1
}

# Is the need met already?
met() {
    case $1 in
        cc) command -v cc >/dev/null && [[ -e /usr/include/stdio.h ]] ;;
        ca-certificates) [[ -e /etc/ssl/certs/ca-certificates.crt ]] ;;
        flite | espeak-ng | npm) command -v "$1" >/dev/null ;;
        pip) python3 -c 'import pip' 2>/dev/null ;;
        venv) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
        *) fail "unknown need \`$1\`" ;;
    esac
}

packages() {
    case $1 in
        cc) echo gcc libc6-dev ;;
        pip) echo python3 python3-pip ;;
        venv) echo python3 python3-venv ;;
        *) echo "$1" ;;
    esac
}

reason() {
    case $1 in
        cc) echo "the linker and C compiler that Rust and its TLS library build with" ;;
        ca-certificates) echo "the certificates that downloads are checked against" ;;
        flite) echo "the default English voice" ;;
        espeak-ng) echo "the default voice for French and other languages" ;;
        pip) echo "the client of the Python package index, which carries the native libraries and models" ;;
        venv) echo "Python's virtual environments, for the engines that Causerie is measured beside" ;;
        npm) echo "the client of the npm registry, which carries a speech recognition model and Vapi's SDKs" ;;
    esac
}

needs=("$@")
((${#needs[@]})) || needs=(cc ca-certificates flite espeak-ng)

missing=()
for need in "${needs[@]}"; do
    met "$need" && continue
    read -ra of_need <<<"$(packages "$need")"
    missing+=("${of_need[@]}")
    echo "setup: installing ${of_need[*]}: $(reason "$need")"
done
((${#missing[@]})) || exit 0

command -v apt-get >/dev/null ||
    fail "this is not Debian or Ubuntu (no apt-get): install ${missing[*]} with your own package manager and run this again"
as_root=()
if ((EUID != 0)); then
    command -v sudo >/dev/null ||
        fail "installing packages takes root and there is no sudo: run \`apt-get install ${missing[*]}\` as root and run this again"
    as_root=(sudo)
fi
install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive
    apt-get install --yes -qq --no-install-recommends "${missing[@]}")

# The package lists may be absent (container images ship none) or too old to be served.
if ! "${install[@]}"; then
    echo "setup: refreshing the package lists and trying once more"
    "${as_root[@]}" apt-get update -qq ||
        fail "apt-get update failed: check the network and /etc/apt/sources.list"
    "${install[@]}" ||
        fail "apt-get could not install ${missing[*]}: see its message above, mend that and run this again"
fi
