#!/usr/bin/env bash
# Two processes on this machine, one CPU device each, as a rehearsal of two hosts:
#   launch/local_pair.sh configs/synthetic_ctrgcn.py --workdir runs/pair
set -euo pipefail
if [ $# -lt 1 ]; then
  echo "usage: $0 CONFIG [options]" >&2
  exit 2
fi
config=$1
shift
port=${PORT:-$(python -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')}
export JAX_PLATFORMS=cpu JAX_CPU_COLLECTIVES_IMPLEMENTATION=gloo
export JAX_COORDINATOR_ADDRESS=localhost:$port JAX_NUM_PROCESSES=2
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true' TERM INT
for process in 0 1; do
  JAX_PROCESS_ID=$process python -m skeljax.main --distributed --config "$config" "$@" &
  pids+=($!)
done
running() { kill -0 "$1" 2>/dev/null; }
while running "${pids[0]}" && running "${pids[1]}"; do sleep 0.2; done
first=${pids[0]} second=${pids[1]}
if running "$first"; then first=${pids[1]} second=${pids[0]}; fi
status=0 other=0
wait "$first" || status=$?
# One that fails leaves the other waiting for it in a collective, where SIGTERM is not heard.
if [ $status -ne 0 ]; then kill -KILL "$second" 2>/dev/null || true; fi
wait "$second" 2>/dev/null || other=$?
exit $((status ? status : other))
