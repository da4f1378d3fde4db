#!/usr/bin/env bash
# The whole of elagent once, on real input: repair a small broken package, then learn from it.
# Every line below `run` is a command that you could type yourself.
set -euo pipefail
cd "$(dirname "$0")/.."
started=$SECONDS

export ELAGENT_MODEL=${ELAGENT_MODEL:-qwen2.5-coder-1.5b}
# The learner needs the memory that an idle model server would keep.
export ELAGENT_MODEL_IDLE_S=${ELAGENT_MODEL_IDLE_S:-0}
elagent="$PWD/.venv/bin/elagent"
scratch=${ELAGENT_DEMO_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/elagent/demo}/warehouse-$(date +%Y%m%d-%H%M%S)

step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
[ -t 1 ] && [ -z "${NO_COLOR:-}" ] || step() { printf '\n== %s\n' "$*"; }
run() { printf '$ elagent %s\n' "$*"; "$elagent" "$@"; }

# 1 (not solved) is an honest result here: what stays red is shown, and the demo goes on.
run_or_red() { run "$@" || { code=$?; [ "$code" = 1 ] || exit "$code"; }; }

step "1/5  The sandbox: where all code of the project runs"
run sandbox build
step "2/5  The model: $ELAGENT_MODEL"
run models pull "$ELAGENT_MODEL"
step "3/5  A broken package, copied to a scratch folder under git"
mkdir -p "$scratch"
cp -R examples/warehouse/. "$scratch"
git -C "$scratch" init -q
git -C "$scratch" add -A
git -C "$scratch" -c user.name=demo -c user.email=demo@localhost -c commit.gpgsign=false commit -q -m "Start of the demo"
cd "$scratch"
echo "$scratch"
step "4/5  Repair it: at most two attempts a failure"
run_or_red run-tests --fix --max-attempts 2
step "5/5  Learn from it: at most 8 passes of at most 512 tokens"
run learn --max-examples 8 --max-tokens 512

step "Done in $(( (SECONDS - started) / 60 )) min $(( (SECONDS - started) % 60 )) s"
cat <<END
The repaired package:   $scratch    (git diff shows what changed)
Models, experiences,
adapters, log:          $("$elagent" config home)

What to type next:
  cd $scratch
  $elagent experiences ls      what was captured
  $elagent adapters ls         what was learned, and why it is not in use
  $elagent undo                put the package back as it was
  $elagent                     talk to the assistant
END
