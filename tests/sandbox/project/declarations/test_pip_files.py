"""pip's requirement files: lines, options, includes, encodings, folders."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from pip._internal.models.index import PyPI

from tests.fakes.declared import LIB, check, declared

PIP = [
    ("a name\n", "# nothing\n\na\n  b==1 # two\n", "a\nb==1", ()),
    (
        "hashes on lines that go on",
        "a==1 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\nb==2 --hash sha256:00\n",
        "a==1\nb==2",
        (),
    ),
    (
        "a comment inside a line that goes on",
        "a \\\n# not this\n>=1\nb\n",
        "a\nb",
        (">=1 is not a plain requirement",),
    ),
    (
        "markers",
        "a; python_version < '4'\nb ; sys_platform == 'win32'\n",
        'a; python_version < "4"\nb; sys_platform == "win32"',
        (),
    ),
    ("extras and spaces", "A.B_c [x, y] >= 1, <2\n", "A.B_c[x,y]<2,>=1", ()),
    (
        "an address",
        "a @ https://example.com/a.whl\n",
        "",
        ("a comes from https://example.com/a.whl; only releases",),
    ),
    (
        "a repository",
        "git+https://example.com/b.git@main#egg=b\n-e git+ssh://git@example.com/c#egg=c\n",
        "",
        ("b comes from git+https", "c comes from git+ssh://example.com/c"),
    ),
    (
        "an address with a password",
        "a @ https://me:geheim@example.com/a.whl\n",
        "",
        ("https://example.com/a.whl",),
    ),
    (
        "an index",
        f"--index-url https://me:geheim@example.com/simple\n-i {PyPI.simple_url}\n--extra-index-url=https://download.pytorch.org/whl/cpu\na\n",
        "a",
        ("the package index https://example.com/simple is not asked",),
    ),
    (
        "links to find",
        "--find-links ./wheels\n-f https://example.com/w\na\n",
        "a",
        ("not looked for at ./wheels", "not looked for at https://example.com/w"),
    ),
    (
        "options of all kinds",
        "--no-binary :all:\n--pre\n--trusted-host x\n--prefer-binary\n--require-hashes\n--no-index\n--use-feature=x\na\n",
        "a",
        (),
    ),
    ("an unknown option", "--nonsense\na\n", "a", ("--nonsense is not an option that pip knows",)),
    (
        "a variable",
        "a @ https://${TOKEN}@example.com/a\nb\n",
        "b",
        ("variables of this machine's environment are not put in",),
    ),
    (
        "an include from elsewhere",
        "-r https://example.com/r.txt\n-r missing.txt\n-c gone.txt\na\n",
        "a",
        (
            "includes https://example.com/r.txt, which is not fetched",
            "requirements.txt includes missing.txt, which does not exist",
            "includes gone.txt",
        ),
    ),
    ("out of the project", "-r ../outside.txt\n-e ../other\na\n", "a", ("outside of the project",)),
    ("itself", "-r requirements.txt\na\n", "a", ("includes itself",)),
    (
        "an archive",
        "./dist/a-1.0-py3-none-any.whl\n./a-1.tar.gz\nb\n",
        "b",
        ("the archive dist/a-1.0-py3-none-any.whl is not installed", "the archive a-1.tar.gz"),
    ),
    ("no such folder", "-e ./nowhere\na\n", "a", ("there is no folder nowhere",)),
    (
        "junk",
        "a b c\n<<<<<<< HEAD\n",
        "",
        ("a b c is not a plain requirement", "<<<<<<< HEAD is not a plain requirement"),
    ),
]


@pytest.mark.parametrize(
    ("text", "requirements", "notes"), [row[1:] for row in PIP], ids=[row[0] for row in PIP]
)
def test_requirement_files_are_read_as_pip_reads_them(
    tmp_path: Path, text: str, requirements: str, notes: tuple[str, ...]
) -> None:
    check(declared(tmp_path, {"requirements.txt": text}), requirements, notes)


@pytest.mark.parametrize(
    "data",
    [
        codecs.BOM_UTF8 + "# für\nflask==3\n".encode(),
        codecs.BOM_UTF16_LE + "# für\r\nflask==3\r\n".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "flask==3\n".encode("utf-16-be"),
        codecs.BOM_UTF32_LE + "flask==3\n".encode("utf-32-le"),
        "# -*- coding: latin-1 -*-\n# für\nflask==3\n".encode("latin-1"),
        "# für\nflask==3\n".encode("latin-1"),
        b"flask==3\r",
    ],
)
def test_requirement_files_are_read_in_any_encoding_that_pip_reads(
    tmp_path: Path, data: bytes
) -> None:
    check(declared(tmp_path, {"requirements.txt": data}), "flask==3")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (codecs.BOM_UTF16_LE + b"a", "requirements.txt was not read"),
        (b"# coding: nonsense\na\n", "requirements.txt was not read: unknown encoding: nonsense"),
        (b"# coding: rot13\na\n", "requirements.txt was not read: rot13 is no encoding of text"),
        (b"a\n" * 600_000, "requirements.txt was not read: it has 1200000 bytes"),
    ],
)
def test_a_requirement_file_that_cannot_be_read_is_named(
    tmp_path: Path, data: bytes, said: str
) -> None:
    check(declared(tmp_path, {"requirements.txt": data}), "", (said,))


@pytest.mark.parametrize(
    "line",
    [
        "-e ./lib",
        "./lib",
        "lib/",
        "--editable=lib",
        "my-lib @ file:lib",
        "my_lib @ file:./lib",
        "-e file:./lib#egg=my-lib",
    ],
)
def test_a_project_in_a_folder_is_put_in_with_what_it_needs(tmp_path: Path, line: str) -> None:
    found = declared(tmp_path, {"requirements.txt": f"{line}\nMy.Lib>=1\n", **LIB})
    check(found, "idna")
    assert found.members == ("lib",)
    assert found.build_requires == ("flit_core>=3",)


def test_constraints_limit_versions_and_ask_for_nothing(tmp_path: Path) -> None:
    found = declared(
        tmp_path,
        {
            "requirements.txt": "a\n-c limits.txt\n",
            "limits.txt": "a<2\nb==1\nmy-lib==3\nc[x]==1\n-r more.txt\n",
            "more.txt": "d==4\n",
            **LIB,
        },
    )
    check(found, "a", ("the constraint c[x]==1 was not followed",))
    assert found.constraints == ("a<2", "b==1", "my-lib==3", "d==4")
