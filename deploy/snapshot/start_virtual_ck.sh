# Puts this folder's Collective Knowledge before any other in this shell: . ./start_virtual_ck.sh
#
# From here on `ck`, `python` and `iot-farm` are those of the snapshot, and everything they write stays in its folder.
# `stop_virtual_ck` gives the shell back as it was. Plain sh for bash, dash and zsh; nothing here can end your shell.

_snapshot_here=.
if [ -n "${BASH_SOURCE:-}" ]; then
  _snapshot_here=$(dirname -- "$BASH_SOURCE")
elif [ -n "${ZSH_VERSION:-}" ]; then
  eval '_snapshot_here=$(dirname -- "${(%):-%x}")'
fi
_snapshot_here=$(CDPATH='' cd -- "$_snapshot_here" 2>/dev/null && pwd -P)

# Sets one variable and remembers what it was.
_snapshot_set() {
  eval "_snapshot_had_$1=\${$1+yes}"
  eval "_snapshot_old_$1=\${$1-}"
  if [ "$#" -eq 2 ]; then
    eval "$1=\$2"
    export "$1"
  else
    unset "$1"
  fi
}

_snapshot_unset() {
  if eval "[ \"\${_snapshot_had_$1:-}\" = yes ]"; then
    eval "$1=\$_snapshot_old_$1"
    export "$1"
  else
    unset "$1"
  fi
  unset "_snapshot_had_$1" "_snapshot_old_$1"
}

stop_virtual_ck() {
  if [ -z "${IOT_FARM_SNAPSHOT:-}" ]; then
    echo "no virtual CK is started in this shell" >&2
    return 1
  fi
  _snapshot_unset PATH
  _snapshot_unset VIRTUAL_ENV
  _snapshot_unset PYTHONPATH
  _snapshot_unset PYTHONHOME
  _snapshot_unset CK_REPOS
  _snapshot_unset CK_TOOLS
  _snapshot_unset CK_LOCAL_REPO
  _snapshot_unset CK_DEFAULT_REPO
  _snapshot_unset CK_TARGET_PATH
  _snapshot_unset KERAS_HOME
  _snapshot_unset MPLCONFIGDIR
  _snapshot_unset IOT_FARM_RESULTS
  _snapshot_unset IOT_FARM_STATE
  _snapshot_unset IOT_FARM_CACHE
  [ -z "${_snapshot_prompt-}" ] || PS1=$_snapshot_prompt
  unset _snapshot_prompt
  unset IOT_FARM_SNAPSHOT
  hash -r 2>/dev/null || true
}

if [ -z "$_snapshot_here" ] || [ ! -f "$_snapshot_here/prepare/install.sh" ]; then
  echo "error: this is not the folder of the snapshot" >&2
  echo "  hint: cd to where the zip was unpacked, then: . ./start_virtual_ck.sh" >&2
  unset _snapshot_here
  false
elif [ "$(cat "$_snapshot_here/venv/.snapshot-place" 2>/dev/null)" != "$_snapshot_here" ]; then
  # A virtual environment and CK hold absolute paths: a folder that was moved is prepared anew.
  echo "error: nothing is prepared in $_snapshot_here yet, or it was moved" >&2
  echo "  hint: . ./prepare_virtual_ck.sh" >&2
  unset _snapshot_here
  false
elif [ "${IOT_FARM_SNAPSHOT:-}" = "$_snapshot_here" ]; then
  echo "virtual CK is started already: $_snapshot_here"
  unset _snapshot_here
else
  [ -z "${IOT_FARM_SNAPSHOT:-}" ] || ! command -v _snapshot_unset >/dev/null 2>&1 || stop_virtual_ck
  _snapshot_set PATH "$_snapshot_here/venv/bin:$PATH"
  _snapshot_set VIRTUAL_ENV "$_snapshot_here/venv"
  _snapshot_set PYTHONPATH
  _snapshot_set PYTHONHOME
  _snapshot_set CK_REPOS "$_snapshot_here/CK"
  _snapshot_set CK_TOOLS "$_snapshot_here/CK-TOOLS"
  _snapshot_set CK_LOCAL_REPO
  _snapshot_set CK_DEFAULT_REPO
  _snapshot_set CK_TARGET_PATH
  _snapshot_set KERAS_HOME "$_snapshot_here/cache/keras"
  _snapshot_set MPLCONFIGDIR "$_snapshot_here/cache/matplotlib"
  _snapshot_set IOT_FARM_RESULTS "$_snapshot_here/results"
  _snapshot_set IOT_FARM_STATE "$_snapshot_here/state"
  _snapshot_set IOT_FARM_CACHE "$_snapshot_here/cache/iot-farm"
  # Where there is a prompt somebody reads it; PS1 is no exported variable.
  _snapshot_prompt=${PS1-}
  [ -z "$_snapshot_prompt" ] || PS1="(virtual-ck) $_snapshot_prompt"
  IOT_FARM_SNAPSHOT=$_snapshot_here
  export IOT_FARM_SNAPSHOT
  hash -r 2>/dev/null || true
  echo "virtual CK: $_snapshot_here (stop_virtual_ck ends it; REPEAT.md has the commands)"
  unset _snapshot_here
fi
