# `make demo` shows the whole product on real input; `make test` is what CI runs.
# Set-up is part of both, does nothing when nothing changed, and exits with 3 when the machine
# cannot run elagent (make itself then reports "Error 3").

.PHONY: demo test test-all setup terminal lint check format clean

BIN := .venv/bin

setup:
	@bash scripts/setup.sh

terminal:
	@bash scripts/terminal.sh

demo: setup
	@$(BIN)/elagent demo

test: setup terminal lint
	@bash scripts/tests.sh

test-all: setup terminal lint
	@bash scripts/tests.sh -m "slow or not slow"

lint:
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check -q .
	@$(BIN)/lint-imports --no-cache >/dev/null || $(BIN)/lint-imports --no-cache

check:
	@$(BIN)/mypy

format:
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
