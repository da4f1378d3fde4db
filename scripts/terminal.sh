#!/usr/bin/env bash
# Sees that tmux is here: the tests drive the full-screen app in it, and are skipped without it.
set -euo pipefail

command -v tmux >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ]; then
  printf '%s\n' "set-up: installing tmux, in which the full-screen app is tested" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq >/dev/null && apt-get install -y -qq --no-install-recommends tmux >/dev/null && exit 0
fi
printf '%s\n' "set-up: there is no tmux here: the tests that drive the app in a terminal are skipped" >&2
