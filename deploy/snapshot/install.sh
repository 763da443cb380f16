#!/usr/bin/env bash
# What prepare_virtual_ck.sh has done for it: the virtual environment and the entries of CK. Bash, in a process of its
# own; exit code 0 when all of it is there.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
here=$(pwd -P)
device=${DEVICE:-cpu}

fail() {
  printf 'error: %s\n  hint: %s\n' "$1" "$2" >&2
  exit 1
}

# CK writes shell scripts with paths that it does not quote.
case $here in
  *[[:space:]\$\`\"\'\\\;\&\|\<\>\(\)\*\?\[\]\{\}\!\#\~]*)
    fail "Collective Knowledge does not quote paths, and there is a blank or a special character in $here" \
      "unpack the zip where the whole path is of letters, digits, dots, dashes and underscores"
    ;;
esac
[[ -f prepare/$device.txt ]] || fail "DEVICE is $device" "DEVICE=cpu or DEVICE=gpu"
grep -E ' (prepare/.*|[a-z_]+[.]sh)$' SHA256SUMS | sha256sum --quiet --check >&2 ||
  fail "files of the snapshot were changed" "unpack the zip again"

wheel=$(echo prepare/ck_iot_farm-*.whl)
wanted="$here $device $(sha256sum "$wheel" prepare/build.txt "prepare/$device.txt" | sha256sum)"
if [[ -f venv/.snapshot-prepared && $(<venv/.snapshot-prepared) == "$wanted" ]]; then
  echo "venv: up to date"
else
  python=$(prepare/find-python)
  echo "venv: $("$python" --version)"
  unset PYTHONPATH PYTHONHOME CK_LOCAL_REPO CK_DEFAULT_REPO
  # Building ck imports it, and it makes its repositories wherever it believes them to be: ~/CK unless told.
  export CK_REPOS=$here/CK CK_TOOLS=$here/CK-TOOLS
  "$python" -m venv --clear venv
  pip=(venv/bin/python -m pip --disable-pip-version-check install --quiet)
  echo "venv: build tools"
  "${pip[@]}" --require-hashes -r prepare/build.txt
  echo "venv: packages (TensorFlow is large: this takes a minute or two)"
  "${pip[@]}" --no-build-isolation --require-hashes -r "prepare/$device.txt"
  "${pip[@]}" --no-deps "$wheel"
  printf '%s' "$here" >venv/.snapshot-place
  printf '%s' "$wanted" >venv/.snapshot-prepared
fi

# From here on as every command in the virtual CK: in the environment that start_virtual_ck.sh makes.
. ./start_virtual_ck.sh >/dev/null
mkdir -p results
iot-farm ck install
echo
echo "prepared: $here"
echo "now: . ./start_virtual_ck.sh"
