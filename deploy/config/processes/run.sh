#!/usr/bin/env bash
# Runs the demo cloud as four processes on this host: a prefill worker, two shards of half the layers each, and the server in
# front of them. Ctrl-C ends all. Needs `make build`.
set -euo pipefail
cd "$(dirname "$0")/../../.."
waferd=${WAFERD:-build/bin/waferd}
model=deploy/models/demo.gguf

layers=$(build/bin/waferctl model inspect "$model" --json | sed 's/.*"layers":\([0-9]*\).*/\1/')
half=$((layers / 2))
pids=()
trap 'kill "${pids[@]}" 2>/dev/null; wait' EXIT

"$waferd" --role prefill --model "$model" --listen 127.0.0.1:7100 & pids+=($!)
"$waferd" --role shard --model "$model" --layers 0:$half --listen 127.0.0.1:7101 & pids+=($!)
"$waferd" --role shard --model "$model" --layers $half:"$layers" --listen 127.0.0.1:7102 & pids+=($!)
"$waferd" --config deploy/config/processes/cloud.yaml "$@" & pids+=($!)
wait -n
