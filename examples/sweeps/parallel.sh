#!/usr/bin/env bash
# The sweep as processes of this machine:  examples/sweeps/parallel.sh FOLDER [PARTS]
set -euo pipefail
folder=$1 parts=${2:-$(nproc)} here=$(dirname "$0")
mkdir -p "$folder"
if command -v parallel >/dev/null; then
  parallel -j "$(nproc)" "$here/sweep.sh" {} "$parts" "$folder" ::: $(seq 0 $((parts - 1)))
else
  seq 0 $((parts - 1)) | xargs -P "$(nproc)" -I{} "$here/sweep.sh" {} "$parts" "$folder"
fi
"${WAFERCTL:-build/bin/waferctl}" sim merge "$folder"/part-*.json
