"""The worker process: an adapter at the end, and nothing half-made however it ends."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from learning.model.catalog import InstalledModel
from learning.model.chat import ChatFormat
from learning.promotion.adapters import AdapterStore
from learning.promotion.manifest import read_manifest
from learning.records import Verdict
from learning.training.job import (
    Example,
    ExampleKind,
    JobResult,
    TrainingJob,
    read_result,
    write_job,
)
from learning.training.progress import ProgressLine
from tests.fakes.experiences import make_action
from tests.fakes.tiny_llama import spoken

_BEFORE = "total = 1\n"
_AFTER = "total = 0\n"


def _examples(chat: ChatFormat) -> list[Example]:
    failed = spoken(chat, "bad", f"```\n{_BEFORE}```", before=_BEFORE, after=_BEFORE)
    fixed = spoken(
        chat, "good", f"```\n{_AFTER}```", before=_BEFORE, after=_AFTER, verdict=Verdict.PASS
    )
    return [
        Example(kind=ExampleKind.HINDSIGHT, step=failed, fix=fixed),
        Example(kind=ExampleKind.EVIDENCE, step=failed),
    ]


def _told(chat: ChatFormat) -> list[Example]:
    """The same and two failures with what the harness said, so that there are targets to make."""
    failed = [spoken(chat, f"told{n}", f"```\n{_BEFORE}```", after=_BEFORE) for n in range(2)]
    told = [Example(kind=ExampleKind.EVIDENCE, step=step) for step in failed]
    return [*told, *_examples(chat)[:1]]


def _write(
    folder: Path, model: InstalledModel, examples: Sequence[Example], **changes: object
) -> Path:
    job = TrainingJob(
        id=folder.name,
        model=model.name,
        model_folder=str(model.hf),
        base=model.identity,
        adapter_prefix="el-shop-v0001",
        created_at=12.0,
        steps=4,
        rank=4,
        alpha=8,
        learning_rate=1e-2,
        threads=1,
        save_every_s=0.0,
    )
    # What is measured is also learned here, so its likelihood must rise.
    unseen = [each for each in examples if each.kind is ExampleKind.HINDSIGHT]
    write_job(folder, replace(job, **changes), examples, unseen=unseen)  # type: ignore[arg-type]
    return folder


def _start(folder: Path, *options: str) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parents[3]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "learning.training.worker", *options, str(folder)],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )


def _run(folder: Path) -> tuple[int, str]:
    worker = _start(folder)
    _, errors = worker.communicate(timeout=300)
    return worker.returncode, errors


def _progress(folder: Path) -> list[ProgressLine]:
    path = folder / "progress.jsonl"
    if not path.exists():
        return []
    whole = path.read_text().rpartition("\n")[0]
    return [ProgressLine(**json.loads(line)) for line in whole.splitlines()]


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120  # a busy machine takes long to load torch
    while not condition():
        assert time.monotonic() < deadline, "nothing happened within two minutes"
        time.sleep(0.01)


def _kill_9(folder: Path, *, when: Callable[[], bool]) -> None:
    worker = _start(folder)
    _wait_until(lambda: when() or worker.poll() is not None)
    worker.kill()
    _, errors = worker.communicate()
    assert worker.returncode == -signal.SIGKILL, errors


def _kill_9_while_it_writes(folder: Path, name: str) -> None:
    """A pipe in the file's place, as small as can be, holds its writer up in the middle."""
    os.mkfifo(folder / name)
    reader = os.open(folder / name, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    _kill_9(folder, when=lambda: bool(select.select([reader], [], [], 0)[0]))
    os.close(reader)
    (folder / name).unlink()


def _stepped(folder: Path, step: int) -> Callable[[], bool]:
    return lambda: any(line.loss is not None and line.step >= step for line in _progress(folder))


@pytest.fixture(scope="module")
def done(
    random_model: InstalledModel, chat: ChatFormat, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a job that has ended well; its last example cannot be trained on."""
    alien = spoken(chat, "alien", "x", action=make_action(token_ids=()))
    examples = [*_examples(chat), Example(kind=ExampleKind.EVIDENCE, step=alien)]
    folder = _write(tmp_path_factory.mktemp("done") / "job", random_model, examples)
    assert _run(folder) == (0, "")
    return folder


def test_a_job_becomes_an_adapter_with_its_lineage(
    random_model: InstalledModel, done: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(done, tmp_path / "job")
    manifest = AdapterStore(tmp_path / "adapters").adopt(folder / "adapter")
    assert manifest.name.startswith("el-shop-v0001-")
    assert read_result(folder) == JobResult(
        adapter=manifest.name, trained=2, skipped={"recorded without token ids": 1}
    )
    assert (manifest.experience_ids, manifest.skipped_ids) == (("bad", "good"), ("alien",))
    assert (manifest.base, manifest.parent, manifest.seed) == (random_model.identity, None, 0)
    assert manifest.report["examples"] == {"hindsight": 1, "evidence": 1}
    report = cast("dict[str, list[float]]", manifest.report)
    (before,), (after,) = report["unseen_before"], report["unseen_after"]
    assert before < after < 0, "log-probabilities of the fix, before the round and after it"
    assert str(tmp_path) not in (tmp_path / "adapters" / manifest.name / "elagent.json").read_text()


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # by peft
def test_the_adapter_is_plain_peft(
    random_model: InstalledModel, chat: ChatFormat, done: Path
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(str(random_model.hf), dtype=torch.float32)
    ids = torch.tensor([chat.encode_text("total")])
    with torch.no_grad():
        before = base(input_ids=ids).logits
        after = PeftModel.from_pretrained(base, str(done / "adapter"))(input_ids=ids).logits
    assert not torch.allclose(before, after)


def test_progress_is_told_from_start_to_end(done: Path) -> None:
    lines = _progress(done)
    stages = list(dict.fromkeys(line.stage for line in lines))
    assert stages == [
        "preparing the examples",
        "loading the model",
        "measuring fixes that are not learned",
        "reading the evidence",
        "training",
        "writing the adapter",
    ]
    steps = [line for line in lines if line.loss is not None]
    assert [(line.step, line.steps) for line in steps] == [(n, 4) for n in range(1, 5)]
    assert all(line.tokens_per_s > 0 and line.rss_mib > 0 for line in steps)
    assert steps[-1].eta_s == 0
    read = [line for line in lines if line.stage == "reading the evidence"]
    assert read[-1].step == read[-1].steps
    assert read[-1].eta_s == 0 or len({line.step for line in read}) == 1


def test_kill_9_at_five_points_changes_no_byte_of_the_adapter(
    random_model: InstalledModel, chat: ChatFormat, tmp_path: Path
) -> None:
    whole, cut = (
        _write(tmp_path / name, random_model, _told(chat), steps=12) for name in ("whole", "cut")
    )
    assert _run(whole)[0] == 0

    def left(name: str) -> bool:
        return (cut / name).exists()

    _kill_9(cut, when=lambda: bool(_progress(cut)))  # before anything is made
    assert not left("targets")
    (cut / "targets").mkdir()
    _kill_9_while_it_writes(cut, "targets/.tmp-1.pt")  # between two targets
    assert (left("targets/0.pt"), left("targets/1.pt")) == (True, False)
    _kill_9(cut, when=_stepped(cut, 3))  # in the middle of a step
    assert left("checkpoint.pt")
    assert not left("adapter")
    _kill_9_while_it_writes(cut, ".tmp-checkpoint.pt")  # while the next one is written
    os.mkfifo(cut / ".tmp-result.json")  # nobody reads it: whoever writes to it waits for good
    _kill_9(cut, when=lambda: left("adapter"))  # between the adapter and the result
    (cut / ".tmp-result.json").unlink()
    assert read_result(cut) is None

    assert _run(cut)[0] == 0
    steps = [line.step for line in _progress(cut) if line.loss is not None]
    assert steps.count(1) == 1, "a later run began anew instead of going on"
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (whole / "adapter" / name).read_bytes() == (cut / "adapter" / name).read_bytes()
    assert read_manifest(whole / "adapter").name == read_manifest(cut / "adapter").name


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_signal_ends_it_at_once_and_leaves_a_job_to_resume(
    random_model: InstalledModel, chat: ChatFormat, tmp_path: Path, number: signal.Signals
) -> None:
    folder = _write(tmp_path / "job", random_model, _examples(chat), steps=100_000)
    worker = _start(folder)
    _wait_until(_stepped(folder, 1))
    started = time.monotonic()
    worker.send_signal(number)
    worker.communicate(timeout=10)
    assert time.monotonic() - started < 1.0
    assert worker.returncode == -number
    assert (folder / "checkpoint.pt").exists()
    assert read_result(folder) is None


def test_it_ends_with_whoever_started_it(
    random_model: InstalledModel, chat: ChatFormat, tmp_path: Path
) -> None:
    folder = _write(tmp_path / "job", random_model, _examples(chat), steps=100_000)
    worker = _start(folder, "--parent-pipe")
    _wait_until(_stepped(folder, 1))
    assert worker.stdin
    worker.stdin.close()
    assert worker.wait(timeout=5) == -signal.SIGTERM
    assert worker.stderr
    worker.stderr.close()


def test_too_little_memory_is_said_before_anything_is_loaded(
    random_model: InstalledModel, chat: ChatFormat, tmp_path: Path
) -> None:
    assert random_model.hf
    huge = tmp_path / "huge"
    huge.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (huge / name).write_bytes((random_model.hf / name).read_bytes())
    header = b'{"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 1000000000000000]}}'
    (huge / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    folder = _write(tmp_path / "job", random_model, _examples(chat), model_folder=str(huge))
    code, errors = _run(folder)
    assert code == 3
    assert "of memory and" in errors
    assert len(errors.splitlines()) == 1


def test_nothing_that_can_be_trained_is_a_result_without_an_adapter(
    random_model: InstalledModel, chat: ChatFormat, tmp_path: Path
) -> None:
    alien = spoken(chat, "alien", "x", action=make_action(token_ids=()))
    examples = [Example(kind=ExampleKind.EVIDENCE, step=alien)]
    folder = _write(tmp_path / "job", random_model, examples)
    assert _run(folder)[0] == 0
    assert read_result(folder) == JobResult(
        adapter=None, trained=0, skipped={"recorded without token ids": 1}
    )


def test_a_folder_that_is_no_job_is_named(tmp_path: Path) -> None:
    code, errors = _run(tmp_path)
    assert code == 1
    assert str(tmp_path) in errors


def test_wrong_usage_is_told() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "learning.training.worker"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("usage:")
