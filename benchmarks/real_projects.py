"""Real projects: `elagent run-tests` against their tests run by hand in the same image.

Run: `.venv/bin/python -P benchmarks/real_projects.py [--image debian] [--out FILE]
[NAME ...]`. The projects are
source distributions of the package index, pinned by version. They are fetched as files, unpacked
without running anything, and committed to a fresh git repository each. "By hand" is what a person
would type, in a box of the very image that elagent made for the project: install it, run the
runner, and read the counts off the last line. Where the image lacks the build backend or a
compiler, the source is put on the path instead. Prints one row per project and, last, all of them as
one JSON line; ends with 1 if any two counts differ. With `--out`, each row is appended to a file as
it is made, and projects that have one there, of the same version and base image, are not run again.
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

from agent.paths import from_environ, make_private
from agent.settings.schema import SandboxSettings
from agent.testing.entering import project_files
from agent.testing.opening import limits_of, prepare
from agent.workspace.workspace import Workspace
from learning.evaluation.rows import append_rows, read_rows
from sandbox.box.contract import Job, SandboxError
from sandbox.box.docker_box import DockerSandbox
from sandbox.images.sdists import fetch_sdist

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
ZOPE = f"{PYTHON} -m unittest zope.event.tests 2>&1 | tail -5"
DJANGO = f"DJANGO_SETTINGS_MODULE=tests.test_settings {PYTHON} -m django test 2>&1 | tail -5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One project, and why it is in the list."""

    requirement: str
    kind: str
    by_hand: str = PYTEST
    source: str = ""
    """Folder put on the path by hand instead of an install, where the image cannot build it."""

    @property
    def project(self) -> str:
        """Its name and version, apart."""
        return self.requirement.replace("==", " ")

    @property
    def typed(self) -> str:
        """Shell text that a person would type in the project's folder."""
        if not self.source:
            return f"{INSTALL}; {self.by_hand}"
        made = "python3 -m venv --system-site-packages --without-pip /tmp/by-hand"
        return f"{made}; export PYTHONPATH=$PWD/{self.source}; {self.by_hand}"


SAMPLES = (
    Sample(requirement="toolz==1.2.0", kind="pure Python, tests inside the package"),
    Sample(requirement="pyflakes==4.1.0", kind="unittest, no declarations", by_hand=UNITTEST),
    Sample(requirement="markupsafe==3.0.4", kind="C extension, uv.lock"),
    Sample(requirement="python-slugify==9.2.0", kind="tox-style, setup.py"),
    Sample(requirement="tabulate==0.10.0", kind="tox-style, setuptools-scm"),
    Sample(requirement="humanize==4.17.0", kind="src layout, hatch-vcs"),
    Sample(requirement="aiofiles==25.1.0", kind="async, src layout, uv.lock"),
    Sample(requirement="itsdangerous==2.2.0", kind="Flit, freezegun", source="src"),
    Sample(requirement="tomlkit==0.15.2", kind="Poetry"),
    Sample(requirement="dep-logic==0.7.2", kind="PDM"),
    Sample(
        requirement="zope.event==6.2", kind="namespace package, tests in its tests.py", by_hand=ZOPE
    ),
    Sample(
        requirement="django-appconf==1.2.0", kind="Django, settings named nowhere", by_hand=DJANGO
    ),
    Sample(
        requirement="simplejson==4.3.0",
        kind="C extension (optional), unittest",
        by_hand=UNITTEST,
        source=".",
    ),
    Sample(requirement="structlog==26.1.0", kind="pytest-asyncio, dependency groups"),
    Sample(requirement="jaraco.functools==4.6.0", kind="namespace package, doctests of modules"),
    Sample(
        requirement="more-itertools==11.2.1",
        kind="unittest, doctests",
        source=".",
        by_hand=UNITTEST,
    ),
    Sample(requirement="responses==0.26.3", kind="pytest-cov, pytest-asyncio"),
    Sample(requirement="inflection==0.5.1", kind="setup.py, one module"),
    Sample(requirement="parse==1.22.4", kind="one module, pyproject.toml"),
    Sample(requirement="h11==0.16.0", kind="tests inside the package"),
    Sample(requirement="sqlparse==0.6.1", kind="uv.lock, Hatch"),
    Sample(requirement="freezegun==1.5.5", kind="patches time"),
    Sample(requirement="cachetools==8.0.2", kind="unittest, tox", by_hand=UNITTEST),
    Sample(requirement="findpython==0.9.0", kind="PDM, runs interpreters"),
    Sample(requirement="defusedxml==0.7.1", kind="unittest classes, python_files in tox.ini"),
    Sample(requirement="asgiref==3.13.0", kind="pytest-asyncio, setup.cfg extras"),
    Sample(requirement="pytest-timeout==2.4.0", kind="a plugin that tests itself"),
    Sample(requirement="wcwidth==0.9.4", kind="C extension, pytest-cov"),
    Sample(requirement="marshmallow==4.4.0", kind="Flit", source="src"),
    Sample(requirement="boltons==26.2.0", kind="Flit, doctests", source="."),
    Sample(requirement="mcp==2.3.0", kind="uv workspace, pytest-xdist"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Counts of both ways, by outcome."""

    project: str
    kind: str
    elagent: dict[str, int]
    by_hand: dict[str, int]
    prepare_s: float
    elagent_s: float
    image: str
    """The base image it ran in."""
    note: str = ""

    @property
    def same(self) -> bool:
        """True if they counted the same, and anything at all."""
        return self.elagent == self.by_hand and sum(self.elagent.values()) > 0


def unpack(content: bytes, folder: Path) -> None:
    """Write the regular files of an archive, without its top folder, and nothing else of it."""
    folder.mkdir(exist_ok=True)
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
            argv=["sh", "-c", sample.typed],
            files=files,
            env=project.environment,
            limits=limits_of(settings),
        )
        async with DockerSandbox(layer.id, session="by-hand", lock_dir=state_dir) as box:
            execution = await box.run(job)
    said = execution.stdout.text
    read = counted_by_pytest if sample.by_hand == PYTEST else counted_by_unittest
    by_hand = read(said)
    if counts != by_hand and not note:
        note = " / ".join(said.strip().splitlines()[-2:])
    return Row(
        project=sample.project,
        kind=sample.kind,
        elagent=counts,
        by_hand=by_hand,
        prepare_s=prepare_s,
        elagent_s=elagent_s,
        image=image,
        note=note,
    )


def earlier_rows(path: Path, image: str) -> dict[str, Row]:
    """The rows that an earlier run in this base image left, by project."""
    rows = [Row(**record) for record in read_rows(path)]  # type: ignore[arg-type]
    return {row.project: row for row in rows if row.image == image}


def run(sample: Sample, image: str) -> Row:
    """Compare one project; one that cannot be prepared is a row, too."""
    try:
        return asyncio.run(compare(sample, image))
    except SandboxError as error:
        return without_layer(sample, image, error)


def without_layer(sample: Sample, image: str, error: SandboxError) -> Row:
    """A project for which no image could be made, and why."""
    return Row(
        project=sample.project,
        kind=sample.kind,
        elagent={},
        by_hand={},
        prepare_s=0.0,
        elagent_s=0.0,
        image=image,
        note=f"not run: {error}",
    )


def brief(counts: dict[str, int]) -> str:
    """The outcomes that occurred: `20 passed, 1 skipped`."""
    return ", ".join(f"{number} {name}" for name, number in counts.items() if number) or "nothing"


def main() -> None:
    """Compare all projects, or the named ones, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--image", default="debian", help="base image; the C extension needs gcc")
    parser.add_argument("--out", type=Path, help="append each row to this file, and resume from it")
    options = parser.parse_args()
    chosen = [
        s for s in SAMPLES if not options.names or s.requirement.split("==")[0] in options.names
    ]
    known = earlier_rows(options.out, options.image) if options.out else {}
    rows = []
    for sample in chosen:
        row = known.get(sample.project) or run(sample, options.image)
        if options.out and sample.project not in known:
            append_rows(options.out, [dataclasses.asdict(row)])
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
