"""GGUF file to model folder, once: what serving needs of it, or the weights that training reads.

Serving needs configuration, tokenizer and chat template, which are read without torch; training needs the
bf16 weights too, three to four times the size of the file, so they are made when they are first needed
(`weights`). They are the dequantised weights of the very file that is served: training and serving see the
same model. What only transformers reads is written by `python -P -m learning.model.convert MODE GGUF OUT`;
only that process imports torch.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from learning.extra import need
from learning.model.engine import LocalModelError
from learning.model.gguf_file import GgufError, read_header
from learning.model.serving_folder import OtherTokenizerError, write_serving_folder

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


def convert_for_serving(gguf: Path, out: Path, *, on_progress: Progress) -> None:
    """Write the folder without the weights: seconds, and a few megabytes.

    The folder is there completely or not at all. Tokenizers that are not of byte-level BPE are left to
    transformers, which the extra `learn` brings.

    Raises:
        ConvertError: If the file is not a supported model, or space ran out.
        NotInstalledError: If its tokenizer needs transformers, which is not installed.
    """
    with _placed(gguf, out) as partial:
        on_progress("converting: reading the file", 0, 0)
        try:
            write_serving_folder(read_header(gguf), partial)
        except OtherTokenizerError as err:
            need(f"{gguf.name} cannot be converted here: {err}, which")
            _run("serving", gguf, partial, on_progress)
        except GgufError as err:
            raise _unusable(gguf, str(err)) from err


def convert_weights(gguf: Path, out: Path, *, like: Path, on_progress: Progress) -> None:
    """Write the folder with the weights of `gguf` and the tokenizer and template of the folder `like`.

    The folder is there completely or not at all.

    Raises:
        ConvertError: If the file is not a supported model, or memory or space ran out.
        NotInstalledError: If the extra `learn` is not installed.
    """
    need("Unpacking weights for training")
    with _placed(gguf, out) as partial:
        on_progress("converting: reading the file", 0, 0)
        _run("weights", gguf, partial, on_progress)
        for file in like.iterdir():
            if file.is_file() and file.name != "config.json":
                shutil.copyfile(file, partial / file.name)


@contextmanager
def _placed(gguf: Path, out: Path) -> Iterator[Path]:
    """A folder to write, which takes its place as `out` at the end; an error leaves nothing of it."""
    partial = out.with_name(f".{out.name}.partial-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        yield partial
        _sync(partial)
        partial.replace(out)
    except OSError as err:
        raise ConvertError(
            f"{gguf.name} could not be converted: {err.strerror}; mend that and try again."
        ) from err
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _unusable(gguf: Path, reason: str) -> ConvertError:
    return ConvertError(
        f"{gguf.name} could not be converted: it is damaged, of a kind that is not supported, "
        f"or the disk is full ({reason})."
    )


def _start(mode: str, gguf: Path, partial: Path, scratch: str) -> subprocess.Popen[bytes]:
    own = {
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "HF_HUB_OFFLINE": "1",
        # torch makes it as it loads, and would leave it among the temporary files
        "TORCHINDUCTOR_CACHE_DIR": os.environ.get("TORCHINDUCTOR_CACHE_DIR", scratch),
    }
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "learning.model.convert", mode, str(gguf), str(partial)],
        env={**os.environ, **own},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def _run(mode: str, gguf: Path, partial: Path, on_progress: Progress) -> None:
    tail: list[str] = []
    with (
        TemporaryDirectory(prefix="elagent-convert-") as scratch,
        _start(mode, gguf, partial, scratch) as process,
    ):
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
        raise _unusable(gguf, reason)


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


def _convert_here(mode: str, gguf: Path, out: Path) -> None:
    """The work itself; with weights, peak memory is about twice their size in bf16."""
    from transformers import AutoConfig

    out.mkdir(parents=True)
    if mode == "serving":
        config: Any = AutoConfig.from_pretrained(
            gguf.parent, gguf_file=gguf.name, local_files_only=True, trust_remote_code=False
        )
        if hasattr(config, "quantization_config"):
            del config.quantization_config
        config.save_pretrained(out)
        _read_tokenizer(gguf, out)
    else:
        _unpack(gguf, out)
    written = json.loads((out / "config.json").read_text(encoding="utf-8"))
    written.pop("_model_name_or_path", None)
    (out / "config.json").write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")


def _unpack(gguf: Path, out: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

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
    model.save_pretrained(out, max_shard_size="2GB")


def _read_tokenizer(gguf: Path, out: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(
        gguf.parent, gguf_file=gguf.name, local_files_only=True, trust_remote_code=False
    )
    tokenizer.save_pretrained(out)


def _main(argv: list[str]) -> int:
    mode, *paths = argv
    gguf, out = map(Path, paths)
    try:
        _convert_here(mode, gguf, out)
    except Exception as err:  # noqa: BLE001 - the outer edge of this process
        first_line = (str(err).strip() or type(err).__name__).splitlines()[0]
        sys.stderr.write(f"\n{first_line[:300]}\n")
        return 1
    sys.stderr.write(f"\n{_DONE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
