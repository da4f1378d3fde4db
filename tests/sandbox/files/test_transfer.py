"""What may enter a box, and what may come out."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from sandbox.box.contract import SourceFile, TransferError
from sandbox.files.transfer import collect_files, read_members, tar_chunks

MIB = 1024 * 1024
PRIVATE_KEY = "\n".join(
    ["-----BEGIN RSA PRIVATE KEY-----", *["MIIEow" + "A" * 58] * 3, "-----END RSA PRIVATE KEY-----"]
)


def test_regular_files_are_read_with_their_executable_bit(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "a.py").write_text("x = 1")
    (tmp_path / "run.sh").write_text("#!/bin/sh")
    (tmp_path / "run.sh").chmod(0o755)
    files, refused = collect_files(tmp_path, ["pkg/a.py", "run.sh", "gone.py"], max_bytes=MIB)
    assert refused == []
    assert [(file.path, file.content, file.executable) for file in files] == [
        ("pkg/a.py", b"x = 1", False),
        ("run.sh", b"#!/bin/sh", True),
    ]


@pytest.mark.parametrize(
    "path",
    [".git/config", "sub/.git/hooks/x", ".GIT/config", ".git./config", ".git", ".hg/x", ".svn/x"],
)
def test_version_control_never_enters(tmp_path: Path, path: str) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("x")
    files, refused = collect_files(tmp_path, [path], max_bytes=MIB)
    assert files == []
    assert "never enters" in refused[0].reason


@pytest.mark.parametrize(
    "path", [".env", ".env.local", "a/.env", "id_rsa", ".netrc", "k.p12", "Secrets.yaml"]
)
def test_files_named_like_secrets_are_refused(tmp_path: Path, path: str) -> None:
    file = tmp_path / path
    file.parent.mkdir(exist_ok=True)
    file.write_text("x")
    files, refused = collect_files(tmp_path, [path], max_bytes=MIB)
    assert files == []
    assert [refusal.path for refusal in refused] == [path]


@pytest.mark.parametrize(
    "content",
    [
        PRIVATE_KEY,
        "key = 'AKIA" + "Q7XJ2N5PLW3ZK8MV'",
        "token: ghp_" + "a1B2" * 9,
        "glpat-" + "x1y2z3A4b5C6d7E8f9G0",
        "sk-ant-" + "a1B2c3" * 10,
    ],
)
def test_files_that_hold_secrets_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "settings.py").write_text(content)
    files, refused = collect_files(tmp_path, ["settings.py"], max_bytes=MIB)
    assert files == []
    assert "seems to hold" in refused[0].reason


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (".env.example", "TOKEN="),
        ("doc.md", "-----BEGIN RSA PRIVATE KEY----- goes here"),
        ("aws.py", "AKIAIOSFODNN7EXAMPLE"),
        ("envelope.py", "skeleton-key = 1"),
    ],
)
def test_harmless_lookalikes_enter(tmp_path: Path, path: str, content: str) -> None:
    (tmp_path / path).write_text(content)
    files, refused = collect_files(tmp_path, [path], max_bytes=MIB)
    assert refused == []
    assert len(files) == 1


def test_links_are_never_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "passwd").write_text("root")
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").symlink_to(outside / "passwd")
    (root / "dir").symlink_to(outside)
    (root / "loop").symlink_to("loop")
    (root / "gone").symlink_to("nothing")
    paths = ["file", "dir", "dir/passwd", "loop", "gone"]
    files, refused = collect_files(root, paths, max_bytes=MIB)
    assert files == []
    assert {refusal.path: refusal.reason for refusal in refused} == {
        "file": "a symbolic link that leads out of the project",
        "dir": "a symbolic link that leads out of the project",
        "dir/passwd": "behind a symbolic link",
        "loop": "a symbolic link that leads in a circle",
        "gone": "a symbolic link that leads nowhere",
    }


def test_links_inside_the_project_are_made_anew(tmp_path: Path) -> None:
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "deep" / "x.txt").write_text("hello")
    (tmp_path / "data" / ".env").write_text("TOKEN=1")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "data").symlink_to("../data")
    (tmp_path / "tests" / "chain").symlink_to("data")
    (tmp_path / "tests" / "x.txt").symlink_to("chain/deep/x.txt")
    (tmp_path / "tests" / "absolute").symlink_to(tmp_path / "data" / "deep")
    (tmp_path / "tests" / "settings").symlink_to("../data/.env")
    paths = ["data/deep/x.txt", "data/.env"]
    links = ["tests/data", "tests/chain", "tests/x.txt", "tests/absolute", "tests/settings"]
    files, refused = collect_files(tmp_path, [*paths, *links], max_bytes=MIB)
    assert {file.path: file.link for file in files} == {
        "data/deep/x.txt": "",
        "tests/data": "../data",
        "tests/chain": "../data",
        "tests/x.txt": "../data/deep/x.txt",
        "tests/absolute": "../data/deep",
    }
    assert [refusal.path for refusal in refused] == ["data/.env", "tests/settings"]
    with tarfile.open(fileobj=io.BytesIO(b"".join(tar_chunks(files)))) as archive:
        assert archive.getmember("tests/x.txt").issym()


def test_a_wheel_can_be_made_of_the_files_of_a_box(tmp_path: Path) -> None:
    (tmp_path / "licence.txt").write_text("free\n")
    files, _ = collect_files(tmp_path, ["licence.txt"], max_bytes=MIB)
    with tarfile.open(fileobj=io.BytesIO(b"".join(tar_chunks(files)))) as archive:
        archive.extractall(tmp_path / "box", filter="data")
    wheel = zipfile.ZipFile(io.BytesIO(), "w")
    wheel.write(tmp_path / "box" / "licence.txt")
    assert len(wheel.namelist()) == 1


def test_a_fifo_neither_enters_nor_blocks(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dir").mkdir()
    files, refused = collect_files(tmp_path, ["pipe", "dir"], max_bytes=MIB)
    assert files == []
    assert {refusal.reason for refusal in refused} == {"not a regular file"}


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "a\\b", "a\nb", "x" * 300])
def test_paths_that_lead_elsewhere_are_refused(tmp_path: Path, path: str) -> None:
    files, refused = collect_files(tmp_path, [path], max_bytes=MIB)
    assert (files, len(refused)) == ([], 1)


def test_the_size_limit_counts_all_files_together(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_bytes(b"x" * 400)
    files, refused = collect_files(tmp_path, list("abc"), max_bytes=1000)
    assert [file.path for file in files] == ["a", "b"]
    assert "size limit" in refused[0].reason


names = st.lists(
    st.text(alphabet="abü .-_", min_size=1, max_size=20).filter(
        lambda part: part.strip(". ") != ""
    ),
    min_size=1,
    max_size=5,
).map("/".join)


@given(st.dictionaries(names, st.binary(max_size=2000), max_size=10))
def test_what_is_packed_is_what_a_tar_reader_finds(contents: dict[str, bytes]) -> None:
    chunks = tar_chunks(SourceFile(path=path, content=data) for path, data in contents.items())
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        found = {
            member.name: stream.read()
            for member in archive
            if (stream := archive.extractfile(member)) is not None
        }
    assert found == contents


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    "hostile",
    [
        member("../escape"),
        member("/etc/escape"),
        member("wanted", tarfile.SYMTYPE, "/etc/passwd"),
        member("wanted", tarfile.LNKTYPE, "/etc/passwd"),
        member("wanted", tarfile.FIFOTYPE),
        member("wanted", tarfile.CHRTYPE),
        member("wanted", tarfile.BLKTYPE),
        member("wanted", tarfile.DIRTYPE),
        member("wanted", tarfile.GNUTYPE_SPARSE),
        member(".git/hooks/pre-commit"),
        member("wanted\n"),
    ],
    ids=lambda info: f"{info.name.strip()}-{info.type.decode()}",
)
def test_only_declared_regular_files_are_read(hostile: tarfile.TarInfo) -> None:
    data = archive((hostile, b""), (member("other"), b"fine"))
    assert read_members([data], ["wanted", "other"], max_bytes=MIB) == {"other": b"fine"}


def test_too_much_is_refused_before_it_is_read() -> None:
    data = archive((member("a"), b"x" * 2000))
    with pytest.raises(TransferError, match="size limit"):
        read_members([data], ["a"], max_bytes=1000)


def test_a_thousand_unwanted_members_are_refused() -> None:
    data = archive(*((member(f"f{n}"), b"") for n in range(1000)))
    with pytest.raises(TransferError, match="more files"):
        read_members([data], ["a"], max_bytes=MIB)


@given(st.binary(max_size=3000))
def test_garbage_is_refused_or_gives_nothing(data: bytes) -> None:
    try:
        found = read_members([data], ["a"], max_bytes=MIB)
    except TransferError:
        return
    assert found == {}
