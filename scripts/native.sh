#!/usr/bin/env bash
# Puts the native libraries into native/lib: sherpa-onnx's C interface and the ONNX Runtime it
# shares with `ort`. Both come from one wheel of the Python package index, which takes no Python
# to use. Each file's sha256 is checked on every run, so a damaged one is replaced.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "setup: $*" >&2
    exit 1
}

# Keep in step with `sherpa-onnx` in Cargo.toml.
package=sherpa-onnx-core==2.0.1
case $(uname -s)-$(uname -m) in
    Linux-x86_64)
        platform=manylinux2014_x86_64
        checksums="\
4b3607aebd1784b26b6f9b20e4bd974c7ab8287043e4d095cb7d2cb40b5e566e  libonnxruntime.so
250bf877faccc35d311041f7da84ad652772857be935eaa789f4c621a1d56e3e  libsherpa-onnx-c-api.so"
        ;;
    Linux-aarch64)
        platform=manylinux2014_aarch64
        checksums="\
cfc800d4438f15e8d9017521326776ca7117d8783cb847ccccc2fc61ac4d540f  libonnxruntime.so
0ff5424726570888040e9e4ba2de7b145d77e298a61bb9db9f5d793af4f6f7ad  libsherpa-onnx-c-api.so"
        ;;
    *) fail "no native libraries for $(uname -s) on $(uname -m): Linux on x86_64 or aarch64 is needed" ;;
esac

intact() {
    (cd "$1" && sha256sum --check --status <<<"$checksums") 2>/dev/null
}

intact native/lib && exit 0
[[ -d native/lib ]] && echo "setup: native/lib is incomplete or damaged: fetching it again"

scripts/packages.sh ca-certificates pip
mkdir -p native
new=$(mktemp -d native/new.XXXXXX)
trap 'rm -rf "$new"' EXIT

echo "setup: downloading $package (ONNX Runtime and sherpa-onnx, about 12 MB)"
# `download` installs nothing, so a Python that its distribution manages (PEP 668) allows it.
python3 -m pip download --disable-pip-version-check --no-deps --only-binary=:all: \
    --platform "$platform" --python-version 3.12 --dest "$new/wheel" "$package" ||
    fail "pip could not download $package: check the network (and pip's index, \`pip config list\`) and the free disk space, then run this again"

mkdir "$new/lib"
python3 - "$new" <<'PYTHON' || fail "cannot unpack $package into native/: is the disk full?"
import glob, os, shutil, sys, zipfile

new = sys.argv[1]
try:
    with zipfile.ZipFile(glob.glob(os.path.join(new, "wheel", "*.whl"))[0]) as wheel:
        for name in ("libonnxruntime.so", "libsherpa-onnx-c-api.so"):
            with wheel.open("sherpa_onnx/lib/" + name) as source:
                with open(os.path.join(new, "lib", name), "wb") as target:
                    shutil.copyfileobj(source, target)
except (OSError, KeyError, zipfile.BadZipFile) as error:
    sys.exit(f"setup: {error}")
PYTHON
if ! intact "$new/lib"; then
    (cd "$new/lib" && sha256sum --check <<<"$checksums") >&2 || true
    fail "$package is not the file we know (see above) and was deleted: its index or a proxy serves something else"
fi
rm -rf native/lib
mv "$new/lib" native/lib
echo "setup: native/lib is ready"
