#!/usr/bin/env bash
# Measures training and flow on one GPU in at most 9 minutes:
#
#     benchmarks/gpu.sh [--out DIR] [--device cuda|cpu] [--smoke]
#
# Needs Python 3.11 or newer with PyTorch, NumPy, SciPy, pandas, Numba, safetensors and tqdm; this package need not be
# installed. The GPU tests also need pytest; without it the JSON says so.
# Each part writes DIR/{part}.json as soon as it has a result, and has a time limit so that it cannot delay the others.
# --smoke: tiny sizes, to try the script on a CPU. PYTHON names the interpreter (python3).
set -uo pipefail
cd "$(dirname "$0")/.."

out=results/benchmarks/gpu
options=()
while [ $# -gt 0 ]; do
  case "$1" in
    --out) out=$2; shift 2 ;;
    --device) options+=(--device "$2"); shift 2 ;;
    --smoke) options+=(--smoke); shift ;;
    *) echo "usage: benchmarks/gpu.sh [--out DIR] [--device cuda|cpu] [--smoke]" >&2; exit 2 ;;
  esac
done
mkdir -p "$out"
export PYTHONPATH=.
# As a fold's process sets it.
export CUBLAS_WORKSPACE_CONFIG=:4096:8
failed=0

part() { # NAME SECONDS
  rm -f "$out/$1.json"
  timeout --kill-after=5 "$2" "${PYTHON:-python3}" benchmarks/gpu.py "$1" --out "$out" "${options[@]}" > "$out/$1.log" 2>&1
  local status=$?
  if [ ! -e "$out/$1.json" ]; then
    echo "{\"error\": \"no result: exit status $status after at most $2 s; see $1.log\"}" > "$out/$1.json"
  fi
  [ $status = 0 ] || failed=1
  echo "$1: exit status $status, $out/$1.json"
}

part tests 85
part step 80
part folds 220
part flow 95
part profile 50
exit $failed
