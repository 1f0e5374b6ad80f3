#!/usr/bin/env bash
# Run on every worker of a TPU pod slice (JAX finds the others by the pod's own metadata):
#   gcloud compute tpus tpu-vm ssh NAME --worker=all --command \
#     "cd skeljax && launch/tpu_pod.sh configs/nwucla_ctrgcn.py --workdir /mnt/shared_disk/runs/x"
set -euo pipefail
if [ $# -lt 1 ]; then
  echo "usage: $0 CONFIG [options]" >&2
  exit 2
fi
config=$1
shift
exec python -m skeljax.main --distributed --config "$config" "$@"
