"""Answers to the commands that only look: adapters, experiences, the last verdict, the context.

Each gives text for people, so that the line loop and the full-screen app say the same. They read
files and block; call them in a thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from agent.errors import ConfigError
from agent.fixing.context import estimate_tokens
from agent.library.adapters import AdapterRow, list_adapters, report_lines, roll_back, use
from agent.library.experiences import captured
from agent.library.place import Library
from agent.session.session import list_sessions, read_session
from agent.settings.schema import PlannerSettings
from learning.records import Message

_LATEST = 15
_SUBJECT_CHARACTERS = 70
_FIRST_WORDS = 60


def adapters(library: Library) -> str:
    """Every adapter of this repository with its lineage; the one in use is marked."""
    rows = list_adapters(library).rows
    if not rows:
        return "Nothing was learned here yet; /learn does it."
    lines = [_adapter_line(row) for row in rows]
    base = "" if any(row.in_use for row in rows) else "  (in use)"
    advice = "/adapters NAME uses one, /adapters base none, /adapters rollback the one before"
    return "\n".join([f"the bare model{base}", *lines, advice])


def _adapter_line(row: AdapterRow) -> str:
    made = datetime.fromtimestamp(row.created_at).astimezone().strftime("%Y-%m-%d %H:%M")
    mark = "  (in use)" if row.in_use else ""
    parent = row.parent or f"the bare {row.model}"
    return f"{row.name}: {made}, {len(row.experiences)} experiences, from {parent}{mark}"


def use_adapter(library: Library, name: str) -> str:
    """Switch from the next reply on: a name, `base` or `rollback`; `use NAME`, as in a shell, too.

    Raises:
        LearningError: If there is no such adapter, or it does not fit the model.
    """
    name = name.removeprefix("use ").strip()
    answers = roll_back(library) if name == "rollback" else use(library, name)
    return f"{answers or 'the bare model'} answers from the next reply on"


def experiences(library: Library) -> str:
    """The latest experiences, newest last, and the counts of all."""
    if not library.repository.experiences.exists():
        return "Nothing was captured here yet; it comes from /test, /fix and your requests."
    found = captured(library, limit=_LATEST)
    lines = [
        f"{row.id}  {row.verdict:<8} {' '.join(row.targets)[:_SUBJECT_CHARACTERS]}"
        for row in reversed(found.rows)
    ]
    counts = found.counts
    total = f"{counts.total} captured: {counts.passed} passed, {counts.failed} failed"
    return "\n".join([*lines, f"{total}; `elagent experiences` shows and forgets them"])


def why(library: Library) -> str:
    """The decision of the last learning round, in words, with what was measured."""
    record = _last_round(library)
    if record is None:
        return "There was no learning round here yet; /learn runs one."
    name = record.get("adapter")
    lines = [f"{name or 'no adapter'}: {record.get('decision')}", str(record.get("reason"))]
    known = {row.name for row in list_adapters(library).rows}
    if isinstance(name, str) and name in known:
        lines += report_lines(library, name)
    return "\n".join(lines)


def _last_round(library: Library) -> Mapping[str, object] | None:
    """The record of the last round that ended, from the newest session that has one."""
    for session in list_sessions(library.repository.sessions):
        for record in reversed(read_session(library.repository.sessions, session.id)):
            if record.get("event") == "learn_finished":
                return record
    return None


def model(
    name: str, adapter: str, *, base_url: str | None, planner: PlannerSettings | None = None
) -> str:
    """Name the model, its adapter, and where it runs; and the planner with what it is sent."""
    place = base_url or "on this machine, in a server that ends itself when unused"
    lines = [f"{name}, {adapter or 'no adapter'}", place]
    if planner is not None and (said := planner_line(planner)):
        lines.append(said)
    return "\n".join([*lines, "/model NAME uses another from now on"])


def planner_line(planner: PlannerSettings) -> str:
    """Name the planner, and say what it is sent; empty if there is none."""
    if not planner.base_url:
        return ""
    name = planner.model or "without a name (planner.model)"
    if not planner.use:
        return f"planner {name} at {planner.base_url}: not asked (planner.use is false)"
    return (
        f"planner {name} at {planner.base_url}: it is sent requests that need steps, with names of"
        " files and signatures"
    )


def tokens(messages: Iterable[Message], added: Iterable[str], *, used: int, limit: int) -> str:
    """List the context's messages, each with its estimate, and the model's own count."""
    lines = []
    for message in messages:
        words = " ".join(message.content.split())[:_FIRST_WORDS]
        lines.append(f"{estimate_tokens(message.content):>6}  {message.role:<9} {words}")
    if not lines:
        return "The context is empty: nothing was said yet."
    files = ", ".join(added)
    lines.append(f"{used} of {limit} tokens at the last reply" if limit else "no reply yet")
    if files:
        lines.append(f"files of /add: {files}")
    return "\n".join(["about    (tokens, by estimate)", *lines])


def export(messages: Iterable[Message], given: str, *, root: Path) -> str:
    """Write the conversation as Markdown to a new file, by default `conversation.md`.

    Raises:
        ConfigError: If it cannot be written, e.g. because there is such a file already.
    """
    path = root / Path(given or "conversation.md").expanduser()
    try:
        with path.open("x", encoding="utf-8") as file:
            for message in messages:
                if message.role != "system":
                    file.write(f"## {message.role}\n\n{message.content}\n\n")
    except OSError as err:
        raise ConfigError(
            f"cannot write {path}: {err.strerror}; name another: /export PATH"
        ) from err
    return f"written: {path}"
