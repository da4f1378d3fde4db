"""Real projects: `elagent run-tests` against their tests run by hand in the same image.

Run: `.venv/bin/python -P benchmarks/real_projects.py [--image debian] [NAME ...]`. The projects are
source distributions of the package index, pinned by version. They are fetched as files, unpacked
without running anything, and committed to a fresh git repository each. "By hand" is what a person
would type, in a box of the very image that elagent made for the project: install it, run the
runner, and read the counts off the last line. Prints one row per project and, last, all of them as
one JSON line; ends with 1 if any two counts differ.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement

from agent.entering import project_files
from agent.paths import from_environ, make_private
from agent.project import limits_of, prepare
from agent.settings.schema import SandboxSettings
from agent.workspace.workspace import Workspace
from sandbox.box import DockerSandbox
from sandbox.contract import Job
from sandbox.sdists import fetch_sdist

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 600.0
PYTHON = "/tmp/by-hand/bin/python"  # noqa: S108 - inside the box
OUTCOMES = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")
INSTALL = (
    "python3 -m venv --system-site-packages --without-pip /tmp/by-hand"
    f" && {PYTHON} -m pip install -q --no-index --no-deps --no-build-isolation"
    " --disable-pip-version-check -e . >/tmp/install.log 2>&1 || { tail -3 /tmp/install.log; exit; }"
)
PYTEST = f"{PYTHON} -m pytest -q -rs --color=no -p no:cacheprovider 2>&1 | tail -60"
UNITTEST = f"{PYTHON} -m unittest 2>&1 | tail -5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One project, and why it is in the list."""

    requirement: str
    kind: str
    by_hand: str = PYTEST


SAMPLES = (
    Sample(requirement="toolz==1.2.0", kind="pure Python, tests inside the package"),
    Sample(requirement="pyflakes==4.1.0", kind="unittest, no declarations", by_hand=UNITTEST),
    Sample(requirement="markupsafe==3.0.4", kind="C extension, uv.lock"),
    Sample(requirement="python-slugify==9.2.0", kind="tox-style, setup.py"),
    Sample(requirement="tabulate==0.10.0", kind="tox-style, setuptools-scm"),
    Sample(requirement="humanize==4.17.0", kind="src layout, hatch-vcs"),
    Sample(requirement="aiofiles==25.1.0", kind="async, src layout, uv.lock"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What both ways counted, by outcome."""

    project: str
    kind: str
    elagent: dict[str, int]
    by_hand: dict[str, int]
    prepare_s: float
    elagent_s: float
    note: str = ""

    @property
    def same(self) -> bool:
        """Whether they counted the same, and anything at all."""
        return self.elagent == self.by_hand and sum(self.elagent.values()) > 0


def unpack(content: bytes, folder: Path) -> None:
    """Write the regular files of an archive, without its top folder, and nothing else of it."""
    folder.mkdir()
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:*") as archive:
        for member in archive:
            parts = PurePosixPath(member.name).parts[1:]
            if not member.isreg() or not parts or ".." in parts or ".git" in parts:
                continue
            target = folder.joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            stream = archive.extractfile(member)
            target.write_bytes(stream.read() if stream else b"")
            if member.mode & 0o100:
                target.chmod(0o755)


def commit(folder: Path) -> None:
    """Make it a repository with one commit."""
    git = ["git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["init", "-q"], ["add", "-A", "-f"], ["commit", "-q", "-m", "as published"]):
        subprocess.run([*git, *command], check=True, capture_output=True)


def counted_by_pytest(text: str) -> dict[str, int]:
    """Read pytest's last line: `3 failed, 20 passed, 1 skipped in 0.5s`.

    Skipped parts of a test (`SUBSKIPPED [2] …`) stand in that line, too, but are no tests.
    """
    counts = dict.fromkeys(OUTCOMES, 0)
    summaries = [line for line in text.splitlines() if re.search(r"\d .* in [\d.:]+ ?s", line)]
    last = summaries[-1] if summaries else ""  # threads may still print after it
    for number, word in re.findall(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed)", last):
        counts[word.removesuffix("s") if word.startswith("error") else word] = int(number)
    counts["skipped"] -= sum(map(int, re.findall(r"^SUBSKIPPED.*?\[(\d+)\]", text, re.MULTILINE)))
    return counts


def counted_by_unittest(text: str) -> dict[str, int]:
    """Read unittest's last lines: `Ran 5 tests in 1s` and `FAILED (failures=1, skipped=2)`."""
    counts = dict.fromkeys(OUTCOMES, 0)
    names = {
        "failures": "failed",
        "errors": "error",
        "skipped": "skipped",
        "expected failures": "xfailed",
        "unexpected successes": "xpassed",
    }
    for name, number in re.findall(r"([a-z ]+)=(\d+)", text):
        counts[names[name.strip()]] = int(number)
    if ran := re.search(r"Ran (\d+) tests?", text):
        counts["passed"] = int(ran[1]) - sum(counts.values())
    return counts


def with_elagent(folder: Path, image: str) -> tuple[dict[str, int], float, str]:
    """Counts, seconds and, if it said anything else, what."""
    argv = [sys.executable, "-P", str(ROOT / "elagent.py"), "run-tests", str(folder), "--json"]
    started = time.perf_counter()
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "ELAGENT_SANDBOX_IMAGE": image,
            "ELAGENT_SANDBOX_TIMEOUT_S": f"{TIMEOUT_S:.0f}",
        },
    )
    elapsed_s = time.perf_counter() - started
    counts = dict.fromkeys(OUTCOMES, 0)
    note = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""
    for line in done.stdout.splitlines():
        event = json.loads(line)
        if event["event"] == "tests_finished":
            counts |= {name: event["counts"][name] for name in OUTCOMES}
            status = event["report"]["status"]
            note = "" if status == "complete" else status
    return counts, elapsed_s, note


async def compare(sample: Sample, image: str) -> Row:
    """Run one project in both ways."""
    paths = from_environ(os.environ)
    with tempfile.TemporaryDirectory(prefix="elagent-real-") as scratch:
        folder = Path(scratch, Requirement(sample.requirement).name)
        sdist = await asyncio.to_thread(fetch_sdist, Requirement(sample.requirement), Path(scratch))
        unpack(sdist.content, folder)
        commit(folder)
        started = time.perf_counter()
        settings = SandboxSettings(image=image, timeout_s=TIMEOUT_S)
        workspace = Workspace(folder, Path(scratch, "shadow.git"), environ=os.environ)
        state_dir = make_private(paths.sandbox)
        project, layer = await prepare(workspace, settings=settings, state_dir=state_dir)
        prepare_s = time.perf_counter() - started
        counts, elagent_s, note = await asyncio.to_thread(with_elagent, folder, image)
        files = project_files(workspace).files
        job = Job(
            argv=["sh", "-c", f"{INSTALL}; {sample.by_hand}"],
            files=files,
            env=project.environment,
            limits=limits_of(settings),
        )
        async with DockerSandbox(layer.id, session="by-hand", lock_dir=state_dir) as box:
            execution = await box.run(job)
    said = execution.stdout.text
    read = counted_by_unittest if sample.by_hand is UNITTEST else counted_by_pytest
    by_hand = read(said)
    if counts != by_hand and not note:
        note = " / ".join(said.strip().splitlines()[-2:])
    return Row(
        project=sample.requirement.replace("==", " "),
        kind=sample.kind,
        elagent=counts,
        by_hand=by_hand,
        prepare_s=prepare_s,
        elagent_s=elagent_s,
        note=note,
    )


def brief(counts: dict[str, int]) -> str:
    """The outcomes that occurred: `20 passed, 1 skipped`."""
    return ", ".join(f"{number} {name}" for name, number in counts.items() if number) or "nothing"


def main() -> None:
    """Compare all projects, or the named ones, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--image", default="debian", help="base image; the C extension needs gcc")
    options = parser.parse_args()
    chosen = [
        s for s in SAMPLES if not options.names or s.requirement.split("==")[0] in options.names
    ]
    rows = []
    for sample in chosen:
        row = asyncio.run(compare(sample, options.image))
        rows.append(row)
        verdict = "same" if row.same else f"DIFFERENT: by hand {brief(row.by_hand)} ({row.note})"
        print(
            f"{row.project:<22} {row.kind:<38} {brief(row.elagent):<34} {verdict}"
            f"   (layer {row.prepare_s:.0f} s, run {row.elagent_s:.1f} s)",
            flush=True,
        )
    print(json.dumps([dataclasses.asdict(row) for row in rows]))
    sys.exit(0 if all(row.same for row in rows) else 1)


if __name__ == "__main__":
    main()
