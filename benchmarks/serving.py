"""Times the serving of a model: `elagent serve` against the bare llama.cpp binding, same GGUF, same run.

Run: `.venv/bin/python -P benchmarks/serving.py [--model NAME] [--rounds N] [--skip-torch]`. The
sides take turns, so that other work on the machine meets all of them. Prints a table (medians, with
the range) and, last, everything as one JSON line. The second turn of a conversation is counted in
tokens, not timed.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from agent.paths import from_environ
from learning.model.catalog import InstalledModel
from learning.model.chat import ChatFormat
from learning.model.resolve import resolve
from learning.records import Message

ROOT = Path(__file__).resolve().parent.parent
ADAPTER = "el-benchmark-v0001-00000000"
RANK = 16
CONTEXT = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """One reply: tokens per second of reading the prompt and of writing."""

    prefill: float
    decode: float


def prompt_of(number: int, chat: ChatFormat, size: int) -> list[Message]:
    """A prompt of at least `size` tokens that no earlier one shares more than the start of."""
    lines = [f"Round {number}."]
    while True:
        message = [Message(role="user", content="\n".join(lines) + "\nCount from 1 to 500.")]
        if len(chat.encode(message)) >= size:
            return message
        index = len(lines)
        lines.append(f"def function_{number}_{index}(x):\n    return x * {index} + {number}")


def bare(server: Any, ids: list[int], tokens: int) -> Speed:  # noqa: ANN401 - untyped binding
    """The binding alone: token ids in, text out, no probabilities."""
    times: list[float] = []

    def on_event(_: object) -> bool:
        times.append(time.perf_counter())
        return False

    request = {"prompt": ids, "n_predict": tokens, "temperature": 0, "stream": True}
    started = time.perf_counter()
    server.handle_completions(json.dumps(request | {"ignore_eos": True}), on_event)
    return speed(started, times[:-1], len(ids))  # the last event is the summary


def served(
    client: httpx.Client, messages: list[Message], size: int, tokens: int, model: str
) -> Speed:
    """Over HTTP as a session uses it: streamed, with token ids and log-probabilities."""
    times = [
        when
        for when, chunk in stream(client, messages, tokens, model)
        if chunk["choices"] and chunk["choices"][0].get("token_ids")
    ]
    return speed(times[0], times[1:], size)


def stream(
    client: httpx.Client, messages: list[Message], tokens: int, model: str
) -> Iterator[tuple[float, dict[str, Any]]]:
    """Every chunk with its time; first one made up, for the start."""
    body = {
        "model": model,
        "messages": [asdict(message) for message in messages],
        "max_tokens": tokens,
        "temperature": 0,
        "stream": True,
        "logprobs": True,
        "return_token_ids": True,
    }
    yield time.perf_counter(), {"choices": [{"token_ids": [0]}]}
    with client.stream("POST", "/v1/chat/completions", json=body) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            if line.startswith("data: {"):
                yield time.perf_counter(), json.loads(line[6:])


def speed(started: float, times: list[float], prompt_tokens: int) -> Speed:
    return Speed(
        prefill=prompt_tokens / (times[0] - started),
        decode=(len(times) - 1) / (times[-1] - times[0]),
    )


def second_turn(client: httpx.Client, chat: ChatFormat, model: str) -> dict[str, int]:
    """Prompt tokens that the second turn of a conversation reads anew, counted by the server."""
    messages = prompt_of(999, chat, 300)
    reply = ""
    usage: dict[str, Any] = {}
    for _, chunk in stream(client, messages, 40, model):
        usage = chunk.get("usage") or usage
        reply += "".join(c.get("delta", {}).get("content") or "" for c in chunk["choices"])
    said = usage["prompt_tokens"] + usage["completion_tokens"]
    messages += [
        Message(role="assistant", content=reply),
        Message(role="user", content="Go on from there."),
    ]
    for _, chunk in stream(client, messages, 1, model):
        usage = chunk.get("usage") or usage
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    return {
        "prompt_tokens": usage["prompt_tokens"],
        "said_before": said,
        "read_again": usage["prompt_tokens"] - cached,
    }


def hand_over(
    client: httpx.Client, chat: ChatFormat, model: str, adapter: Path
) -> dict[str, float]:
    """A reply in flight while an adapter is loaded; then the first token with the adapter.

    `longest_gap_s` is the longest wait for a token of that reply from when loading began.
    """
    messages = prompt_of(998, chat, 64)
    times: list[float] = []

    def reply() -> None:
        times.extend(
            when for when, chunk in stream(client, messages, 200, model) if chunk["choices"]
        )

    talking = threading.Thread(target=reply)
    talking.start()
    time.sleep(3.0)
    began = time.perf_counter()
    body = {"lora_name": ADAPTER, "lora_path": str(adapter)}
    client.post("/v1/load_lora_adapter", json=body).raise_for_status()
    loaded = time.perf_counter()
    talking.join()
    gaps = [after - before for before, after in itertools.pairwise(times) if after > began]
    asked = time.perf_counter()
    first = next(
        when
        for when, chunk in itertools.islice(stream(client, messages, 1, ADAPTER), 1, None)
        if chunk["choices"] and chunk["choices"][0].get("token_ids")
    )
    return {
        "loading_s": round(loaded - began, 2),
        "longest_gap_s": round(max(gaps), 3),
        "tokens_in_flight": len(gaps),
        "first_token_after_s": round(first - asked, 2),
    }


@contextlib.contextmanager
def serving(model: str, engine: str, folder: Path) -> Iterator[httpx.Client]:
    """`elagent serve` as a process of its own."""
    state_file = folder / f"{engine}.json"
    argv = [sys.executable, "-P", str(ROOT / "elagent.py"), "serve", "--model", model]
    argv += ["--engine", engine, "--context-length", str(CONTEXT), "--state-file", str(state_file)]
    with subprocess.Popen(argv) as process:
        try:
            while not state_file.exists():
                if process.poll() is not None:
                    sys.exit(f"the {engine} server did not start")
                time.sleep(0.1)
            state = json.loads(state_file.read_text())
            headers = {"authorization": f"Bearer {state['token']}"}
            with httpx.Client(
                base_url=state["url"], headers=headers, timeout=3600, trust_env=False
            ) as client:
                yield client
        finally:
            process.terminate()


def bare_binding(gguf: Path) -> Any:  # noqa: ANN401 - untyped binding
    """The binding with the same context and threads, everything else as it comes."""
    import xllamacpp  # type: ignore[import-untyped]

    params = xllamacpp.CommonParams()
    params.model.path = str(gguf)
    params.n_ctx = CONTEXT
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = os.cpu_count() or 1
    params.verbosity = -1
    return xllamacpp.Server(params)


def write_adapter(model: InstalledModel, hf: Path, folder: Path) -> None:
    """A random rank-16 adapter on all seven linear kinds of every layer, as peft would write it."""
    import numpy as np
    from safetensors.numpy import save_file

    config = json.loads((hf / "config.json").read_text())
    width, inner = config["hidden_size"], config["intermediate_size"]
    head = config.get("head_dim") or width // config["num_attention_heads"]
    key = head * config["num_key_value_heads"]
    shapes = {
        "self_attn.q_proj": (width, head * config["num_attention_heads"]),
        "self_attn.k_proj": (width, key),
        "self_attn.v_proj": (width, key),
        "self_attn.o_proj": (head * config["num_attention_heads"], width),
        "mlp.gate_proj": (width, inner),
        "mlp.up_proj": (width, inner),
        "mlp.down_proj": (inner, width),
    }
    chance = np.random.default_rng(0)
    tensors = {}
    for layer in range(config["num_hidden_layers"]):
        for name, (size_in, size_out) in shapes.items():
            place = f"base_model.model.model.layers.{layer}.{name}"
            a = chance.normal(0, 0.02, (RANK, size_in)).astype(np.float32)
            b = chance.normal(0, 0.002, (size_out, RANK)).astype(np.float32)
            tensors[f"{place}.lora_A.weight"], tensors[f"{place}.lora_B.weight"] = a, b
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": RANK,
        "lora_alpha": 2 * RANK,
        "bias": "none",
        "target_modules": [name.split(".")[1] for name in shapes],
    }
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    (folder / "elagent.json").write_text(json.dumps({"base": asdict(model.identity)}))


def measure(
    model: InstalledModel, options: argparse.Namespace, folder: Path
) -> tuple[dict[str, list[Speed]], dict[str, int], dict[str, float]]:
    """Bare, served and served with an adapter in turns; then torch, if there is memory for it."""
    if model.gguf is None or model.hf is None:
        sys.exit(f"{model.name} has no GGUF file to compare on")
    chat = ChatFormat.load(model.hf)
    size, tokens = options.prompt, options.tokens
    speeds: dict[str, list[Speed]] = {"bare": [], "serve": [], "serve+adapter": [], "torch": []}
    # Both sides shall wait for threads in the same way: see `learning.model.llama.binding`.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    binding = bare_binding(model.gguf)
    with serving(options.model, "llama", folder) as client:
        for number in range(options.rounds):
            messages = prompt_of(number, chat, size)
            ids = chat.encode(messages)
            speeds["bare"].append(bare(binding, ids, tokens))
            speeds["serve"].append(served(client, messages, len(ids), tokens, model.name))
        turn = second_turn(client, chat, model.name)
        write_adapter(model, model.hf, folder / "adapter")
        switch = hand_over(client, chat, model.name, folder / "adapter")
        for number in range(options.rounds):
            messages = prompt_of(100 + number, chat, size)
            count = len(chat.encode(messages))
            speeds["serve"].append(served(client, messages, count, tokens, model.name))
            speeds["serve+adapter"].append(served(client, messages, count, tokens, ADAPTER))
    del binding
    if not options.skip_torch:
        with serving(options.model, "torch", folder) as client:
            for number in range(options.rounds):
                messages = prompt_of(200 + number, chat, size)
                count = len(chat.encode(messages))
                speeds["torch"].append(served(client, messages, count, tokens, model.name))
    return speeds, turn, switch


def report(
    model: str, speeds: dict[str, list[Speed]], turn: dict[str, int], switch: dict[str, float]
) -> None:
    """The table, the ratios that have a target, and one JSON line."""
    result: dict[str, Any] = {"model": model, "second_turn": turn, "hand_over": switch}
    print(f"\n{'':<16}{'prefill tokens/s':>26}{'decode tokens/s':>26}")
    for name, found in speeds.items():
        row = f"{name:<16}"
        for kind in ("prefill", "decode"):
            values = [getattr(item, kind) for item in found]
            if values:
                middle = statistics.median(values)
                row += f"{middle:>12.1f} ({min(values):.1f}-{max(values):.1f})".rjust(26)
                result[f"{name}_{kind}"] = round(middle, 2)
        print(row if found else f"{name:<16}{'not measured':>26}")
    result["serve_to_bare_prefill"] = ratio(result, "serve_prefill", "bare_prefill")
    result["serve_to_bare_decode"] = ratio(result, "serve_decode", "bare_decode")
    result["adapter_to_serve_decode"] = ratio(result, "serve+adapter_decode", "serve_decode")
    print(f"\nserve / bare:    prefill {result['serve_to_bare_prefill']:.2f}", end="")
    print(f", decode {result['serve_to_bare_decode']:.2f} (target 0.95)")
    print(f"adapter / serve: decode {result['adapter_to_serve_decode']:.2f} (target 0.70)")
    print(
        f"second turn: {turn['prompt_tokens']} prompt tokens, {turn['said_before']} of them said "
        f"before, {turn['read_again']} read"
    )
    print(
        f"hand-over: adapter loaded in {switch['loading_s']} s beside a reply whose longest wait for "
        f"a token was {switch['longest_gap_s']} s (target 1); first token with the adapter after "
        f"{switch['first_token_after_s']} s"
    )
    print(json.dumps(result))


def ratio(result: dict[str, Any], above: str, below: str) -> float:
    return round(float(result[above] / result[below]), 3)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=os.environ.get("ELAGENT_MODEL", "qwen2.5-coder-1.5b"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prompt", type=int, default=256, help="tokens")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--skip-torch", action="store_true")
    options = parser.parse_args()
    model = resolve(options.model, from_environ(os.environ).models)
    with tempfile.TemporaryDirectory() as folder:
        speeds, turn, switch = measure(model, options, Path(folder))
    report(model.name, speeds, turn, switch)


if __name__ == "__main__":
    main()
