#!/usr/bin/env bash
# Runs the demo cloud as four processes on this host: a prefill worker, two shards of half the layers each, and the server in
# front of them. A process that dies is started again, at first after a second, later and later if it dies at once. Ctrl-C ends
# all. The programs are those of $WAFERD, of this source tree's build, or of the path. Arguments go to the server.
set -uo pipefail
case " $* " in *" --help "* | *" -h "*)
  sed -n '2,/^[^#]/s/^# //p' "$0"
  echo "usage: $0 [waferd's flags]"
  exit
esac
cd "$(dirname "$0")/../../.."
built=$PWD/build/bin/waferd
waferd=${WAFERD:-$([[ -x $built ]] && echo "$built" || command -v waferd)} || { echo "run.sh: no waferd; 'make build' first" >&2; exit 1; }
model=deploy/models/demo.gguf

layers=$("$(dirname "$waferd")/waferctl" model inspect "$model" --json | sed 's/.*"layers":\([0-9]*\).*/\1/') || exit 1
half=$((layers / 2))

# keep NAME ARGUMENTS...: a waferd with these arguments, for as long as this script runs.
keep() {
  local name=$1 pause=1 begun status child
  shift
  trap 'kill "$child" 2>/dev/null; wait "$child"; exit' TERM
  while true; do
    begun=$SECONDS
    "$waferd" "$@" & child=$!
    wait "$child"; status=$?
    ((SECONDS - begun > 60)) && pause=1
    echo "run.sh: the $name ended with status $status, starting it again in $pause s" >&2
    sleep "$pause" & child=$!
    wait "$child"
    pause=$((pause < 16 ? pause * 2 : 30))
  done
}

keepers=()
trap 'kill "${keepers[@]}" 2>/dev/null; wait; exit' INT TERM
keep "prefill worker" --role prefill --model "$model" --listen 127.0.0.1:7100 & keepers+=($!)
keep "first shard" --role shard --model "$model" --layers 0:$half --listen 127.0.0.1:7101 & keepers+=($!)
keep "last shard" --role shard --model "$model" --layers "$half:$layers" --listen 127.0.0.1:7102 & keepers+=($!)
keep server --config deploy/config/processes/cloud.yaml "$@" & keepers+=($!)
wait
