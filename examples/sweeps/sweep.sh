#!/usr/bin/env bash
# One part of the sweep that the scripts next to this one run:  sweep.sh I N FOLDER
set -euo pipefail
exec "${WAFERCTL:-build/bin/waferctl}" sim sweep --config "${FLEET:-deploy/config/fleets/conversation-70b.yaml}" \
  --arrivals poisson:rate=20 --count "${COUNT:-2000}" --vary models.0.prefill.workers=2,4,8,16 \
  --vary models.0.decode.0.max_running=16,32,64 --part "$1/$2" --resume "$3/part-$1.journal" --threads 1 --json "$3/part-$1.json"
