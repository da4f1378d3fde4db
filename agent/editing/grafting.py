"""Puts definitions into a file by its syntax tree, as `placing` does, in languages other than Python.

Every byte outside of what is replaced stays. The result is parsed again: it has no fault that the
file did not have, and no definition less.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from agent.editing.beside import beside
from agent.editing.placed import PlacedText
from agent.editing.splicing import TextSplice, behind, moved, spliced
from agent.editing.units import ParsedSource, Unit, fields_of, others, text_of

_MEMBER_FRAMES = {
    "tree_sitter_javascript": "class Block_ {{\n{}\n}}",
    "tree_sitter_typescript": "class Block_ {{\n{}\n}}",
    "tree_sitter_java": "class Block_ {{\n{}\n}}",
    "tree_sitter_cpp": "struct Block_ {{\n{}\n}};",
}
"""A method without its class does not parse in these languages; in a class it does."""
_BY_HEAD = frozenset({"tree_sitter_cpp"})
_FUNCTIONS = frozenset(
    {"function_declaration", "generator_function_declaration", "lexical_declaration"}
)
_METHODS = frozenset({"method_definition", "method_declaration", "constructor_declaration"})
_SELF = ("(self", "(&self", "(&mutself", "(mutself", "->Self")


def is_part_of(path: str, block: str, before: str, *, may_vanish: Collection[str] = ()) -> bool:
    """True if a block gives some definitions of a file, or new ones, but not the whole file."""
    given, old = read_block(path, block), ParsedSource.of(path, before)
    if given is None or old is None or not given.units:
        return False
    mine = {unit.plain for _, unit in given.every()}
    if any(unit.plain not in mine | set(may_vanish) for _, unit in old.every()):
        return True
    said = {name for part in given.others for name in part.names}
    kinds = {part.node.type for part in given.others}
    return any(
        part.node.type not in kinds or part.names - said - set(may_vanish) for part in old.others
    )


def place_definitions(
    path: str, before: str, block: str, *, of_class: str = "", may_vanish: Collection[str] = ()
) -> PlacedText | None:
    """The file with the definitions of a block put in; None where that cannot be done.

    Nothing of a block is passed over: one that changes a constant or a field, runs something, or
    gives one of several definitions of a name without saying which, cannot be put in. A method that
    is given without its class goes to the one of its name, else into `of_class`.
    """
    given, old = read_block(path, block), ParsedSource.of(path, before)
    if given is None or old is None or not given.units or given.faults:
        return None
    work = _Graft(given=given, old=old, of_class=of_class, may_vanish=frozenset(may_vanish))
    work.take()
    if work.unclear or (not work.replaced and not work.added):
        return None
    text = spliced(old.data, work.splices)
    if not _is_sound(path, text, given=given, old=old, may_vanish=may_vanish):
        return None
    return PlacedText(text=text, replaced=tuple(work.replaced), added=tuple(work.added))


def read_block(path: str, block: str) -> ParsedSource | None:
    """The parts of a block; methods without a class are read as if they stood in one."""
    text = textwrap.dedent(block).strip("\n") + "\n"
    given = ParsedSource.of(path, text)
    if given is None or not given.faults:
        return given
    frame = _MEMBER_FRAMES.get(given.grammar.package)
    framed = ParsedSource.of(path, frame.format(text)) if frame else None
    if framed is None or framed.faults or len(framed.units) != 1:
        return given
    return ParsedSource(
        data=framed.data, grammar=framed.grammar, root=framed.root, parts=framed.units[0].parts
    )


@dataclass(kw_only=True)
class _Graft:
    given: ParsedSource
    old: ParsedSource
    of_class: str
    may_vanish: frozenset[str]
    splices: list[TextSplice] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    unclear: bool = False
    """Something of the block would be passed over, or its place is not certain."""

    def take(self) -> None:
        """Work out what is replaced and what is added."""
        counts = Counter((unit.name, unit.head) for unit in self.given.units)
        self.unclear = max(counts.values()) > 1
        for unit in self.given.units:
            self._place(unit)
        extra = beside(self.given, self.old)
        self.unclear |= extra is None
        self.splices += extra or ()

    def _place(self, unit: Unit) -> None:
        there = [old for old in self.old.units if old.name == unit.name]
        if not there and not unit.is_holder:
            there = self._members_like(unit)
        elif not there:
            there = [old for _, old in self.old.every() if old.is_holder and old.name == unit.name]
        if len(there) > 1:
            there = [old for old in there if old.head == unit.head]
            self.unclear |= len(there) != 1
        if not there:
            self._add(unit)
        elif unit.is_holder and there[0].is_holder:
            self._merge(unit, there[0])
        else:
            self._replace(unit, there[0])

    def _members_like(self, unit: Unit) -> list[Unit]:
        """The methods with the name of a definition that came without its class."""
        found = [
            (holders, old)
            for holders, old in self.old.every()
            if holders and old.plain == unit.plain and old.node.type == unit.node.type
        ]
        own = [pair for pair in found if _is_named(pair[0][-1], self.of_class)]
        fits = [old for _, old in own or found if self._is_method(unit) or old.head == unit.head]
        if fits and self.given.grammar.package in _BY_HEAD:
            fits = [old for old in fits if old.head == unit.head]
        return fits

    def _is_method(self, unit: Unit) -> bool:
        """True if a definition can only be, or usually is, a part of a class."""
        match self.given.grammar.package:
            case "tree_sitter_rust":
                return any(mark in unit.head for mark in _SELF)
            case "tree_sitter_ruby":
                return True
            case "tree_sitter_go":
                return False
            case _:
                return unit.node.type in _METHODS

    def _replace(self, unit: Unit, old: Unit) -> None:
        """Put a definition into the place of the old one.

        An `export` around it stays, and so do the comments and the attributes above it where the
        new one has none.
        """
        template = old.wrapper == "template_declaration" and unit.wrapper != old.wrapper
        fields = frozenset() if _is_function(old) else fields_of(old.node) - fields_of(unit.node)
        loses = not unit.is_holder and fields - self.may_vanish
        self.unclear |= bool(loses) or template or not _alike(unit, old) or old.node.has_error
        indent = _indent(self.old.data, old.outer)
        if (above := self._above(unit, old)) is not None:
            text = moved(self.given, unit, first=unit.start, end=unit.outer, to=indent)
            self.splices.append(TextSplice(start=above, end=old.outer, text=text))
        text = moved(self.given, unit, first=unit.outer, end=unit.end, to=indent)
        if old.annotations and not unit.annotations:
            kept = self.old.data[old.annotations[0].start_byte : old.annotations[-1].end_byte]
            text = kept + b"\n" + indent + text
        start = old.inner if old.wrapper and not unit.wrapper else old.outer
        self.splices.append(TextSplice(start=start, end=old.end, text=text))
        self.replaced.append(unit.name)

    def _above(self, unit: Unit, old: Unit) -> int | None:
        """First byte that the comments and attributes of the new one replace; None if the old ones stay."""
        if not unit.above or not old.above:
            return old.outer if unit.above else None
        if old.start == 0 or (old.marks and not unit.marks):
            return None
        if unit.comments or not old.comments:
            return old.start
        if not old.marks:
            return old.outer
        first = old.marks[0].start_byte
        self.unclear |= old.comments[-1].start_byte > first
        return first

    def _merge(self, unit: Unit, old: Unit) -> None:
        """Put a class into the old one, member by member; those that it leaves out stay."""
        mine = Counter(member.name for member in unit.members)
        theirs = Counter(member.name for member in old.members)
        lacks = [name for name, count in theirs.items() if mine[name] < count]
        drops = [name for name in lacks if name in self.may_vanish]
        said = {part.text for part in others(old.parts)}
        says_more = any(part.text not in said for part in others(unit.parts))
        other_head = unit.head != old.head
        if (drops or says_more or other_head or not unit.members) and self._covers(unit, old):
            self._replace(unit, old)
            return
        twice = len({(member.name, member.head) for member in unit.members}) < len(unit.members)
        self.unclear |= says_more or other_head or twice
        for member in unit.members:
            there = [item for item in old.members if item.name == member.name]
            if len(there) > 1:
                there = [item for item in there if item.head == member.head]
                self.unclear |= len(there) != 1
            if not there:
                self._into(old, member)
            elif member.is_holder and there[0].is_holder:
                self._merge(member, there[0])
            else:
                self._replace(member, there[0])

    def _covers(self, unit: Unit, old: Unit) -> bool:
        """True if a class has all members and fields of the old one, but for those that may vanish."""
        mine = Counter(member.name for member in unit.members)
        members = all(
            mine[name] >= count or name in self.may_vanish
            for name, count in Counter(member.name for member in old.members).items()
        )
        texts = {part.text for part in others(unit.parts)}
        names = {name for part in others(unit.parts) for name in part.names} | self.may_vanish
        return members and all(
            part.text in texts or (part.names and part.names <= names) for part in others(old.parts)
        )

    def _add(self, unit: Unit) -> None:
        holders = [old for _, old in self.old.every() if old.is_holder]
        if unit.marks and b"test]" in self.given.data[unit.start : unit.outer]:
            holders = [old for old in holders if old.name == "tests"] or holders
            if holders and holders[0].name == "tests":
                self._into(holders[0], unit)
                return
        is_framed = unit.node.parent is not None and unit.node.parent.type.endswith(
            ("class_body", "field_declaration_list")
        )
        if not unit.is_holder and (is_framed or self._belongs_into_class(unit)):
            named = [old for old in holders if _is_named(old, self.of_class)] or [
                old for old in holders if not old.members or not old.members[0].is_holder
            ]
            self.unclear |= len(named) != 1
            if named:
                self._into(named[0], unit)
            return
        # a function of the same name in a class or of another type may be the one that is meant
        self.unclear |= not unit.is_holder and any(
            old.plain == unit.plain and "." not in unit.name for _, old in self.old.every()
        )
        self._behind(self._last_of(self.old.units), unit, lines=1)

    def _belongs_into_class(self, unit: Unit) -> bool:
        if self.given.grammar.package == "tree_sitter_ruby":
            return bool(self.old.units) and all(old.is_holder for old in self.old.units)
        return self._is_method(unit)

    def _last_of(self, units: Sequence[Unit]) -> Unit | None:
        return next((old for old in reversed(units) if old.name != "tests"), None)

    def _into(self, holder: Unit, unit: Unit) -> None:
        """Add a member behind the others that are as visible as most."""
        last: Unit | None = None
        open_to_all = holder.node.type != "class_specifier"
        for part in holder.parts:
            word = text_of(part.node)
            if part.node.type == "access_specifier":
                open_to_all = word == "public"
            elif part.node.type == "identifier" and word in ("private", "protected"):
                open_to_all = False
            elif part.unit is not None and open_to_all:
                last = part.unit
        self._behind(last, unit, lines=1)

    def _behind(self, last: Unit | None, unit: Unit, *, lines: int) -> None:
        at = behind(self.old.data, last.end) if last is not None else None
        if last is None or at is None:
            self.unclear = True
            return
        indent = _indent(self.old.data, last.outer)
        text = moved(self.given, unit, first=unit.start, end=unit.end, to=indent)
        self.splices.append(TextSplice(start=at, end=at, text=b"\n" * (lines + 1) + indent + text))
        self.added.append(unit.name)


def _is_sound(
    path: str, text: str, *, given: ParsedSource, old: ParsedSource, may_vanish: Collection[str]
) -> bool:
    """True if a result has all definitions of both, and parses as well as the file did."""
    new = ParsedSource.of(path, text)
    if new is None or new.faults > old.faults:
        return False
    now = Counter(unit.name for _, unit in new.every())
    was = Counter(unit.name for _, unit in old.every())
    gone = [name for name, count in was.items() if now[name] < count and name not in may_vanish]
    return not gone and all(now[unit.name] for unit in given.units)


def _is_named(holder: Unit, name: str) -> bool:
    """True for the class of a name, and for what implements it in Rust, no trait of it."""
    return bool(name) and (holder.name == name or holder.name.partition("<")[0] == f"impl{name}")


def _alike(unit: Unit, old: Unit) -> bool:
    """True if one can stand where the other stands: both of one kind, or functions of JavaScript."""
    kinds = {unit.node.type, old.node.type}
    return len(kinds) == 1 or kinds <= _FUNCTIONS


def _is_function(unit: Unit) -> bool:
    kind = unit.node.type
    return (
        kind in ("function_item", "lexical_declaration") or "function" in kind or "method" in kind
    )


def _indent(data: bytes, at: int) -> bytes:
    """The white space before a place, if nothing else stands before it in its line."""
    line = data[data.rfind(b"\n", 0, at) + 1 : at]
    return line if not line.strip() else b""
