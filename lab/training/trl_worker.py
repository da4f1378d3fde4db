"""`python -P -m lab.training.trl_worker JOB_DIR`: one arm by a trainer of TRL, in its own process.

The trainers learn from recorded replies (`lab.training.trl_trainers`). Exit codes as those of
`learning.training.worker`.
"""

from __future__ import annotations

import sys
import tempfile
import time
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lab.training.trl_trainers import grpo, grpo_words, sdft, sdpo
from learning.training.job import (
    JobResult,
    TrainingError,
    TrainingJob,
    read_examples,
    read_job,
    write_result,
)
from learning.training.progress import Heartbeat, ProgressLine
from learning.training.resources import available_bytes, check_memory, peak_rss_mib
from learning.training.worker import main, write_adapter


def run(folder: Path) -> JobResult:
    """Do the job that lies in `folder`; its id is the arm.

    Raises:
        TrainingError: If TRL is not installed or the job cannot be done.
    """
    if find_spec("trl") is None:
        raise TrainingError('TRL is not installed: pip install "elagent[baselines]"')
    job = read_job(folder)
    steps = [example.step for example in read_examples(folder)]
    make = {
        "trl-grpo": grpo,
        "trl-sdpo": sdpo,
        "trl-sdft": sdft,
        "grpo-words": grpo_words,
    }[job.id]
    with Heartbeat(folder) as heartbeat:
        heartbeat.say(ProgressLine(stage="loading the model"))
        check_memory(Path(job.model_folder), available_bytes=available_bytes())
        with (
            tempfile.TemporaryDirectory(prefix="elagent-trl-") as scratch,
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # TRL says that it is experimental, which we know
            trainer = make(job, steps, scratch)
            report = _trained(trainer, job, heartbeat)
        model = trainer.accelerator.unwrap_model(trainer.model)
        for name in [name for name in model.peft_config if name != "default"]:
            model.delete_adapter(name)  # a teacher of the trainer's own
        if not _moved(model):
            result = JobResult(adapter=None, trained=0, skipped={"without effect": len(steps)})
            write_result(folder, result)
            return result
        heartbeat.say(ProgressLine(stage="writing the adapter"))
        ids = tuple(step.id for step in steps)
        name = write_adapter(folder, job, model, experience_ids=ids, report=report)
        result = JobResult(adapter=name, trained=len(steps), skipped={})
        write_result(folder, result)
    return result


def _moved(model: Any) -> bool:  # noqa: ANN401
    """True if the adapter changes the model; it does not if all groups had equal rewards."""
    return any(bool(part.any()) for name, part in model.named_parameters() if "lora_B" in name)


def _trained(trainer: Any, job: TrainingJob, heartbeat: Heartbeat) -> dict[str, object]:  # noqa: ANN401
    """Train within the budget and return the report."""
    from transformers import PrinterCallback, TrainerCallback

    begun, losses, tokens = time.monotonic(), list[float](), 0

    class BudgetCallback(TrainerCallback):
        def on_log(self, args: object, state: Any, control: Any, **logged: Any) -> None:  # noqa: ANN401
            nonlocal tokens
            if "loss" not in logged["logs"]:
                return
            tokens = int(logged["logs"].get("num_tokens", 0))
            losses.append(float(logged["logs"]["loss"]))
            spent = time.monotonic() - begun
            heartbeat.say(
                ProgressLine(
                    stage="training",
                    step=state.global_step,
                    steps=job.steps,
                    loss=losses[-1],
                    eta_s=spent / state.global_step * (job.steps - state.global_step),
                )
            )
            if job.budget_s is not None and spent > job.budget_s:
                control.should_training_stop = True

    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(BudgetCallback())
    heartbeat.say(ProgressLine(stage="training", steps=job.steps))
    trainer.train()
    return {
        "losses": [round(loss, 6) for loss in losses],
        "tokens": tokens,
        "seconds_training": round(time.monotonic() - begun, 1),
        "peak_rss_mib": peak_rss_mib(),
    }


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], work=run))
