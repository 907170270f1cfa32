#!/usr/bin/env bash
#SBATCH --job-name=waferline-sweep --cpus-per-task=1 --time=01:00:00
# sbatch --array=0-7 examples/sweeps/slurm.sh FOLDER; then: waferctl sim merge FOLDER/part-*.json
set -euo pipefail
mkdir -p "$1"
cd "${SLURM_SUBMIT_DIR:-.}"
exec examples/sweeps/sweep.sh "$SLURM_ARRAY_TASK_ID" "$SLURM_ARRAY_TASK_COUNT" "$1"
