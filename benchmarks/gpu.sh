#!/usr/bin/env bash
# Measures training and flow on one GPU, in about 6 minutes and at most 9:
#
#     benchmarks/gpu.sh [--out DIR] [--device cuda|cpu] [--smoke]
#
# Needs Python 3.11 or newer with PyTorch, NumPy, SciPy, pandas, Numba, safetensors and tqdm; this package need not be
# installed. The GPU tests also need pytest and PyYAML; without pytest the JSON says so.
# Each part writes DIR/{part}.json as soon as it has a result, and has a time limit so that it cannot delay the others.
# What the parts print is in DIR/log.txt.
# --smoke: tiny sizes, to try the script on a CPU. PYTHON names the interpreter (python3).
set -uo pipefail
cd "$(dirname "$0")/.."

out=results/benchmarks/gpu
options=()
patience=1
while [ $# -gt 0 ]; do
  case "$1" in
    --out) out=$2; shift 2 ;;
    --device) options+=(--device "$2"); shift 2 ;;
    --smoke) options+=(--smoke); patience=4; shift ;;
    *) echo "usage: benchmarks/gpu.sh [--out DIR] [--device cuda|cpu] [--smoke]" >&2; exit 2 ;;
  esac
done
mkdir -p "$out"
rm -f "$out/log.txt"
export PYTHONPATH=.
# As a fold's process sets it.
export CUBLAS_WORKSPACE_CONFIG=:4096:8
failed=0

part() { # NAME SECONDS
  local limit=$((patience * $2))
  rm -f "$out/$1.json"
  timeout --kill-after=5 "$limit" "${PYTHON:-python3}" benchmarks/gpu.py "$1" --out "$out" "${options[@]}" >> "$out/log.txt" 2>&1
  local status=$?
  if [ ! -e "$out/$1.json" ]; then
    echo "{\"error\": \"no result: exit status $status after at most $limit s; see log.txt\"}" > "$out/$1.json"
  fi
  [ $status = 0 ] || failed=1
  echo "$1: exit status $status, $out/$1.json"
}

part tests 110
part step 120
part folds 190
part flow 70
part profile 45
exit $failed
