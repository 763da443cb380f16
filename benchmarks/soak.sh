#!/usr/bin/env bash
# `make soak`: the figures of a farm that lives, in their long forms; about two hours on two cores.
# Each step prints its table. One that misses a goal does not end the others; the exit code says so at the end.
# Names of steps as arguments run these alone: benchmarks/soak.sh under-fire gaps
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export PATH="$PWD/.venv/bin:$PATH"
IOT_FARM_RESULTS="$PWD/results/soak-$(date -u +%Y%m%dT%H%M%SZ)"
export IOT_FARM_RESULTS IOT_FARM_STATE="$IOT_FARM_RESULTS/state"

wanted=("$@")
failures=()
left_out=()
child=""

interrupted() {
  [[ -z $child ]] || kill -TERM -- "-$child" 2>/dev/null || true
  exit "$1"
}
trap 'interrupted 130' INT
trap 'interrupted 143' TERM

# Each step gets a process group of its own, so that an interrupt ends it with all of its nodes.
set -m

asked_for() {
  ((${#wanted[@]} == 0)) || [[ " ${wanted[*]} " == *" $1 "* ]]
}

# step NAME COMMAND...: shows the command, runs it, and keeps the name of one that failed.
step() {
  local name=$1 code=0
  shift
  asked_for "$name" || return 0
  printf '\n== %s, %s\n$ %s\n' "$name" "$(date -u +%H:%M:%S)" "$*"
  "$@" </dev/null &
  child=$!
  wait "$child" || code=$?
  child=""
  if ((code)); then
    failures+=("$name")
  fi
}

audit() {
  step "$1" python -m benchmarks.audit "$@"
}

audit under-fire --frames 100000
audit gaps --rounds 5
audit straggler --seconds 60
audit many-nodes --minutes 10
audit join-schedules --runs 10000
audit simulated-farms --runs 100000
if python -c 'import atheris' 2>/dev/null; then
  audit fuzz --runs 1000000
elif asked_for fuzz; then
  left_out+=("fuzz, which needs atheris: pip install 'ck-iot-farm[fuzz]'")
fi
audit half-open
audit bad-input
audit tls
step chaos iot-farm chaos benchmarks/farm-6-spare.json --seconds 60 --kills 16 --stops 12

printf '\n'
for reason in ${left_out[@]+"${left_out[@]}"}; do
  printf 'left out: %s\n' "$reason"
done
if ((${#failures[@]})); then
  printf 'missed: %s\n' "${failures[*]}"
  exit 1
fi
echo "every step that was run met its goals"
