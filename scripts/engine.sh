#!/usr/bin/env bash
# Sees that a Docker engine answers. Where none does, installs Debian's or Ubuntu's and starts it,
# if it may; otherwise says in one sentence what to install. Exits with 3 when no engine answers.
set -euo pipefail

say() { printf '%s\n' "set-up: $*" >&2; }
fail() { say "$*"; exit 3; }

socket=${DOCKER_HOST:-unix:///var/run/docker.sock}

answers() {
  case "$socket" in
    unix://*) [ -S "${socket#unix://}" ] || return 1 ;;
  esac
  python3 - "$socket" <<'PY' 2>/dev/null
import http.client, socket, sys
where = sys.argv[1]
connection = http.client.HTTPConnection("localhost", timeout=5)
if where.startswith("unix://"):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(5)
    sock.connect(where.removeprefix("unix://"))
else:
    host, _, port = where.removeprefix("tcp://").partition(":")
    sock = socket.create_connection((host, int(port or 2375)), timeout=5)
connection.sock = sock
connection.request("GET", "/_ping")
sys.exit(connection.getresponse().status != 200)
PY
}

wait_for_engine() {
  for _ in $(seq 1 60); do
    answers && return
    sleep 0.5
  done
  fail "the Docker engine was started but does not answer; its log may say why: ${1:-journalctl -u docker}"
}

answers && exit 0

[ -z "${DOCKER_HOST:-}" ] || fail "no Docker engine answers at DOCKER_HOST=$DOCKER_HOST; start it, or unset DOCKER_HOST"

if [ -S "${socket#unix://}" ] && [ ! -w "${socket#unix://}" ]; then
  fail "this user may not talk to Docker; add it to the group: sudo usermod -aG docker $USER, then log in again"
fi
if [ "$(id -u)" != 0 ] || [ ! -e /etc/debian_version ]; then
  fail "no Docker engine answers; install one (docs.docker.com/engine/install) or start it, then run this again"
fi
if ! command -v dockerd >/dev/null 2>&1; then
  say "no Docker engine here: installing docker.io (about 100 MB, about a minute)"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq >/dev/null || fail "apt-get update failed; install docker.io by hand, then run this again"
  apt-get install -y -qq --no-install-recommends docker.io iptables >/dev/null || fail "apt-get could not install docker.io; install a Docker engine by hand, then run this again"
fi
say "starting the Docker engine"
if [ -d /run/systemd/system ]; then
  systemctl start docker || fail "systemctl start docker failed; see: journalctl -u docker"
  wait_for_engine
else
  # After a crash these files name processes that are gone; a reused number would stop the start.
  running() { grep -qsx "$1" /proc/[0-9]*/comm; }
  running dockerd || rm -f /var/run/docker.pid
  running containerd || rm -f /run/docker/containerd/containerd.pid
  log=/var/log/dockerd.log
  setsid nohup dockerd >"$log" 2>&1 </dev/null &
  wait_for_engine "$log"
fi
