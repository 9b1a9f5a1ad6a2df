#!/bin/sh
# Proves that the pure crates are pure: no runtime, no socket, no thread, no clock, no chance among
# what they depend on. Their own code is checked by clippy (clippy.toml of each crate).
#
# Usage: scripts/purity.sh   (from anywhere; exit 1 names what does not belong)
set -eu
cd "$(dirname "$0")/.."

# A crate enters a list only after somebody has read what it does. (hound could open files; codecs
# gives it readers and writers.)
turntaking="turntaking serde serde_core serde_derive serde_json itoa zmij memchr
    regress jsonschema-regex regex regex-automata regex-syntax aho-corasick exmex smallvec
    proc-macro2 quote syn unicode-ident"
codecs="codecs audio-codec-algorithms audioadapter audioadapter-buffers audioadapter-sample
    hound num-complex num-integer num-traits primal-check realfft rubato rustfft strength_reduce
    thiserror thiserror-impl transpose visibility windowfunctions
    proc-macro2 quote syn unicode-ident"

failed=0

check() {
    crate=$1
    shift
    found=$(cargo tree --locked -p "$crate" -e normal --prefix none --format '{p}' |
        awk 'NF { print $1 }' | sort -u)
    for dependency in $found; do
        case " $* " in
        *" $dependency "*) ;;
        *)
            echo "purity: $crate depends on $dependency, which is not on its list in $0" >&2
            failed=1
            ;;
        esac
    done
}

# Unquoted on purpose: each name is a word of its own.
# shellcheck disable=SC2086
check turntaking $turntaking
# shellcheck disable=SC2086
check codecs $codecs

# A target without an operating system has nothing to be impure with.
target=wasm32-unknown-unknown
libdir=$(rustc --print target-libdir --target "$target" 2>/dev/null || true)
if [ -n "$libdir" ] && [ -d "$libdir" ]; then
    cargo build --locked -q -p turntaking --target "$target" || failed=1
else
    echo "purity: skipped the build for $target: it is not installed (rustup target add $target)"
fi

[ "$failed" -eq 0 ] && echo "purity: turntaking and codecs are pure"
exit "$failed"
