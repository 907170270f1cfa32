#!/usr/bin/env bash
# Installs the clients under test into FOLDER/node and FOLDER/python. Does nothing when the same versions are there
# already, so only the first run needs the network.   usage: setup.sh FOLDER
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
mkdir -p "$folder/node"
wanted=$(cat "$here/package.json" "$here/requirements.txt" | sha256sum)
[ "$(cat "$folder/installed" 2>/dev/null)" = "$wanted" ] && exit 0
rm -f "$folder/installed"

# Registries stumble now and then.
retry() {
  local attempt
  for attempt in 1 2 3 4; do
    "$@" && return 0
    echo "attempt $attempt failed: $*" >&2
    sleep $((attempt * 5))
  done
  return 1
}

cp "$here/package.json" "$folder/node/"
(cd "$folder/node" && retry npm install --no-package-lock --no-audit --no-fund --loglevel=error)
[ -x "$folder/python/bin/pip" ] || python3 -m venv "$folder/python"
retry "$folder/python/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
echo "$wanted" >"$folder/installed"
