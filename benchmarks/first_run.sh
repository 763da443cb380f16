#!/usr/bin/env bash
# `make benchmark`: AlexNet and VGG16 on one device and on loopback farms, through Collective Knowledge.
# Everything that it makes lies in this folder: CK's repositories in .ck, records in results/first-run-TIME.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

frames_alexnet=${FRAMES_ALEXNET:-400}
frames_vgg16=${FRAMES_VGG16:-24}
power=${POWER:-virtual}
idle_s=${POWER_IDLE_S:-2}
unset POWER POWER_IDLE_S

export PATH="$PWD/.venv/bin:$PATH"
export CK_REPOS="$PWD/.ck" CK_TOOLS="$PWD/.ck/tools" IOT_FARM_STATE="$PWD/.ck/state" IOT_FARM_CACHE="$PWD/.ck/cache"
unset CK_LOCAL_REPO CK_TARGET_PATH PYTHONPATH
IOT_FARM_RESULTS="$PWD/results/first-run-$(date -u +%Y%m%dT%H%M%SZ)"
export IOT_FARM_RESULTS

farm_up=""
failures=()
child=""

farm_down() {
  if [[ -n $farm_up ]]; then
    iot-farm farm down "$farm_up" || true
    farm_up=""
  fi
}

interrupted() {
  [[ -z $child ]] || kill -TERM -- "-$child" 2>/dev/null || true
  exit "$1"
}
trap farm_down EXIT
trap 'interrupted 130' INT
trap 'interrupted 143' TERM

# Each command gets a process group of its own and is waited for, so that an interrupt ends it at once, with
# everything that CK started below it.
set -m

# Shows a command as one would type it, then runs it.
typed() {
  printf '\n$ %s\n' "$*"
  "$@" </dev/null &
  child=$!
  local code=0
  wait "$child" || code=$?
  child=""
  return "$code"
}

# CK itself answers 0 when the program failed, unless it is asked not to.
measure() {
  typed ck run program:request-iot-benchmark "$@" "${energy[@]}" --return_error_if_external_fail=yes ||
    failures+=("$1")
}

on_farm() {
  local target=$1
  shift
  farm_up=$target
  if typed iot-farm farm up "$target"; then
    measure "$@" --target="$target"
  else
    # Whatever it had started is stopped; nodes that were up before are not ours to stop.
    farm_up=""
    failures+=("farm up $target")
  fi
  farm_down
}

energy=(--env.POWER="$power")
[[ $power == none ]] || energy+=(--env.POWER_IDLE_S="$idle_s")
typed iot-farm ck install
measure --cmd_key=benchmark-alexnet-single-device-cpu --env.STAT_REPEAT="$frames_alexnet"
on_farm farm-5-local --cmd_key=benchmark-alexnet-farm-5-nodes --env.STAT_REPEAT="$frames_alexnet"
measure --cmd_key=benchmark-vgg16-single-device-cpu --env.STAT_REPEAT="$frames_vgg16"
on_farm farm-11-local --cmd_key=benchmark-vgg16-farm-11-nodes --env.STAT_REPEAT="$frames_vgg16"

echo
if compgen -G "$IOT_FARM_RESULTS/*.json" >/dev/null; then
  results=${IOT_FARM_RESULTS#"$PWD/"}
  typed iot-farm results "$results" || failures+=("results")
  [[ $power == none ]] || typed iot-farm power report "$results" || failures+=("power report")
  typed iot-farm scoreboard build "$results" --out "$results/scoreboard" || failures+=("scoreboard")
fi
if ((${#failures[@]})); then
  printf 'failed: %s\n' "${failures[@]}" >&2
  exit 1
fi
echo "Every frame counts once, and only after its output was compared with the single-device output."
