#!/usr/bin/env bash
# Installs the clients under test into FOLDER/node and FOLDER/python. Does nothing when the same versions are there
# already, so only the first run needs the network; without it the exit code is 77, which ctest calls skipped.
#   usage: setup.sh FOLDER PACKAGE_JSON|none REQUIREMENTS
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
npm_packages=$here/$2
python_packages=$here/$3
mkdir -p "$folder/node"
[ "$2" = none ] && npm_packages=/dev/null
wanted=$(cat "$npm_packages" "$python_packages" | sha256sum)
[ "$(cat "$folder/installed" 2>/dev/null)" = "$wanted" ] && exit 0
rm -f "$folder/installed"

# Registries fail sometimes.
retry() {
  local attempt
  for attempt in 1 2 3 4; do
    "$@" && return 0
    echo "attempt $attempt failed: $*" >&2
    sleep $((attempt * 5))
  done
  echo "skipped: the registry cannot be reached, or does not have these packages" >&2
  exit 77
}

npm=
if [ "$2" != none ]; then
  cp "$npm_packages" "$folder/node/package.json"
  (cd "$folder/node" && retry npm install --no-package-lock --no-audit --no-fund --loglevel=error) & npm=$!
fi
[ -x "$folder/python/bin/pip" ] || python3 -m venv "$folder/python"
# Not compiled: few of these files are ever imported, and those are compiled then.
retry "$folder/python/bin/pip" install --quiet --disable-pip-version-check --no-compile -r "$python_packages"
[ -z "$npm" ] || wait "$npm"
echo "$wanted" >"$folder/installed"
