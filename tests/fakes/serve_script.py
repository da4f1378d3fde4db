"""Stands in for `elagent serve`: same command line, state file, lease and ending, no model.

The name of the model says how it behaves: `fails`, `hangs`, `slow`, or answers at once.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fakes.openai_server import FakeServer, serve, text


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["serve"])
    parser.add_argument("--model", required=True)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--idle", type=float, default=600)
    parser.add_argument("--context-length", type=int, default=2048)
    parser.add_argument("--state-file", type=Path, required=True)
    options = parser.parse_args()
    with options.state_file.with_suffix(".starts").open("a") as starts:
        starts.write(f"{os.getpid()} {os.environ.get('PYTHONPATH')}\n")
    behave(options.model)
    run(options)


def behave(model: str) -> None:
    if model == "fails":
        sys.stdout.write("loading ...\n")
        sys.stderr.write("the model 'fails' is not installed; run elagent models pull fails\n\n")
        raise SystemExit(3)
    if model in {"slow", "hangs"}:
        time.sleep(600 if model == "hangs" else 1)


def run(options: argparse.Namespace) -> None:
    capabilities = {"engine": "llama", "token_ids": True, "logprobs": True, "adapters": True}
    server = FakeServer(
        script=[text("from ", options.model)],
        models=[
            {
                "id": options.model,
                "max_model_len": options.context_length,
                "parent": None,
                "elagent": capabilities,
            }
        ],
        api_key=secrets.token_hex(8),
        loads_adapters=True,
        token_ids=True,
    )
    with serve(server):
        state = {
            "url": server.url,
            "token": server.api_key,
            "pid": os.getpid(),
            "model": options.model,
            "engine": "llama",
            "context_length": options.context_length,
        }
        new = options.state_file.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(json.dumps(state))
        new.rename(options.state_file)
        try:
            wait_until_idle(server, options.idle)
        finally:
            options.state_file.unlink(missing_ok=True)


def wait_until_idle(server: FakeServer, idle_s: float) -> None:
    last_used = time.monotonic()
    while True:
        time.sleep(0.02)
        if server.leases or not server.lease_seen.is_set():
            last_used = time.monotonic()
        elif time.monotonic() - last_used > idle_s:
            return


if __name__ == "__main__":
    main()
