#!/usr/bin/env bash
# The whole suite in two processes: what computes gives way to what mostly waits for containers.
# Arguments go to both, as `-m "slow or not slow"`.
set -uo pipefail
cd "$(dirname "$0")/.."

computed=$(mktemp)
set -m # a group of its own, so that nothing of it outlives this script
{
  nice -n 10 .venv/bin/mypy && nice -n 10 .venv/bin/python -P -m pytest tests/learning tests/lab "$@"
} >"$computed" 2>&1 &
computing=$!
set +m
trap 'kill -- "-$computing" 2>/dev/null; rm -f "$computed"' EXIT
trap 'exit 130' INT TERM

.venv/bin/python -P -m pytest --ignore=tests/learning --ignore=tests/lab "$@"
waited=$?
printf '%s\n' "The types, and the tests of learning/ and lab/, which ran beside:"
wait "$computing"
learned=$?
cat "$computed"
[ "$waited" = 0 ] && [ "$learned" = 0 ]
