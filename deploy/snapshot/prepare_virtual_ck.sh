# Makes a Collective Knowledge of its own in this folder: . ./prepare_virtual_ck.sh
#
# A virtual environment (venv/) with the packed wheel and what it needs, pinned and hashed, through the ordinary pip;
# CK's repositories (CK/) with the entries of the paper's appendix A.7. Your own ~/CK is not looked at. May be sourced
# again at any time: what is done is not done twice. Then: . ./start_virtual_ck.sh
#
#   PYTHON=/path/to/python3.11   the interpreter (default: the quickest 3.11 that is found)
#   DEVICE=gpu                   TensorFlow with CUDA in place of the CPU build
#
# Plain sh for bash, dash and zsh. The work is done by a child process, so that no failure ends the shell that sources
# this, and nothing is left in it.

_snapshot_here=.
if [ -n "${BASH_SOURCE:-}" ]; then
  _snapshot_here=$(dirname -- "$BASH_SOURCE")
elif [ -n "${ZSH_VERSION:-}" ]; then
  eval '_snapshot_here=$(dirname -- "${(%):-%x}")'
fi
if [ -f "$_snapshot_here/prepare/install.sh" ]; then
  bash "$_snapshot_here/prepare/install.sh"
else
  echo "error: this is not the folder of the snapshot: $_snapshot_here" >&2
  echo "  hint: cd to where the zip was unpacked, then: . ./prepare_virtual_ck.sh" >&2
  false
fi
_snapshot_status=$?
unset _snapshot_here
# `return` where this is sourced; where it is executed, the last line says the same to the caller.
if [ "$_snapshot_status" -eq 0 ]; then unset _snapshot_status; true; else unset _snapshot_status; false; fi
