"""GGUF file to model folder (bf16 safetensors, tokenizer, chat template), once, in its own process.

The folder holds the dequantised weights of the very file that is served, so training and serving
see the same model. `convert` starts `python -P -m learning.model.convert GGUF OUT`; only that
process imports torch.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from learning.model.engine import LocalModelError

Progress = Callable[[str, int, int], None]
"""Called with the name of the stage, the amount done, and the total."""

_BAR = re.compile(
    r"^(?P<what>[A-Z][^:|]{3,60}?)\.*:\s+\d+%\|.*\|\s*(?P<done>\d+)/(?P<total>\d+) \["
)
_STEPS = {
    "Converting and de-quantizing GGUF tensors": "unpacking weights",
    "Loading weights": "loading weights",
    "Writing model shards": "writing weights",
}
_DONE = "elagent: converted"


class ConvertError(LocalModelError):
    """The GGUF file could not be turned into a model folder."""


def convert(gguf: Path, out: Path, *, on_progress: Progress) -> None:
    """Write the model folder of `gguf` to `out`; it is there completely or not at all.

    Raises:
        ConvertError: If the file is not a supported model, or memory or space ran out.
    """
    partial = out.with_name(f".{out.name}.partial-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    on_progress("converting: reading the file", 0, 0)
    try:
        _run(gguf, partial, on_progress)
        _sync(partial)
        partial.replace(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _run(gguf: Path, partial: Path, on_progress: Progress) -> None:
    root = str(Path(__file__).resolve().parents[2])
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "learning.model.convert", str(gguf), str(partial)],
        env={**os.environ, "PYTHONPATH": root, "HF_HUB_OFFLINE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    tail: list[str] = []
    with process:
        try:
            assert process.stderr is not None  # noqa: S101 - for the type checker
            for line in _lines(process.stderr):
                _report(line, on_progress)
                tail = [*tail[-20:], line]
        finally:
            if process.poll() is None:
                process.terminate()
    if process.returncode != 0 or _DONE not in tail[-1:]:
        reason = next((line for line in reversed(tail) if line.strip()), "no reason given")
        if process.returncode == -9:  # noqa: PLR2004 - SIGKILL
            raise ConvertError(
                f"{gguf.name} could not be converted: the process was killed, most likely because "
                "memory ran out; close other programs and try again."
            )
        raise ConvertError(
            f"{gguf.name} could not be converted: it is damaged, of a kind that is not supported, "
            f"or the disk is full ({reason})."
        )


def _lines(stream: IO[bytes]) -> Iterator[str]:
    """Lines ended by newline or by the carriage return of a progress bar, as they come."""
    pending = b""
    while chunk := os.read(stream.fileno(), 4096):
        *complete, pending = re.split(rb"[\r\n]+", pending + chunk)
        yield from (line.decode(errors="replace") for line in complete if line)
    if pending:
        yield pending.decode(errors="replace")


def _report(line: str, on_progress: Progress) -> None:
    bar = _BAR.match(line)
    if bar and bar["what"] in _STEPS:
        on_progress(f"converting: {_STEPS[bar['what']]}", int(bar["done"]), int(bar["total"]))


def _sync(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _convert_here(gguf: Path, out: Path) -> None:
    """The work itself; peak memory is about twice the bf16 weights."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.bfloat16,
        local_files_only=True,
        trust_remote_code=False,
    )
    # A model that still says it is quantised can be neither saved nor trained.
    model.hf_quantizer = None  # type: ignore[assignment]  # typed as a module attribute
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    out.mkdir(parents=True)
    model.save_pretrained(out, max_shard_size="2GB")
    tokenizer = AutoTokenizer.from_pretrained(
        gguf.parent, gguf_file=gguf.name, local_files_only=True, trust_remote_code=False
    )
    tokenizer.save_pretrained(out)
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    config.pop("_model_name_or_path", None)
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _main(argv: list[str]) -> int:
    gguf, out = map(Path, argv)
    try:
        _convert_here(gguf, out)
    except Exception as err:  # noqa: BLE001 - the outer edge of this process
        first_line = (str(err).strip() or type(err).__name__).splitlines()[0]
        sys.stderr.write(f"\n{first_line[:300]}\n")
        return 1
    sys.stderr.write(f"\n{_DONE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
