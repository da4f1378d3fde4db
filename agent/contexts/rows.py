"""Makes training examples of verified contexts, and the controls that a claim has to beat."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from agent.prompt_files import filled
from learning.contexts.change import ApiChange
from learning.contexts.context import ApiContext
from learning.contexts.parts import shown_pair
from learning.contexts.twins import Twin, stale_twin, successor_places
from learning.contexts.typed import with_result_type
from learning.contexts.use import ApiUse, UseOrigin
from learning.records import Experience, Message, Origin, Verdict
from learning.training.job import Example, ExampleKind, api_example
from learning.training.selection import is_benchmark

_FENCE = "```python\n"
_LONGEST_SHOWN = 160
_BLOCK = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)```", re.DOTALL)
_ORIGINS = {
    Origin.TEMPLATE: UseOrigin.REPAIR,
    Origin.INFILL: UseOrigin.REPAIR,
    Origin.SPLICE: UseOrigin.SPLICE,
}


def pair_rows(
    contexts: Sequence[ApiContext],
    *,
    model: str,
    noted: float = 0.25,
    seed: int = 0,
    experiences: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> list[Example]:
    """Drift pairs and, of contexts without a stale twin, anchors.

    A share `noted` of the pairs has a note on the API in the prompt, so that reading notes is not unlearned;
    the note is the line of another context of the same API. `experiences` has, by API, the ids of the
    failures that it was built for.
    """
    chance = random.Random(seed)  # noqa: S311 - reproducible
    return [
        _row(
            each,
            _note_for(each, contexts, chance) if chance.random() < noted else "",
            model,
            chance,
            tuple(experiences.get(each.api, ())),
        )
        for each in contexts
    ]


def _row(
    built: ApiContext, note: str, model: str, chance: random.Random, experiences: tuple[str, ...]
) -> Example:
    context = with_result_type(built)
    ask = _ask(context, chance)
    chosen, moved = _reply(context.code, context.head, ask)
    use = ApiUse(
        api=context.api,
        library=context.library,
        version=context.version,
        origin=context.origin,
        stale=_reply(context.stale, context.head, ask)[0] if context.stale else "",
        error=context.error,
        names=tuple((moved(start), moved(end)) for start, end in context.names),
        noted=bool(note),
        experiences=experiences,
        context=built.id,
    )
    kind = ExampleKind.API_PAIR if context.stale else ExampleKind.API_ANCHOR
    text = asked(context, ask)
    if note:
        release = f"{context.library} {context.version}".strip()
        text += filled("library_notes", release=release, notes=note) + "\n"
    return api_example(
        *(kind, use),
        messages=[Message(role="user", content=text)],
        chosen=chosen,
        model=model,
    )


def asked(context: ApiContext, ask: str) -> str:
    """The prompt that asks for the function of a context; `ask` says what it does."""
    head = with_result_type(context).head
    return filled("library_function", library=context.library, head=head, ask=ask) + "\n"


def _reply(code: str, head: str, ask: str) -> tuple[str, Callable[[int], int]]:
    """The code as a model replies it, its docstring as it was asked for, and the new places of the old ones.

    Without the docstring a round would first of all teach another form than the model's own.
    """
    before, found, behind = code.partition(f"{head}\n")
    documented = f'    """{ask}"""\n' if found else ""
    start = len(before) + len(found)

    def moved(place: int) -> int:
        return place + len(_FENCE) + (len(documented) if place >= start else 0)

    return f"{_FENCE}{before}{found}{documented}{behind.rstrip()}\n```", moved


def _ask(context: ApiContext, chance: random.Random) -> str:
    """The request, the printed pair of call and value, or both; the pair where there is no request."""
    shown = shown_pair(context)
    fits = len(shown) <= _LONGEST_SHOWN
    if not context.request:
        return f"For example, {shown[:_LONGEST_SHOWN]}."
    return f"{context.request} {shown}." if fits and chance.random() < 0.5 else context.request  # noqa: PLR2004


def _note_for(context: ApiContext, every: Sequence[ApiContext], chance: random.Random) -> str:
    others = [
        each.note
        for each in every
        if each.api == context.api and each.note and each.code != context.code
    ]
    return note_line(context.api, chance.choice(others)) if others else ""


def repair_rows(
    experiences: Sequence[Experience], changes: Iterable[ApiChange], *, model: str
) -> list[Example]:
    """Verified fixes that use the successor of an API which the failed step lacked.

    The row stands at the prompt of the failed step, which was told nothing. Its stale twin is the fix with
    the old API, whose error the failed step has shown; where the fix is another expression it has none.
    Fixes of any length count.
    """
    by_id = {each.id: each for each in experiences}
    every = list(changes)
    rows = []
    for fix in experiences:
        failed = by_id.get(fix.fixes)
        usable = fix.verdict is Verdict.PASS and fix.trust.may_train and fix.model == model
        if failed is None or not usable or not _fixes(fix, failed):
            continue
        for change in every:
            if (use := _use_in(fix, failed, change)) is not None:
                kind = ExampleKind.API_PAIR
                told, text = failed.messages, fix.action.text
                row = api_example(kind, use, messages=told, chosen=text, model=model)
                rows.append(replace(row, step=replace(row.step, trust=fix.trust)))
                break
    return rows


def pass_rows(experiences: Iterable[Experience], *, model: str, most: int) -> list[Example]:
    """Verified passes of the model at its own prompts, on which nothing should change; the first ones."""
    rows: list[Example] = []
    for each in experiences:
        own = each.verdict is Verdict.PASS and not each.fixes and each.model == model
        if not own or not each.trust.may_train or not each.messages or is_benchmark(each):
            continue
        if len(rows) == most:
            break
        use = ApiUse(api="", library="", version="", origin=UseOrigin.OWN, experiences=(each.id,))
        kind, told = ExampleKind.OWN_PASS, each.messages
        row = api_example(kind, use, messages=told, chosen=each.action.text, model=model)
        rows.append(replace(row, step=replace(row.step, trust=each.trust)))
    return rows


def _fixes(fix: Experience, failed: Experience) -> bool:
    """True if a failed step of the same model and file may be learned from."""
    same = failed.path == fix.path and failed.model == fix.model
    return same and bool(failed.messages) and not (is_benchmark(fix) or is_benchmark(failed))


def _use_in(fix: Experience, failed: Experience, change: ApiChange) -> ApiUse | None:
    """The use of a change in a reply, if the failed step's error names what is gone.

    A use whose stale twin cannot be made is learned without the contrast.
    """
    said = (e for e in failed.evidence if any(name in e.message for name in change.gone))
    fact, block = next(said, None), _BLOCK.search(fix.action.text)
    if fact is None or block is None:
        return None
    twin = stale_twin(block[1], change)
    twin = twin or Twin(stale="", names=successor_places(block[1], change))
    if not twin.names:
        return None
    text, start, end = fix.action.text, block.start(1), block.end(1)
    return ApiUse(
        api=change.api,
        library=change.library,
        version=change.version,
        origin=_ORIGINS.get(fix.origin, UseOrigin.RETRY),
        stale=text[:start] + twin.stale + text[end:] if twin.stale else "",
        error=f"{fact.exception}: {fact.message}",
        names=tuple((a + start, b + start) for a, b in twin.names),
        experiences=(failed.id, fix.id),
    )


def note_line(api: str, line: str) -> str:
    """One line of notes: the change and a verified use."""
    old, _, new = api.partition(" -> ")
    called, bracket, arguments = old.partition("(")
    gone = f"{called.rpartition('.')[2]}{bracket}{arguments}"
    return f"- not `{gone}`: `{line}`" if new else f"- `{line}`"


def shuffled(rows: Sequence[Example], *, seed: int = 0) -> list[Example]:
    """The control with answers of other APIs: every new name is that of another change.

    Prompts, stale twins and lengths stay about the same. What this control gains is form, not content.

    Raises:
        ValueError: If the rows are about fewer than two names: each would keep its own.
    """
    pairs = [row for row in rows if row.use is not None and row.use.names]
    written = {row.use.api: _written(row) for row in reversed(pairs) if row.use is not None}
    order = sorted(set(written.values()))
    if pairs and len(order) < 2:  # noqa: PLR2004 - another name is needed
        raise ValueError(
            "rows about one name cannot be shuffled: contexts of another API are needed"
        )
    random.Random(seed).shuffle(order)  # noqa: S311 - reproducible
    following = dict(zip(order, [*order[1:], *order[:1]], strict=True))
    other = {api: following[name] for api, name in written.items()}
    return [_misled(row, other[row.use.api]) if row in pairs and row.use else row for row in rows]


def _written(row: Example) -> str:
    assert row.use is not None  # noqa: S101 - only rows about an API come here
    start, end = row.use.names[0]
    return row.chosen[start:end]


def _misled(row: Example, name: str) -> Example:
    assert row.use is not None  # noqa: S101 - only rows about an API come here
    text, names, end, moved = "", [], 0, 0
    for start, stop in row.use.names:
        text += row.chosen[end:start] + name
        names.append((start + moved, start + moved + len(name)))
        moved += len(name) - (stop - start)
        end = stop
    use = replace(row.use, names=tuple(names))
    return api_example(
        *(row.kind, use),
        messages=row.step.messages,
        chosen=text + row.chosen[end:],
        model=row.step.model,
    )


def equal_share(contexts: Iterable[ApiContext], *, an_api: int) -> list[ApiContext]:
    """At most `an_api` contexts of each API, the first ones: arms at equal rows differ in the APIs alone."""
    count: dict[str, int] = {}
    kept = []
    for each in contexts:
        count[each.api] = count.get(each.api, 0) + 1
        if count[each.api] <= an_api:
            kept.append(each)
    return kept
