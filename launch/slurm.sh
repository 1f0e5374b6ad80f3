#!/usr/bin/env bash
# Several hosts under Slurm, one process a host (JAX finds the others by Slurm's own variables):
#   sbatch --nodes=4 --gpus-per-node=8 launch/slurm.sh configs/nwucla_ctrgcn.py --workdir /data/runs/x
# The run folder must be on a disk that all hosts share.
#SBATCH --ntasks-per-node=1
#SBATCH --signal=TERM@60
#SBATCH --requeue
set -euo pipefail
if [ $# -lt 1 ]; then
  echo "usage: sbatch [--nodes=N] $0 CONFIG [options]" >&2
  exit 2
fi
config=$1
shift
exec srun --kill-on-bad-exit=1 python -m skeljax.main --distributed --config "$config" "$@"
