"""Which files of a project enter the box, and what their absence means for a verdict."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.approval import Approver, Question
from agent.testing.verified import VerifiedTests
from agent.workspace.workspace import Workspace
from sandbox.box.contract import SourceFile
from sandbox.box.status import Trust
from sandbox.files.ignored import chosen, globs
from sandbox.files.leaving_out import missed
from sandbox.files.masking import Masker
from sandbox.files.transfer import Refusal, collect_files
from sandbox.project.missing import missing_packages
from sandbox.verdict.lacking import told_apart, without_lacking
from sandbox.verdict.pristine import content_of
from sandbox.verdict.report import TestReport, TestResult

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
    """Those of the files in which placeholders stand for secrets."""
    ignored: tuple[str, ...] = ()
    """Git-ignored files, and folders with their slash, that stay outside."""


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
    entering = files_below(root or workspace.root, names, maskable=maskable)
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


def files_below(
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


async def run_whole(
    verified: VerifiedTests,
    entering: Entering,
    *,
    folder: str = "",
    only: Sequence[str] = (),
    on_output: Callable[[bytes], None] | None = None,
    on_result: Callable[[TestResult], None] | None = None,
) -> TestReport:
    """Run the tests, and say what they could not judge: what is left out, what the image lacks.

    Nothing is learned from a run that is not whole.

    Raises:
        SandboxError: If no answer can be given.
    """

    def tell(result: TestResult) -> None:
        if on_result is not None:
            on_result(told_apart(result))

    report = await verified.run(entering.files, only=only, on_output=on_output, on_result=tell)
    report = without_lacking(report)
    left_out = missed(entering.refused, entering.files, folder=folder)
    absent = missing_packages(report, entering.files, folder=folder)
    report = replace(
        report,
        left_out=left_out,
        masked=entering.masked,
        remarks=(*report.remarks, *absent),
    )
    if not (left_out or report.masked or report.lacking):
        return report
    return replace(report, trust=Trust.PLAIN, notes=(*report.notes, *_why_plain(report)))


def _why_plain(report: TestReport) -> list[str]:
    reasons = [f"{item.path} did not enter the sandbox" for item in report.left_out]
    reasons += [f"placeholders stood for the secrets of {path}" for path in report.masked]
    return [*reasons, *(f"the image lacks {name}" for name in report.lacking)]
