"""Runs a project's linters in the sandbox, on the files as they are and as they were."""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from agent.testing.diagnostics import Diagnostic, failed, introduced, ran, read_diagnostics
from agent.testing.entering import MAX_PROJECT_BYTES
from agent.testing.project import ProjectTests
from sandbox.box.contract import SandboxError, SourceFile
from sandbox.files.transfer import collect_files
from sandbox.host.children import in_thread
from sandbox.project.linters import Linter, find_linters


@dataclass(frozen=True, slots=True, kw_only=True)
class Linted:
    """The problems that linters report in some files."""

    names: Sequence[str] = ()
    """The tools that looked; none if the image has none of them."""
    found: Sequence[Diagnostic] = ()
    new: Sequence[Diagnostic] = ()
    """Those of `found` that the files did not have before."""
    failed: Sequence[str] = ()
    """A sentence about each tool that ran and could not look."""


def linters_for(root: Path, command: str | None) -> tuple[Linter, ...]:
    """The person's own command, else the tools that the project configures; blocks."""
    if command:
        return (Linter(name="lint.command", command=command),)
    return find_linters(root)


async def lint(
    project: ProjectTests,
    linters: Sequence[Linter],
    paths: Sequence[str],
    old: Mapping[str, bytes | None],
) -> Linted:
    """Look at the files `paths`; `old` has what they held before, None where they did not exist.

    Both runs are on copies, in boxes of their own; the second is only made where something is found.

    Raises:
        SandboxError: If the sandbox gives no answer.
    """
    inside = _inside(project.folder, paths)
    script = "\n".join(filter(None, (linter.script(inside) for linter in linters)))
    if not script:
        return Linted()
    now = await _look(project, script, paths)
    if not now.found:
        return now
    held = {path: content for path, content in old.items() if content is not None}
    earlier = [path for path in paths if path in held]
    before: Sequence[Diagnostic] = ()
    if earlier:
        files = await in_thread(_as_sources, {path: held[path] for path in earlier})
        was = "\n".join(
            filter(None, (each.script(_inside(project.folder, earlier)) for each in linters))
        )
        before = (await _look(project, was, paths, instead=files)).found if was else ()
    return replace(now, new=introduced(before, now.found))


async def _look(
    project: ProjectTests, script: str, paths: Sequence[str], instead: Sequence[SourceFile] = ()
) -> Linted:
    """Problems that the tools report in these files, all of them as found."""
    execution = await project.run_command(f"exec 2>&1\n{script}", instead=instead)
    if execution.exit_code is None:
        raise SandboxError(f"the linter ended by {execution.ending.value.replace('_', ' ')}")
    output = execution.stdout.text
    broken = failed(output)
    return Linted(
        names=[name for name in ran(output) if name not in broken],
        found=read_diagnostics(output, folder=project.folder, only=set(paths)),
        failed=tuple(broken.values()),
    )


def _inside(folder: str, paths: Sequence[str]) -> list[str]:
    """The paths below the project's folder, relative to it."""
    if not folder:
        return list(paths)
    own = [path for path in paths if PurePosixPath(path).is_relative_to(folder)]
    return [posixpath.relpath(path, folder) for path in own]


def _as_sources(contents: Mapping[str, bytes]) -> list[SourceFile]:
    """Files with these contents, held to the same rules as every file that enters."""
    with tempfile.TemporaryDirectory(prefix="elagent-lint-") as folder:
        for path, content in contents.items():
            target = Path(folder, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        files, _ = collect_files(Path(folder), list(contents), max_bytes=MAX_PROJECT_BYTES)
    return files
