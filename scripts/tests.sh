#!/usr/bin/env bash
# The whole suite in three processes: most tests wait for containers, and what computes gives way.
# Arguments go to all of them, as `-m "slow or not slow"`.
set -uo pipefail
cd "$(dirname "$0")/.."

logs=$(mktemp -d)
set -m # groups of their own, so that nothing of them outlives this script
{
  nice -n 10 .venv/bin/mypy && nice -n 10 .venv/bin/python -P -m pytest tests/learning tests/lab "$@"
} >"$logs/learning" 2>&1 &
learning=$!
.venv/bin/python -P -m pytest tests/sandbox tests/tui "$@" >"$logs/sandbox" 2>&1 &
sandbox=$!
set +m
trap 'kill -- "-$learning" "-$sandbox" 2>/dev/null; rm -rf "$logs"' EXIT
trap 'exit 130' INT TERM

.venv/bin/python -P -m pytest --ignore=tests/learning --ignore=tests/lab \
  --ignore=tests/sandbox --ignore=tests/tui "$@"
failed=$?
printf '%s\n' "The tests of sandbox/ and tui/, which ran beside:"
wait "$sandbox" || failed=1
cat "$logs/sandbox"
printf '%s\n' "The types, and the tests of learning/ and lab/, which ran beside:"
wait "$learning" || failed=1
cat "$logs/learning"
exit "$failed"
