"""`python -P -m learning.training.worker JOB_DIR`: runs one training job in its own process.

A killed worker leaves nothing to clean up: every file is written under another name and then renamed.
The next worker resumes after the last finished step. Exit codes: 0 the job has a result, 1 it failed,
2 wrong usage, 3 this machine cannot train it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from learning.extra import NotInstalledError, need
from learning.model.engine import LocalModelError
from learning.promotion.manifest import AdapterManifest, hash_files, sync, write_manifest
from learning.training.chat_format import Format
from learning.training.job import (
    Example,
    ExampleKind,
    JobResult,
    TrainingError,
    TrainingJob,
    job_record,
    read_examples,
    read_job,
    read_unseen,
    write_result,
)
from learning.training.prepare import Prepared, Usable, prepare, prepare_all
from learning.training.progress import Heartbeat, ProgressLine
from learning.training.replay import Anchored, replay
from learning.training.resources import (
    NotEnoughMemoryError,
    available_bytes,
    check_memory,
    checkpoint_every,
    lower_priority,
    peak_rss_mib,
    return_memory_at_once,
)

if TYPE_CHECKING:
    from peft import PeftModel

    from learning.training.causal_model import CausalModel
    from learning.training.checkpoint import RoundReport, StepReport

_PR_SET_PDEATHSIG = 1
_NOT_CONFIG = (
    *("id", "model", "base", "parent", "seed", "created_at"),  # fields of the manifest itself
    *("model_folder", "parent_folder", "adapter_prefix"),  # paths on this machine
    "save_every_s",  # changes no byte of the result
)


def read_usable(folder: Path, chat: Format, job: TrainingJob) -> Usable:
    """The examples of a job folder as tokens."""
    return prepare_all(read_examples(folder), chat, job)


def run(
    folder: Path, *, read: Callable[[Path, Format, TrainingJob], Usable] = read_usable
) -> JobResult:
    """Run the job, or the rest of it, and write `result.json` and the adapter into `folder`.

    `read` turns the examples of the folder into tokens.

    Raises:
        TrainingError: If it cannot be done.
        LocalModelError: If the model cannot be read.
    """
    job = read_job(folder)
    with Heartbeat(folder) as heartbeat:
        heartbeat.say(ProgressLine(stage="preparing the examples"))
        chat = _chat(job)
        usable = read(folder, chat, job)
        adapter = None
        if usable.prepared:
            unseen = _unseen(folder, job, chat)
            trained = _train(folder, job, usable.prepared, replay(chat), unseen, heartbeat)
            if trained.done.steps:
                heartbeat.say(ProgressLine(stage="writing the adapter"))
                learned = {"apis": _apis(read_examples(folder))}
                report = {**_report(trained.done, usable), **learned, **trained.unseen}
                adapter = write_adapter(
                    *(folder, job, trained.model),
                    experience_ids=usable.experience_ids,
                    skipped_ids=usable.skipped_ids,
                    report=report,
                )
        result = JobResult(adapter=adapter, trained=len(usable.prepared), skipped=usable.skipped)
        write_result(folder, result)
    return result


def _chat(job: TrainingJob) -> Format:
    from learning.model.chat import ChatFormat

    return ChatFormat.load(Path(job.model_folder))


def _unseen(folder: Path, job: TrainingJob, chat: Format) -> list[Prepared]:
    """The accepted fixes whose likelihood is only measured, without those that do not fit."""
    made = (
        prepare(
            example,
            chat,
            max_tokens=job.max_tokens,
            note_tokens=job.note_tokens,
            rule=job.rule,
        )
        for example in read_unseen(folder)
    )
    return [tokens for tokens in made if isinstance(tokens, Prepared)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trained:
    model: PeftModel
    done: RoundReport
    unseen: Mapping[str, list[float]]
    """Mean log-probability of each unseen fix, before the round and after it."""


def _train(  # noqa: PLR0917 - one private step of `run`, with what it was given
    folder: Path,
    job: TrainingJob,
    prepared: Sequence[Prepared],
    anchors: Sequence[Anchored],
    unseen: Sequence[Prepared],
    heartbeat: Heartbeat,
) -> _Trained:
    source, available = Path(job.model_folder), available_bytes()
    check_memory(source, available_bytes=available)
    every = checkpoint_every(
        source, tokens=max(job.max_tokens, job.pack_tokens), available_bytes=available
    )
    heartbeat.say(ProgressLine(stage="loading the model"))
    from learning.training.lora import load_student
    from learning.training.loss import log_likelihoods
    from learning.training.trainer import train

    model = load_student(job)
    base = cast("CausalModel", model.get_base_model())
    if unseen:
        heartbeat.say(ProgressLine(stage="measuring fixes that are not learned"))
    before = log_likelihoods(base, unseen)
    progress = _TrainingProgress(heartbeat, steps=job.steps)
    done = train(
        *(model, prepared, job, folder),
        anchors=anchors,
        checkpoint_every=every,
        on_target=progress.on_target,
        on_begin=progress.on_begin,
        on_step=progress.on_step,
    )
    if unseen:
        heartbeat.say(ProgressLine(stage="measuring fixes that are not learned"))
    after = log_likelihoods(base, unseen)
    return _Trained(model=model, done=done, unseen={"unseen_before": before, "unseen_after": after})


class _TrainingProgress:
    """Reports the targets and the steps of a round."""

    def __init__(self, heartbeat: Heartbeat, *, steps: int) -> None:
        self._heartbeat = heartbeat
        self._steps = steps
        self._seconds: list[float] = []
        self._clock = time.monotonic
        self._stage, self._began, self._first = "", 0.0, 0

    def on_target(self, stage: str, done: int, total: int) -> None:
        if stage != self._stage:
            self._stage, self._began, self._first = stage, self._clock(), done
        read, taken_s = done - self._first, self._clock() - self._began
        eta_s = taken_s / read * (total - done) if read else None
        self._heartbeat.say(ProgressLine(stage=stage, step=done, steps=total, eta_s=eta_s))

    def on_begin(self) -> None:
        self._heartbeat.say(ProgressLine(stage="training", steps=self._steps))

    def on_step(self, step: StepReport) -> None:
        self._seconds.append(step.seconds)
        mean_s = sum(self._seconds) / len(self._seconds)
        self._heartbeat.say(
            ProgressLine(
                stage="training",
                step=step.step,
                steps=self._steps,
                loss=step.loss,
                tokens_per_s=step.tokens / max(step.seconds, 1e-9),
                eta_s=mean_s * (self._steps - step.step),
            )
        )


def write_adapter(
    folder: Path,
    job: TrainingJob,
    model: PeftModel,
    *,
    experience_ids: tuple[str, ...],
    skipped_ids: tuple[str, ...] = (),
    report: Mapping[str, object],
) -> str:
    """Write the PEFT folder with its manifest, complete or not at all; return the adapter's name."""
    from learning.training.lora import save_adapter

    temporary = folder / ".tmp-adapter"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    save_adapter(model, temporary, model_name=job.model)
    files = hash_files(temporary)
    settings = job_record(job)
    for elsewhere in _NOT_CONFIG:
        settings.pop(elsewhere)
    manifest = AdapterManifest(
        name=f"{job.adapter_prefix}-{files['adapter_model.safetensors'][:8]}",
        model=job.model,
        base=job.base,
        parent=job.parent,
        experience_ids=experience_ids,
        skipped_ids=skipped_ids,
        config=settings,
        seed=job.seed,
        files=files,
        created_at=job.created_at,
        report=report,
    )
    write_manifest(temporary, manifest)
    shutil.rmtree(folder / "adapter", ignore_errors=True)
    temporary.rename(folder / "adapter")
    sync(folder)
    return manifest.name


def _apis(examples: Sequence[Example]) -> dict[str, int]:
    """The number of rows about each API that changed."""
    pairs = (each.use for each in examples if each.kind is ExampleKind.API_PAIR)
    return dict(Counter(use.api for use in pairs if use is not None))


def _report(done: RoundReport, usable: Usable) -> dict[str, object]:
    prepared = usable.prepared
    return {
        "examples": dict(Counter(example.kind.value for example in prepared)),
        "uses": [example.use_id for example in prepared if example.use_id],
        "skipped": dict(usable.skipped),
        "examples_cut": sum(bool(e.history_cut or e.trained_cut) for e in prepared),
        "history_tokens_cut": sum(example.history_cut for example in prepared),
        "trained_tokens": sum(len(example.positions) for example in prepared),
        "trained_tokens_cut": sum(example.trained_cut for example in prepared),
        "losses": [round(step.loss, 6) for step in done.steps],
        "grad_norms": [round(step.grad_norm, 6) for step in done.steps],
        "batch_sizes": [step.examples for step in done.steps],
        "cosines": [_rounded(step.cosine) for step in done.steps],
        "noise_scales": [_rounded(step.noise_scale) for step in done.steps],
        "held_out_losses": [_rounded(step.held_out) for step in done.steps],
        "reading": dict(done.reading),
        "tokens": sum(step.tokens for step in done.steps),
        "seconds_training": round(sum(step.seconds for step in done.steps), 1),
        "stopped_by_budget": done.stopped_by_budget,
        "stopped_early": done.stopped_early,
        "peak_rss_mib": peak_rss_mib(),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def main(argv: Sequence[str], *, work: Callable[[Path], object] = run) -> int:
    """Run one job as a process; on failure the last line on stderr gives the reason in one sentence."""
    arguments = [argument for argument in argv if argument != "--parent-pipe"]
    if len(arguments) != 1:
        sys.stderr.write("usage: python -P -m learning.training.worker [--parent-pipe] JOB_DIR\n")
        return 2
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)  # ends at once, even during a matrix product
    if "--parent-pipe" in argv:
        _be_killed_with_parent()
        threading.Thread(target=_end_with_parent, daemon=True).start()
    lower_priority()
    return_memory_at_once()
    # Threads that spin at barriers make a low-priority process three times slower beside others.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic sums on a GPU
    folder = Path(arguments[0])
    # torch makes this folder as it loads, and would leave it among the temporary files
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder / "compiled"))
    try:
        need("Learning")
        work(folder)
    except (NotEnoughMemoryError, NotInstalledError) as err:
        sys.stderr.write(f"{err}\n")
        return 3
    except MemoryError:
        sys.stderr.write("the memory ran out during training: close other programs\n")
        return 3
    except (TrainingError, LocalModelError, OSError, ArithmeticError) as err:
        sys.stderr.write(f"{err}\n")
        return 1
    return 0


def _be_killed_with_parent() -> None:
    """Ask the kernel to kill this process with its parent, even while it is stopped (Linux only)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_with_parent() -> None:
    """End this process when its parent has closed the other end of stdin."""
    while os.read(0, 4096):  # not `sys.stdin`, whose lock a thread may not hold at exit
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
