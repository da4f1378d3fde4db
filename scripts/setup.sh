#!/usr/bin/env bash
# Makes .venv, installs elagent into it and sees that a Docker engine answers. Safe to run again:
# a second run with nothing changed does nothing. Exits with 3 when the environment is not usable.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "set-up: $*" >&2; }
fail() { say "$*"; exit 3; }

find_python() {
  local name
  for name in "${PYTHON:-}" python3.13 python3.12 python3.11 python3; do
    [ -n "$name" ] && command -v "$name" >/dev/null 2>&1 || continue
    "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$name"; return; }
  done
  fail "no Python 3.11 or newer was found; install one, or name it: PYTHON=/path/to/python3 make"
}

has_gpu() { command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L >/dev/null 2>&1; }

# uv knows where PyTorch keeps its builds for each kind of machine. Where that place cannot be
# reached, pip takes the version pinned in constraints.txt from wherever pip is set up to look.
install_torch() {
  local backend=cpu
  has_gpu && backend=auto
  .venv/bin/python -c 'import torch' 2>/dev/null && return
  if [ "$(uname -s)" = Linux ]; then
    .venv/bin/pip install -q -c constraints.txt uv
    if UV_HTTP_TIMEOUT=20 UV_HTTP_RETRIES=1 .venv/bin/uv pip install -q --python .venv/bin/python \
        --torch-backend="$backend" -c constraints.txt torch 2>/dev/null; then
      return
    fi
    say "PyTorch's own package index cannot be reached; taking the pinned version through pip"
  fi
  .venv/bin/pip install -q "$(grep '^torch==' constraints.txt)"
}

install_packages() {
  local python stamp
  stamp=$(cat pyproject.toml constraints.txt scripts/setup.sh | cksum)
  [ "$(cat .venv/elagent-setup 2>/dev/null)" = "$stamp" ] && return
  python=$(find_python)
  say "1/3 virtual environment in .venv ($("$python" --version))"
  if [ ! -x .venv/bin/pip ]; then
    "$python" -m venv .venv || fail "python cannot make a virtual environment; on Debian or Ubuntu: apt-get install python3-venv"
  fi
  .venv/bin/pip install -q -c constraints.txt 'pip>=25.1'
  say "2/3 torch (about 200 MB for the CPU build; about a minute on a fast line)"
  install_torch
  say "3/3 elagent, what it needs and what learning needs (about two minutes)"
  .venv/bin/pip install -q -c constraints.txt --editable '.[learn]' --group dev
  echo "$stamp" > .venv/elagent-setup
}

[ -n "${SKIP_INSTALL:-}" ] || install_packages
bash scripts/engine.sh
