"""Whatever comes out of a box, only declared files arrive, as plain bytes, in the staging folder."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from sandbox.box.contract import TransferError
from sandbox.files.host_names import folded
from sandbox.files.staging import MAX_STAGED, MAX_STAGED_BYTES, stage
from sandbox.files.transfer import check_outgoing, read_members
from tests.hostile.archives import ARCHIVES, UNFIT, Archive, Member

CHUNK = 10_000


def staged(archive: Archive, staging: Path) -> tuple[str, ...]:
    data = archive.data()
    chunks = (data[start : start + CHUNK] for start in range(0, len(data), CHUNK))
    try:
        found = read_members(chunks, archive.declared, max_bytes=MAX_STAGED_BYTES)
        return stage(found, staging)
    except TransferError:
        return ()


def test_there_are_enough_archives() -> None:
    assert len({archive.name for archive in ARCHIVES}) == len(ARCHIVES) >= 14


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda archive: archive.name)
def test_only_declared_files_arrive_and_only_in_the_folder(
    archive: Archive, tmp_path: Path
) -> None:
    staging = tmp_path / "outer" / "staging"
    staging.mkdir(parents=True)
    assert staged(archive, staging) == archive.arrives
    found = {path for path in tmp_path.rglob("*") if not path.is_dir() or path.is_symlink()}
    assert found == {staging / name for name in archive.arrives}
    for path in found:
        mode = path.lstat().st_mode
        assert stat.S_ISREG(mode)
        assert stat.S_IMODE(mode) & 0o7133 == 0


@pytest.mark.parametrize("path", UNFIT)
def test_paths_that_tools_on_the_host_act_on_cannot_be_declared(path: str, tmp_path: Path) -> None:
    with pytest.raises(TransferError):
        read_members([], [path], max_bytes=1)
    with pytest.raises(TransferError):
        stage({path: b""}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_already_is_never_written_through(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    staging = tmp_path / "staging"
    staging.mkdir()
    (staging / "out.txt").symlink_to(outside)
    (staging / "sub").symlink_to(tmp_path)
    for name in ("out.txt", "sub/out.txt"):
        with pytest.raises(TransferError, match="cannot be staged"):
            stage({name: b"evil"}, staging)
    assert outside.read_text() == "untouched"
    assert not (tmp_path / "out.txt").exists()


@pytest.mark.parametrize(
    "files", [{f"f{n}": b"" for n in range(MAX_STAGED + 1)}, {"f": bytes(MAX_STAGED_BYTES + 1)}]
)
def test_too_much_is_refused_before_anything_is_written(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    with pytest.raises(TransferError, match="more than"):
        stage(files, tmp_path)
    assert list(tmp_path.iterdir()) == []


names = st.text(
    alphabet=st.characters(blacklist_categories=["Cs"]) | st.sampled_from("./\\.gitGIT:~1 \u200b"),
    max_size=30,
)


@given(names)
def test_a_path_that_may_come_out_stays_inside_and_is_no_repository(path: str) -> None:
    try:
        parts = check_outgoing(path)
    except TransferError:
        return
    assert parts
    assert all(part not in ("", ".", "..") and "/" not in part for part in parts)
    assert not {folded(part) for part in parts} & {".git", ".hg", ".vscode", ".elagent"}
    assert not any(ord(character) < 32 for character in path)


kinds = st.sampled_from([b"0", b"1", b"2", b"3", b"5", b"6", b"7", b"S"])


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(["out.txt", "sub/out.txt", "sub", "../x", "other"]), kinds),
        max_size=8,
    ),
    st.binary(max_size=50),
    st.integers(0, 3000),
)
def test_no_archive_writes_anything_else(
    tmp_path_factory: pytest.TempPathFactory,
    entries: list[tuple[str, bytes]],
    noise: bytes,
    place: int,
) -> None:
    members = tuple(Member(name=name, kind=kind, link="/etc/passwd") for name, kind in entries)
    data = Archive(name="x", members=members).data()
    raw = data[:place] + noise + data[place + len(noise) :]
    tmp_path = tmp_path_factory.mktemp("staging")
    staging = tmp_path / "staging"
    staging.mkdir()
    arrived = staged(Archive(name="x", raw=raw or b"\0"), staging)
    found = {path for path in tmp_path.rglob("*") if not path.is_dir() or path.is_symlink()}
    assert found == {staging / name for name in arrived}
    assert set(arrived) <= {"out.txt", "sub/out.txt"}
