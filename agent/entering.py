"""Which files of a project enter the box, and what their absence means for a verdict."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.approval import Approver, Question
from agent.verified import VerifiedTests
from agent.workspace.workspace import Workspace
from sandbox.contract import SourceFile
from sandbox.lacking import told_apart, without_lacking
from sandbox.leaving_out import missed
from sandbox.masking import Masker
from sandbox.report import TestReport, TestResult
from sandbox.status import Trust
from sandbox.transfer import Refusal, collect_files

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


def project_files(
    workspace: Workspace, *, maskable: Collection[str] | None = _NOTHING
) -> tuple[list[SourceFile], list[Refusal]]:
    """What is copied into the box, and what is not with the reason."""
    entering = files_below(workspace.root, workspace.list_files(), maskable=maskable)
    return list(entering.files), list(entering.refused)


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
    report = replace(report, left_out=left_out, masked=entering.masked)
    if not (left_out or report.masked or report.lacking):
        return report
    return replace(report, trust=Trust.PLAIN, notes=(*report.notes, *_why_plain(report)))


def _why_plain(report: TestReport) -> list[str]:
    reasons = [f"{item.path} did not enter the sandbox" for item in report.left_out]
    reasons += [f"placeholders stood for the secrets of {path}" for path in report.masked]
    return [*reasons, *(f"the image lacks {name}" for name in report.lacking)]
