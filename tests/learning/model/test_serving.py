"""The whole server on the real tiny model, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from learning.model.catalog import InstalledModel
from learning.model.processor import may_have_gpu
from tests.learning.model.conftest import ADAPTER

pytestmark = pytest.mark.model

ROOT = Path(__file__).parents[3]
CODE = """
import sys
from pathlib import Path
from learning.model.server import serve
serve(model=sys.argv[1], models_dir=Path(sys.argv[2]), engine=sys.argv[3], port=0, idle_s=600,
      state_file=Path(sys.argv[4]), adapters=(), token=None, context_length=512)
"""


@contextlib.contextmanager
def serving(model: InstalledModel, engine: str, state_file: Path) -> Iterator[httpx.Client]:
    assert model.hf
    models_dir = model.hf.parents[1]
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, model.name, str(models_dir), engine, str(state_file)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        deadline = time.monotonic() + 120
        while not state_file.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        state = json.loads(state_file.read_text())
        assert state["pid"] == process.pid
        headers = {"authorization": f"Bearer {state['token']}"}
        with httpx.Client(
            base_url=state["url"], headers=headers, timeout=120, trust_env=False
        ) as client:
            yield client
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        assert not state_file.exists()
    finally:
        process.kill()
        process.wait()


def ask(client: httpx.Client, turns: list[str], **more: object) -> dict[str, Any]:
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": text} for i, text in enumerate(turns)]
    body = {"messages": messages, "max_tokens": 12, "return_token_ids": True, **more}
    response = client.post("/v1/chat/completions", json=body)
    assert response.status_code == 200, response.text
    reply: dict[str, Any] = response.json()
    return reply


def test_llama_serves_a_conversation_and_an_adapter(
    tiny_model: InstalledModel, adapter: Path, tmp_path: Path
) -> None:
    with serving(tiny_model, "llama", tmp_path / "state.json") as client:
        first = ask(client, ["Write a haiku about tests."])
        text = first["choices"][0]["message"]["content"]
        second = ask(client, ["Write a haiku about tests.", text, "Another one."])
        usage = second["usage"]
        said = first["usage"]["prompt_tokens"] + first["usage"]["completion_tokens"]
        # What was read and said before is not read again, the last token of the reply excepted.
        assert usage["prompt_tokens_details"]["cached_tokens"] >= said - 1
        body = {"lora_name": ADAPTER, "lora_path": str(adapter)}
        loaded = client.post("/v1/load_lora_adapter", json=body)
        assert loaded.status_code == 200, loaded.text
        adapted = ask(client, ["Write a haiku about tests."], model=ADAPTER)
        again = ask(client, ["Write a haiku about tests."])
        assert (first["adapter"], adapted["adapter"]) == (None, ADAPTER)
        assert adapted["choices"][0]["token_ids"] != first["choices"][0]["token_ids"]
        assert again["choices"][0]["token_ids"] == first["choices"][0]["token_ids"]


def test_torch_serves_with_log_probabilities(tiny_model: InstalledModel, tmp_path: Path) -> None:
    with serving(tiny_model, "torch", tmp_path / "state.json") as client:
        choice = ask(client, ["Hi."], logprobs=True, max_tokens=5)["choices"][0]
        logprobs = [entry["logprob"] for entry in choice["logprobs"]["content"]]
        assert len(logprobs) == len(choice["token_ids"])
        assert all(value <= 0 for value in logprobs)


LOADED = """
import sys
from pathlib import Path
from learning.model.resolve import resolve
from learning.model.server import open_engine, pick_engine
model = resolve(sys.argv[1], Path(sys.argv[2]))
open_engine(model, pick_engine(model, "auto"), context_length=64).close()
print(*{"torch", "transformers"} & set(sys.modules))
"""


def test_a_server_loads_torch_only_where_there_may_be_a_gpu(tiny_model: InstalledModel) -> None:
    assert tiny_model.hf
    argv = [sys.executable, "-c", LOADED, tiny_model.name, str(tiny_model.hf.parents[1])]
    loaded = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert bool(loaded.split()) == may_have_gpu()
