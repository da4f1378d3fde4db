"""Reads a model's reply: whole-file edits, a command, an answer, or nothing usable.

The parser needs no native tool calls and never raises. It never invents a file: every path is one
that the project has, the path that was asked for, or a label in the reply itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from agent.editing.python_source import parse_python
from agent.reply.block_files import NOT_CODE, SHELL, file_text, sorted_by_label
from agent.reply.blocks import FencedBlock, scan_blocks
from agent.reply.calls import (
    BrokenCall,
    Call,
    RunCall,
    WriteCall,
    only_calls,
    read_calls,
    read_json_calls,
)
from agent.reply.labels import label_of, sole_path
from agent.reply.named import Names, Unclear
from agent.reply.parsed import (
    FileEdit,
    FileEdits,
    Finish,
    ParsedReply,
    PlainAnswer,
    ShellCommand,
    Unusable,
)
from agent.reply.reasoning import part_reply
from agent.reply.search_replace import has_patches, read_patches

_JSON_FILES = (".json", ".jsonc", ".json5", ".ipynb")
_MARKDOWN = frozenset({"md", "markdown", "mdx"})
_MARKDOWN_FILES = (".md", ".markdown", ".mdx")
_MAY_HOLD_PATCHES = (".md", ".rst", ".txt", ".patch", ".diff")
_PATCH = re.compile(r"(?m)^(?:<{5,9} SEARCH|@@ -\d+.*@@|\*\*\* (?:Begin Patch|Update File:))")
_CODE_START = re.compile(r"(?m)^(?:def |class |import |from \w+ import |@\w|async def |\w+ = )")

_CUT_OFF = Unusable(
    kind="cut_off", reason="The reply was cut off before its end. Keep it to the file alone."
)
_ONLY_THOUGHT = Unusable(
    kind="cut_off",
    reason="The reply ended while the model was still thinking. Answer at once, and be brief.",
)
_NO_CODE = Unusable(
    kind="no_code",
    reason="The reply has no code block. Give the whole file in one fenced block.",
)


def parse_reply(
    text: str,
    *,
    known_paths: Collection[str],
    default_path: str | None = None,
    finish: Finish = "stop",
    take_patches: bool = False,
    request: str = "",
) -> ParsedReply:
    """Read a reply.

    `request` is the person's message: a new file may be made under a name in it.

    With `take_patches`, SEARCH/REPLACE blocks are changes; without, they are not usable.

    `default_path` is the one file that was asked for, if one was; a single block without a label
    is then taken as that file, and a reply without code is not usable.
    """
    parted = part_reply(text.lstrip("\ufeff").replace("\r\n", "\n"))
    text = parted.answer
    names = Names(known_paths, request)
    if parted.unfinished:
        return _ONLY_THOUGHT
    if not text.strip():
        return Unusable(kind="empty", reason="The reply is empty.")
    if take_patches and has_patches(text):
        return _read_patches(text, names, finish)
    scan = scan_blocks(text)
    if not scan.blocks:
        return _read_unfenced(text, names, default_path, finish)
    if not all(block.closed for block in scan.blocks):
        return _CUT_OFF
    return _read_blocks(scan.blocks, scan.prose, names, default_path)


def _read_patches(text: str, names: Names, finish: Finish) -> ParsedReply:
    """SEARCH/REPLACE blocks, with the commands and whole files beside them."""
    found = read_patches(text, names)
    if isinstance(found, str):
        return Unusable(kind="patch", reason=found)
    beside = parse_reply(found.rest, known_paths=names.known, finish=finish, request=names.request)
    match beside:
        case FileEdits(edits=edits, command=command, prose=prose, notes=notes):
            return FileEdits(
                edits=edits, patches=found.patches, command=command, prose=prose, notes=notes
            )
        case ShellCommand(command=command, prose=prose, notes=notes):
            return FileEdits(
                edits=(), patches=found.patches, command=command, prose=prose, notes=notes
            )
        case PlainAnswer(text=prose, notes=notes):
            return FileEdits(edits=(), patches=found.patches, prose=prose, notes=notes)
        case Unusable(kind="empty"):
            return FileEdits(edits=(), patches=found.patches)
        case Unusable():
            return beside


def _read_unfenced(
    text: str, names: Names, default_path: str | None, finish: Finish
) -> ParsedReply:
    if calls := read_calls(text):
        return _read_calls(calls, names, default_path)
    if default_path is None:
        return _patch_or(PlainAnswer(text=text.strip()), text)
    if finish == "length":
        return _CUT_OFF
    label, _, rest = text.strip("\n").partition("\n")
    path = sole_path(label, names)
    if isinstance(path, str) and path in names.known and _is_bare_code(rest):
        return FileEdits(edits=(FileEdit(path=path, content=file_text(rest)),))
    if default_path.endswith(".py") and _is_bare_code(text):
        return FileEdits(edits=(FileEdit(path=default_path, content=file_text(text)),))
    return _patch_or(_NO_CODE, text)


def _is_bare_code(text: str) -> bool:
    return _CODE_START.search(text) is not None and parse_python(text) is not None


def _patch_or(otherwise: ParsedReply, text: str) -> ParsedReply:
    if _PATCH.search(text) and parse_python(text) is None:
        reason = "The reply is a patch. Give the whole file in one fenced block instead."
        return Unusable(kind="patch", reason=reason)
    return otherwise


def _read_calls(
    calls: Sequence[Call], names: Names, default_path: str | None, prose: str = ""
) -> ParsedReply:
    if any(isinstance(call, BrokenCall) for call in calls):
        reason = (
            "The call in the reply is broken or cut off. Give the whole file in a fenced block."
        )
        return Unusable(kind="broken_call", reason=reason)
    writes: list[FileEdit] = []
    for call in calls:
        if isinstance(call, WriteCall):
            path = names.existing(call.path) or names.meaning(call.path.strip())
            if isinstance(path, Unclear) and default_path is None:
                return Unusable(kind="label", reason=str(path))
            path = path.label if isinstance(path, Unclear) else path
            writes.append(FileEdit(path=path, content=file_text(_unwrapped(call.content, path))))
    command = "\n".join(call.command for call in calls if isinstance(call, RunCall))
    if not writes:
        return ShellCommand(command=command, prose=prose)
    return _resolved(writes, names, default_path, prose=prose, command=command)


def _read_blocks(
    blocks: Sequence[FencedBlock], prose: str, names: Names, default_path: str | None
) -> ParsedReply:
    if len(blocks) == 1 and (calls := _calls_in(blocks[0], names)):
        return _read_calls(calls, names, default_path, prose)
    found = sorted_by_label(blocks, names, default_path)
    if unreadable := next((item for item in found.unclear if item.is_label), None):
        return Unusable(kind="label", reason=str(unreadable))
    code = [block for block in found.unlabelled if block.language not in NOT_CODE]
    shell = [block for block in found.unlabelled if block.language in SHELL]
    command = "\n".join(_command(block) for block in shell)
    notes = tuple(str(item) for item in found.unclear)
    if found.labelled:
        notes = notes or (("a block without a path was left out",) if code else ())
        return _resolved(
            found.labelled, names, default_path, prose=prose, command=command, notes=notes
        )
    if default_path is not None:
        return _read_default(code, blocks, default_path, prose, command)
    return _read_unlabelled(blocks, prose, command, notes)


def _read_unlabelled(
    blocks: Sequence[FencedBlock], prose: str, command: str, notes: tuple[str, ...]
) -> ParsedReply:
    patch = _patch_or(_NO_CODE, "\n".join(block.content for block in blocks))
    if isinstance(patch, Unusable) and patch.kind == "patch":
        return patch
    if command:
        return ShellCommand(command=command, prose=prose, notes=notes)
    answer = prose + "".join(f"\n\n{block.content}" for block in blocks)
    return PlainAnswer(text=answer, notes=notes)


def _calls_in(block: FencedBlock, names: Names) -> tuple[Call, ...]:
    if block.language in ("json", "tool_call") or block.content.lstrip().startswith("<tool_call>"):
        content = block.content
        found = read_calls(content) if "<tool_call>" in content else read_json_calls(content)
        path = label_of(block, names)[0]
        is_file = isinstance(path, str) and (path in names.known or path.endswith(_JSON_FILES))
        return () if is_file else found
    return only_calls(block.content)


def _read_default(
    code: Sequence[FencedBlock],
    blocks: Sequence[FencedBlock],
    default_path: str,
    prose: str,
    command: str,
) -> ParsedReply:
    if len(code) > 1:
        reason = "The reply has several code blocks. Give the whole file in one fenced block."
        return Unusable(kind="no_path", reason=reason)
    everything = "\n".join(block.content for block in blocks)
    if not code or not code[0].content.strip():
        return _patch_or(_NO_CODE, everything)
    edit = FileEdit(path=default_path, content=file_text(code[0].content))
    return _patch_or(FileEdits(edits=(edit,), prose=prose, command=command), everything)


def _resolved(
    edits: Sequence[FileEdit],
    names: Names,
    default_path: str | None,
    *,
    prose: str,
    command: str,
    notes: tuple[str, ...] = (),
) -> ParsedReply:
    """One edit for each path, and unknown paths taken as the file that was asked for, or refused."""
    by_path = {edit.path: edit for edit in edits}
    notes += tuple(
        f"{path} was given more than once; the last one counts"
        for path in by_path
        if sum(edit.path == path for edit in edits) > 1
    )
    strange = [path for path in by_path if path not in names.known and path != default_path]
    if default_path is not None and strange:
        if len(by_path) > 1 or not _can_mean(strange[0], default_path):
            listed = ", ".join(strange)
            reason = f"There is no file {listed}. Give only the whole file {default_path}."
            return Unusable(kind="unknown_file", reason=reason)
        edit = replace(by_path[strange[0]], path=default_path)
        by_path = {default_path: edit}
        notes += (f"the reply names {strange[0]}; taken as {default_path}",)
    checked = (edit for edit in by_path.values() if not edit.path.endswith(_MAY_HOLD_PATCHES))
    contents = "\n".join(edit.content for edit in checked)
    found = FileEdits(edits=tuple(by_path.values()), prose=prose, command=command, notes=notes)
    return _patch_or(found, contents)


def _can_mean(label: str, path: str) -> bool:
    """True if a label that names no file can be the one that was asked for, written otherwise."""
    if path.endswith(f"/{label}") or ("/" in path and label.endswith(f"/{path}")):
        return True
    invented = label.startswith("/") or "path/to/" in label
    return invented and label.rpartition("/")[2] == path.rpartition("/")[2]


def _command(block: FencedBlock) -> str:
    """The commands of a shell block, without prompts and without the output of a transcript."""
    lines = [line for line in block.content.strip().splitlines() if line.strip()]
    typed = [line.lstrip()[2:] for line in lines if line.lstrip().startswith("$ ")]
    return "\n".join(typed or lines)


def _unwrapped(content: str, path: str) -> str:
    """The content of a call without the fence that some models put around it.

    A Markdown file may be a fence and no more.
    """
    stripped = content.strip()
    if stripped.startswith("```") and stripped.endswith("```"):
        scan = scan_blocks(stripped)
        is_own = path.endswith(_MARKDOWN_FILES) and scan.blocks[0].language not in _MARKDOWN
        if len(scan.blocks) == 1 and scan.blocks[0].closed and not is_own:
            return scan.blocks[0].content
    return content
