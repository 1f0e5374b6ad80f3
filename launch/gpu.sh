#!/usr/bin/env bash
# One host, some or all of its devices, one process:
#   launch/gpu.sh CONFIG NUM_DEVICES [options of skeljax.main]
#   launch/gpu.sh configs/nwucla_ctrgcn.py:joint 4 --workdir runs/joint
set -euo pipefail
if [ $# -lt 2 ]; then
  echo "usage: $0 CONFIG NUM_DEVICES [options]" >&2
  exit 2
fi
config=$1 devices=$2
shift 2
exec python -m skeljax.main --config "$config" --devices "$devices" "$@"
