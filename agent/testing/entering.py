"""The files of a project that enter the box, and what the absence of others means for a verdict."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.approval import Approver, Question
from agent.workspace.workspace import Workspace
from sandbox.box.contract import SourceFile
from sandbox.box.status import VerdictTrust
from sandbox.files.ignored import chosen, globs
from sandbox.files.leaving_out import missed
from sandbox.files.masking import Masker
from sandbox.files.transfer import Refusal, collect_files
from sandbox.verdict.lacking import without_lacking
from sandbox.verdict.missing import missing_packages
from sandbox.verdict.pristine import content_of
from sandbox.verdict.report import TestReport

MAX_PROJECT_BYTES = 256 * 2**20
_NOTHING: frozenset[str] = frozenset()
_MASKED_COPY = (
    "Tests rest on these files, and they seem to hold secrets. A copy may enter the sandbox in which"
    " placeholders of the same shape stand for the secrets; the files themselves stay as they are."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entering:
    """The files of one run."""

    files: Sequence[SourceFile]
    refused: Sequence[Refusal]
    masked: tuple[str, ...] = ()
    """The copied files in which placeholders stand for secrets."""
    ignored: tuple[str, ...] = ()
    """Git-ignored files, and folders with their slash, that stay outside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The files of a test run: those of the worktree, of a copy of it, or of a commit's folder."""

    root: Path
    """The folder that is read."""
    workspace: Workspace | None = None
    """Lists the project's files; None: every file in the folder is one."""
    commit: str = "HEAD"
    """The commit that says which tests there are and what is in them."""
    maskable: Collection[str] | None = _NOTHING
    """The files of which a masked copy may enter; None: all."""
    include: str | None = None
    """Patterns of git-ignored files that enter."""

    def entering(self) -> Entering:
        """Read the files as they are now; blocks."""
        if self.workspace is not None:
            return project_files(
                self.workspace, root=self.root, maskable=self.maskable, include=self.include
            )
        paths = (path for path in self.root.rglob("*") if path.is_symlink() or path.is_file())
        names = sorted(str(path.relative_to(self.root)) for path in paths)
        return _files_below(self.root, names, maskable=self.maskable)


def project_files(
    workspace: Workspace,
    *,
    root: Path | None = None,
    maskable: Collection[str] | None = _NOTHING,
    include: str | None = None,
) -> Entering:
    """Read what is copied into the box, from `root` if that is a copy of the project.

    Git-ignored files come along if tests need them, or if a pattern of `include` names them.
    """
    names = workspace.list_files()
    entering = _files_below(root or workspace.root, names, maskable=maskable)
    ignored = workspace.list_ignored(globs(include))
    asked = {*map(os.fsdecode, ignored.asked)}.difference(names)
    others = {*map(os.fsdecode, ignored.files | ignored.large)} - asked
    needed = chosen(others, entering.files)
    known = sum(len(content_of(file)) for file in entering.files)
    left = max(0, MAX_PROJECT_BYTES - known)
    files, refused = collect_files(workspace.root, [*asked, *needed], max_bytes=left)
    refused = [refusal for refusal in refused if refusal.path in asked]
    came = {file.path for file in files}
    return replace(
        entering,
        files=[*entering.files, *files],
        refused=[*entering.refused, *refused],
        ignored=tuple(sorted(others - came)),
    )


def _files_below(
    root: Path, names: Sequence[str], *, maskable: Collection[str] | None = _NOTHING
) -> Entering:
    """Read files to be copied into the box; those of `maskable` may enter masked, None: all."""
    mask = Masker(maskable)
    files, refused = collect_files(root, names, max_bytes=MAX_PROJECT_BYTES, mask=mask)
    return Entering(files=files, refused=refused, masked=tuple(mask.masked))


async def ask_to_mask(approver: Approver, refused: Sequence[Refusal]) -> frozenset[str]:
    """The paths of which the person lets a masked copy in; none where nobody can be asked."""
    paths = [refusal.path for refusal in refused if refusal.maskable]
    if not paths:
        return _NOTHING
    question = Question(kind="masked copy", subject=", ".join(paths), detail=_MASKED_COPY)
    decision = await approver.decide(question)
    return frozenset(paths) if decision.allowed else _NOTHING


def with_gaps(report: TestReport, entering: Entering, *, folder: str = "") -> TestReport:
    """A report that also says what its run could not judge: left-out files, a lacking image.

    Nothing is learned from a run with gaps.
    """
    report = without_lacking(report)
    absent = missing_packages(report, entering.files, folder=folder)
    report = replace(
        report,
        left_out=missed(entering.refused, entering.files, folder=folder),
        masked=entering.masked,
        remarks=(*report.remarks, *absent),
    )
    if not (report.left_out or report.masked or report.lacking):
        return report
    return replace(report, trust=VerdictTrust.PLAIN, notes=(*report.notes, *_why_plain(report)))


def _why_plain(report: TestReport) -> list[str]:
    reasons = [f"{item.path} did not enter the sandbox" for item in report.left_out]
    reasons += [f"placeholders stood for the secrets of {path}" for path in report.masked]
    return [*reasons, *(f"the image lacks {name}" for name in report.lacking)]
