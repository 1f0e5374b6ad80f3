#!/usr/bin/env bash
# This machine's CPU with huge pages, on Linux with glibc 2.35 or newer:
#   launch/cpu.sh CONFIG [options of skeljax.main]
# XLA asks for the memory of every step anew. In pages of 4 KiB the kernel takes a good part of the
# step to hand it out; the arithmetic is the same.
set -euo pipefail
if [ $# -lt 1 ]; then
  echo "usage: $0 CONFIG [options]" >&2
  exit 2
fi
config=$1
shift
export JAX_PLATFORMS=cpu GLIBC_TUNABLES=${GLIBC_TUNABLES:+$GLIBC_TUNABLES:}glibc.malloc.hugetlb=1
exec python -m skeljax.main --config "$config" "$@"
