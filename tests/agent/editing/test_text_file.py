"""Lines that nobody edited keep their bytes, and what is written is read again as it is."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given, settings, strategies as st

from agent.editing.edits import unified_diff
from agent.editing.text_file import EncodingError, TextFile, decode

END = st.sampled_from(["\n", "\n", "\r\n"])
LINE = st.sampled_from(
    ["", "a", "b", "  c", "d  ", "\x0c", "e\x0cf", "g\rh", "\r", "i\x0b\x85\u2028j", "é", "\t"]
)
STORED = st.tuples(st.lists(st.tuples(LINE, END).map("".join), max_size=8), LINE).map(
    lambda parts: "".join(parts[0]) + parts[1]
)
NEW = st.lists(st.sampled_from(["new", "other  ", ""]), max_size=3)


def file(stored: str) -> TextFile:
    return TextFile(stored=stored)


def rows(text: str) -> list[str]:
    return [line for line in text.replace("\n", "\n\0").split("\0") if line]


def changed(diff: str) -> tuple[list[str], list[str]]:
    lines = diff.split("\n")[2:]
    return tuple([line[1:] for line in lines if line[:1] == mark] for mark in "-+")  # type: ignore[return-value]


@settings(max_examples=300, deadline=None)
@given(STORED, st.integers(0, 8), st.integers(0, 3), NEW, END)
@example("a\r\n\x0c\nb", 1, 0, ["new"], "\n")
def test_an_exact_text_changes_only_what_it_changes(
    stored: str, at: int, gone: int, put: list[str], end: str
) -> None:
    old = rows(file(stored).text)
    at = min(at, len(old))
    wanted = [*old[:at], *(f"{line}\n" for line in put), *old[at + gone :]]
    text = "".join(wanted)
    made = file(stored).revised(text, exact=True)
    assert made.text == text
    was, now = Counter(rows(stored)), Counter(rows(made.stored))
    # A line beside the end of a file may get a line end or lose it.
    assert (now - was).total() <= len(put) + 1
    assert (was - now).total() <= min(gone, len(old) - at) + 1


@settings(max_examples=300, deadline=None)
@given(STORED, END)
def test_a_copy_changes_nothing_but_what_is_seen_to_change(stored: str, end: str) -> None:
    """The copy has lost what cannot be seen: white space, form feeds, carriage returns, edges."""
    stored = f"begin{end}{stored}{end}old{end}"
    stored = stored.replace("\r\r", "\r").replace("\n\r", "\n")
    lines = [line.rstrip(" \t\x0b").replace("\x0c", "") for line in file(stored).text.split("\n")]
    copied = "\n".join(lines).replace("\r", "\n").strip("\n") + "\n"
    assert file(stored).revised(copied, exact=False).stored == stored
    made = file(stored).revised(copied.replace("old\n", "new\n"), exact=False)
    assert made.stored == stored.replace("old", "new")


@settings(max_examples=60, deadline=None)
@given(stored=STORED, at=st.integers(0, 8), gone=st.integers(0, 2), put=NEW)
def test_the_diff_that_is_shown_makes_git_write_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, stored: str, at: int, gone: int, put: list[str]
) -> None:
    old = rows(file(stored).text)
    wanted = "".join([*old[:at], *(f"{line}\n" for line in put), *old[at + gone :]])
    made = file(stored).revised(wanted, exact=True)
    if made.stored == stored or not stored or not made.stored:
        return
    folder = tmp_path_factory.mktemp("git")
    (folder / "f").write_bytes(stored.encode())
    diff = unified_diff("f", stored, made.stored)
    git(folder, "apply", "--whitespace=nowarn", "-", stdin=diff)
    assert (folder / "f").read_bytes() == made.encode()


@pytest.mark.parametrize("stored", ["a\nb\r\nc\nd\n", "a\r\nb\nc\r\nd\r\n", "a\rx\nb\nc\nd\n"])
def test_the_changed_lines_are_those_that_git_shows(tmp_path: Path, stored: str) -> None:
    made = file(stored).revised(file(stored).text.replace("d", "e"), exact=False)
    (tmp_path / "old").write_bytes(stored.encode())
    (tmp_path / "new").write_bytes(made.encode())
    shown = git(tmp_path, "diff", "--no-index", "--no-color", "old", "new", check=False)
    ours = changed(unified_diff("f", stored, made.stored))
    assert ours == changed("\n".join(shown.split("\n")[2:]))
    assert [len(side) for side in ours] == [1, 1]


def git(folder: Path, *words: str, stdin: str = "", check: bool = True) -> str:
    argv = ["/usr/bin/env", "git", *words]
    run = subprocess.run(
        argv,
        cwd=folder,
        input=stdin.encode(),
        capture_output=True,
        check=check,
        env={"PATH": "/usr/bin:/bin"},
    )
    return run.stdout.decode()


def test_a_copy_that_loses_white_space_alone_is_no_change() -> None:
    assert file("a  \nb\n").revised("a\nb\n", exact=False).stored == "a  \nb\n"
    assert file("a  \nb\n").revised("a\nb\n", exact=True).stored == "a\nb\n"


def test_new_lines_end_like_their_neighbours() -> None:
    assert file("a\r\nb\n").revised("a\nx\nb\n", exact=False).stored == "a\r\nx\r\nb\n"
    assert file("a\nb\r\n").revised("a\nb\nx\n", exact=False).stored == "a\nb\r\nx\r\n"
    assert file("a\r\n").revised("x\n", exact=False).stored == "x\r\n"
    assert file("a\r\nb").revised("a\nb\nx\n", exact=True).stored == "a\r\nb\r\nx\r\n"


@pytest.mark.parametrize(
    ("data", "text", "stored"),
    [
        ("# coding: latin-1\nx = 'é'\n".encode("latin-1"), "x = 'é!'\n", "x = 'é!'\n".encode()),
        (
            "# coding: latin-1\nx = 'é'\n".encode("latin-1"),
            "# coding: latin-1\nx = 'é!'\n",
            "# coding: latin-1\nx = 'é!'\n".encode("latin-1"),
        ),
        (
            b"x = 1\n",
            "# -*- coding: cp1252 -*-\nx = '€'\n",
            "# -*- coding: cp1252 -*-\nx = '€'\n".encode("cp1252"),
        ),
        (b"\xef\xbb\xbfx = 1\n", "x = 'é'\n", b"\xef\xbb\xbf" + "x = 'é'\n".encode()),
    ],
)
def test_a_python_file_is_stored_as_its_coding_line_says(
    data: bytes, text: str, stored: bytes
) -> None:
    made = decode(data, is_python=True).revised(text, exact=False).encode()
    assert made == stored
    namespace: dict[str, object] = {}
    exec(compile(made, "x.py", "exec"), namespace)  # noqa: S102 - what Python reads
    assert str(namespace["x"]) in text


@pytest.mark.parametrize(
    ("data", "text", "reason"),
    [
        (
            "# coding: latin-1\nx = 'é'\n".encode("latin-1"),
            "# coding: ascii\nx = 'é'\n",
            "no '.xe9'",
        ),
        (b"x = 1\n", "# coding: no-such-thing\nx = 1\n", "coding line"),
        (b"\xef\xbb\xbfx = 1\n", "# coding: latin-1\nx = 1\n", "coding line"),
        (
            "# coding: latin-1\nx = 'é'\n".encode("latin-1"),
            "# coding: latin-1\nx = '€'\n",
            "no '.u20ac'",
        ),
        (b"x = 1\n", "# coding: utf-16\nx = 1\n", "."),
    ],
)
def test_what_python_could_not_read_again_is_refused(data: bytes, text: str, reason: str) -> None:
    with pytest.raises(EncodingError, match=reason):
        decode(data, is_python=True).revised(text, exact=False).encode()


@pytest.mark.parametrize(
    "head",
    [
        '<?xml version="1.0" encoding="ISO-8859-1"?>',
        '@charset "iso-8859-1";',
        "<html><head><meta charset=iso-8859-1>",
        "#!/usr/bin/ruby\n# -*- coding: latin-1 -*-",
    ],
)
def test_other_languages_are_stored_as_they_say_of_themselves(head: str) -> None:
    wanted = f"{head}\nJosé\n"
    for stored in (f"{head}\nx\n".encode(), wanted.replace("J", "R").encode("latin-1")):
        revised = decode(stored, is_python=False).revised(wanted, exact=True)
        assert revised.encode() == wanted.encode("latin-1")
    assert TextFile.new(wanted, is_python=False).encode() == wanted.encode("latin-1")
    mislabelled = decode(wanted.replace("J", "R").encode(), is_python=False)
    assert mislabelled.revised(wanted, exact=True).encode() == wanted.encode()


@pytest.mark.parametrize(
    "name", ["utf-16", "utf-8-unix", "hex", "idna", "undefined", "punycode", "raw_unicode_escape"]
)
def test_a_declaration_that_cannot_be_meant_is_not_followed(name: str) -> None:
    text = f'<?xml version="1.0" encoding="{name}"?>\n<é/>\n'
    assert TextFile.new(text, is_python=False).encode() == text.encode()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_stays(encoding: str) -> None:
    data = "a\r\né\n".encode(encoding)
    made = decode(data, is_python=False).revised("a\nè\n", exact=False).encode()
    assert made == "a\r\nè\n".encode(encoding)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("data", [b"a\r\nb\r\n", b"\xef\xbb\xbfa\r\nb\r\n"])
def test_a_byte_order_mark_in_a_reply_adds_none(data: bytes, exact: bool) -> None:
    revised = decode(data, is_python=False).revised("\ufeffa\nc\n", exact=exact)
    assert revised.encode() == data.replace(b"b", b"c")


def test_big_endian_text_stays_so() -> None:
    data = b"\xfe\xff" + "a\né\n".encode("utf-16-be")
    assert decode(data, is_python=False).revised("a\nb\n", exact=False).encode() == (
        b"\xfe\xff" + "a\nb\n".encode("utf-16-be")
    )
