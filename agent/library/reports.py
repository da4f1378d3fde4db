"""Answers to the commands that only look: adapters, experiences, the last verdict, the context.

Each gives text for people, so that the line loop and the full-screen app say the same. They read
files and block; call them in a thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from agent.errors import ConfigError
from agent.fixing.context import estimate_tokens
from agent.rounds.practice import unfixed
from agent.session.session import list_sessions, read_session
from learning.experience.store import ExperienceStore
from learning.model.resolve import resolve
from learning.promotion.adapters import AdapterManifest, AdapterStore
from learning.promotion.report import terminal_report
from learning.records import Message
from tui.learned import learned_by
from tui.rounds import Round, rounds_of
from tui.wiring import Context

_LATEST = 15
_SUBJECT_CHARACTERS = 70
_FIRST_WORDS = 60


def adapters(where: Context) -> str:
    """Every adapter of this repository with its lineage; the one in use is marked."""
    store = AdapterStore(where.repository.adapters)
    rows, active = store.list(), store.active()
    if not rows:
        return "Nothing was learned here yet; /learn does it."
    lines = [_adapter_line(row, active) for row in rows]
    base = "  (in use)" if active is None else ""
    advice = "/adapters NAME uses one, /adapters base none, /adapters rollback the one before"
    return "\n".join([f"the bare model{base}", *lines, advice])


def _adapter_line(row: AdapterManifest, active: AdapterManifest | None) -> str:
    made = datetime.fromtimestamp(row.created_at).astimezone().strftime("%Y-%m-%d %H:%M")
    mark = "  (in use)" if active is not None and active.name == row.name else ""
    parent = row.parent or f"the bare {row.model}"
    return f"{row.name}: {made}, {len(row.experience_ids)} experiences, from {parent}{mark}"


def use_adapter(where: Context, name: str) -> str:
    """Switch from the next reply on: a name, `base` or `rollback`; `use NAME`, as in a shell, too.

    Raises:
        LearningError: If there is no such adapter, or it does not fit the model.
    """
    store = AdapterStore(where.repository.adapters)
    name = name.removeprefix("use ").strip()
    if name == "base":
        store.deactivate()
        return "the bare model answers from the next reply on"
    if name == "rollback":
        manifest = store.rollback()
    else:
        model = resolve(where.settings.model.name, where.paths.models)
        manifest = store.activate(name, base=model.identity)
    answers = manifest.name if manifest else "the bare model"
    return f"{answers} answers from the next reply on"


def lineage(where: Context) -> tuple[str, ...]:
    """Names from the adapter in use back to the first one; empty for the bare model."""
    store = AdapterStore(where.repository.adapters)
    by_name = {row.name: row for row in store.list()}
    active = store.active()
    names: list[str] = []
    at = active.name if active else None
    while at is not None and at not in names:
        names.append(at)
        row = by_name.get(at)
        at = row.parent if row else None
    return tuple(names)


def rounds(where: Context) -> tuple[Round, ...]:
    """What the gates said of every adapter that is there, oldest first."""
    return rounds_of(_adapters(where))


def _adapters(where: Context) -> Sequence[AdapterManifest]:
    return AdapterStore(where.repository.adapters).list()


def experiences(where: Context) -> str:
    """The latest experiences, newest last, and the counts of all."""
    if not where.repository.experiences.exists():
        return "Nothing was captured here yet; it comes from /test, /fix and your requests."
    with ExperienceStore.open(where.repository.experiences) as store:
        counts, rows = store.counts(), store.list(limit=_LATEST)[::-1]
    lines = [
        f"{row.id}  {row.verdict:<8} {' '.join(row.targets)[:_SUBJECT_CHARACTERS]}" for row in rows
    ]
    total = f"{counts.total} captured: {counts.passed} passed, {counts.failed} failed"
    return "\n".join([*lines, f"{total}; `elagent experiences` shows and forgets them"])


def new_verified(where: Context) -> int:
    """How many verified experiences that can be learned from no adapter was made from."""
    if not where.repository.experiences.exists():
        return 0
    used: set[str] = set()
    for row in _adapters(where):
        used.update(row.selected_ids)
    with ExperienceStore.open(where.repository.experiences) as store:
        return sum(
            row.verdict == "pass"
            and row.trust.may_train
            and bool(row.action.token_ids)
            and row.id not in used
            for row in store.list()
        )


def unfixed_failures(where: Context) -> int:
    """How many tests failed in the hands of this model and were repaired by nobody since."""
    if not where.repository.experiences.exists():
        return 0
    with ExperienceStore.open(where.repository.experiences) as store:
        return len(unfixed(store.list(), model=where.settings.model.name))


def why(where: Context) -> str:
    """The decision of the last learning round, in words, with what was measured."""
    record = _last_round(where)
    if record is None:
        return "There was no learning round here yet; /learn runs one."
    name = record.get("adapter")
    lines = [f"{name or 'no adapter'}: {record.get('decision')}", str(record.get("reason"))]
    if isinstance(name, str) and any(row.name == name for row in _adapters(where)):
        lines += terminal_report(learned_by(where, name))
    return "\n".join(lines)


def _last_round(where: Context) -> Mapping[str, object] | None:
    """The record of the last round that ended, from the newest session that has one."""
    for session in list_sessions(where.repository.sessions):
        for record in reversed(read_session(where.repository.sessions, session.id)):
            if record.get("event") == "learn_finished":
                return record
    return None


def model(where: Context, name: str, adapter: str) -> str:
    """Which model answers, with which adapter, and where."""
    settings = where.settings.model
    place = settings.base_url or "on this machine, in a server that ends itself when unused"
    return f"{name}, {adapter or 'no adapter'}\n{place}\n/model NAME uses another from now on"


def tokens(messages: Iterable[Message], added: Iterable[str], *, used: int, limit: int) -> str:
    """What fills the context: each message with its estimate, and the model's own count."""
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
