"""The store keeps what it acknowledged, whatever happens to its process or its file."""

from __future__ import annotations

import dataclasses
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from learning.experience.codec import decode
from learning.experience.store import MIGRATIONS, ExperienceStore, StoreError
from learning.records import Message, Trust, Verdict
from tests.fakes.experiences import make_action, make_experience

_WRITER = """
import sys
from pathlib import Path
from learning.experience.store import ExperienceStore
from tests.fakes.experiences import make_experience
name, count = sys.argv[2], int(sys.argv[3])
with ExperienceStore.open(Path(sys.argv[1])) as store:
    for number in range(count):
        store.add(make_experience(f"{name}-{number}"))
        print(f"{name}-{number}", flush=True)
"""


def _start_writer(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parents[3]
    return subprocess.Popen(
        [sys.executable, "-P", "-c", _WRITER, str(path), name, str(count)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )


def test_arrays_come_back_exactly(tmp_path: Path) -> None:
    action = make_action(
        prompt_ids=(0, 151_935, 2**32 - 1), token_ids=(7,), logprobs=(-1e-300, -0.1, -123.456789)
    )
    experience = make_experience(action=action)
    with ExperienceStore.open(tmp_path / "e.sqlite3") as store:
        assert store.add(experience)
    with ExperienceStore.open(tmp_path / "e.sqlite3") as store:
        assert store.get("e1") == experience
        assert store.get("nobody") is None


def test_an_action_without_logprobs_keeps_none(tmp_path: Path) -> None:
    experience = make_experience(action=make_action(logprobs=None, token_ids=(), prompt_ids=()))
    with ExperienceStore.open(tmp_path / "e.sqlite3") as store:
        store.add(experience)
        assert store.get("e1") == experience


def test_list_is_newest_first_and_filters(tmp_path: Path) -> None:
    with ExperienceStore.open(tmp_path / "e.sqlite3") as store:
        store.add(make_experience("a", session="one"))
        store.add(make_experience("b", session="two", verdict=Verdict.PASS))
        store.add(make_experience("c", session="two"))
        assert [e.id for e in store.list()] == ["c", "b", "a"]
        assert [e.id for e in store.list(session="two", verdict=Verdict.FAIL)] == ["c"]
        assert [e.id for e in store.list(limit=1)] == ["c"]
        counts = store.counts()
    assert (counts.total, counts.passed, counts.failed) == (3, 1, 2)


def test_export_is_one_json_line_each_oldest_first(tmp_path: Path) -> None:
    with ExperienceStore.open(tmp_path / "e.sqlite3") as store:
        store.add(make_experience("a"))
        store.add(make_experience("b"))
        assert [decode(line) for line in store.export()] == [
            make_experience("a"),
            make_experience("b"),
        ]


def test_forgetting_erases_the_text_from_the_files(tmp_path: Path) -> None:
    path = tmp_path / "e.sqlite3"
    private = "a-sentence-nobody-should-find"
    with ExperienceStore.open(path) as store:
        store.add(make_experience("a", messages=(Message(role="user", content=private),)))
        store.add(make_experience("b"))
        assert store.forget("a")
        assert not store.forget("a")
        assert [e.id for e in store.list()] == ["b"]
        assert store.forgotten() == {"a"}
        for file in tmp_path.iterdir():
            assert private.encode() not in file.read_bytes()


def test_secrets_never_reach_the_disk(tmp_path: Path) -> None:
    private = "ghp_" + "x" * 36
    with ExperienceStore.open(tmp_path / "e.sqlite3") as store:
        store.add(make_experience(messages=(Message(role="user", content=private),)))
        for file in tmp_path.iterdir():
            assert private.encode() not in file.read_bytes()


def test_capture_can_be_switched_off_and_stays_off(tmp_path: Path) -> None:
    with ExperienceStore.open(tmp_path / "e.sqlite3") as store:
        assert store.capturing
        store.set_capturing(on=False)
    with ExperienceStore.open(tmp_path / "e.sqlite3") as store:
        assert not store.add(make_experience())
        assert store.list() == ()
        store.set_capturing(on=True)
        assert store.add(make_experience())


def test_the_same_id_twice_is_an_error_and_keeps_the_first(tmp_path: Path) -> None:
    with ExperienceStore.open(tmp_path / "e.sqlite3") as store:
        store.add(make_experience())
        with pytest.raises(StoreError, match="already stored"):
            store.add(make_experience(before="other"))
        assert store.list() == (make_experience(),)


def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    with ExperienceStore.open(tmp_path / "sub" / "e.sqlite3") as store:
        store.add(make_experience())
        modes = {file.stat().st_mode & 0o077 for file in (tmp_path / "sub").iterdir()}
    assert modes == {0}


def test_kill_9_loses_no_acknowledged_experience(tmp_path: Path) -> None:
    path = tmp_path / "e.sqlite3"
    acknowledged: list[str] = []
    for round_, kill_after in enumerate((5, 23, 40, 58)):
        writer = _start_writer(path, f"r{round_}", 100_000)
        assert writer.stdout
        acknowledged += [writer.stdout.readline().strip() for _ in range(kill_after)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += writer.stdout.read().split("\n")[:-1]
        writer.wait()
        writer.stdout.close()
    with ExperienceStore.open(path) as store:
        stored = {experience.id for experience in store.list()}
    assert len(acknowledged) > 20
    assert set(acknowledged) <= stored
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "e.sqlite3"
    writers = [_start_writer(path, name, 40) for name in ("a", "b")]
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    with ExperienceStore.open(path) as store:
        assert store.counts().total == 80


def test_a_full_store_says_so_and_stays_usable(tmp_path: Path) -> None:
    with ExperienceStore.open(tmp_path / "e.sqlite3", max_mib=1) as store:
        store.add(make_experience("small"))
        with pytest.raises(StoreError, match="no space is left"):
            store.add(make_experience("big", before="x" * 2**21))
        assert [e.id for e in store.list()] == ["small"]
        store.add(make_experience("another"))


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "e.sqlite3"
    path.write_bytes(os.urandom(8192))
    with pytest.raises(StoreError, match=r"e\.sqlite3.*damaged"):
        ExperienceStore.open(path)


def test_damage_inside_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "e.sqlite3"
    with ExperienceStore.open(path) as store:
        for number in range(50):
            store.add(make_experience(str(number), before="x" * 2000))
    data = bytearray(path.read_bytes())
    data[4096 * 2 :] = os.urandom(len(data) - 4096 * 2)
    path.write_bytes(data)
    with pytest.raises(StoreError, match="damaged"), ExperienceStore.open(path) as store:
        store.list()


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "e.sqlite3"
    ExperienceStore.open(path).close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    with pytest.raises(StoreError, match="newer elagent"):
        ExperienceStore.open(path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be opened"):
        ExperienceStore.open(tmp_path / "file" / "e.sqlite3")


def test_the_home_folder_is_not_stored(tmp_path: Path) -> None:
    home = "/home/ada"
    experience = make_experience(before=f"open('{home}/x')")
    with ExperienceStore.open(tmp_path / "e.sqlite3", home=home) as store:
        store.add(experience)
        assert store.get("e1") == dataclasses.replace(experience, before="open('~/x')")


def test_verdicts_from_before_trust_was_kept_count_as_plain(tmp_path: Path) -> None:
    path = tmp_path / "e.sqlite3"
    with ExperienceStore.open(path) as store:
        store.add(make_experience("old", verdict=Verdict.PASS, trust=Trust.PLAIN))
    with sqlite3.connect(path) as db:
        db.execute("UPDATE experiences SET body = json_remove(body, '$.trust')")
        db.execute("ALTER TABLE experiences DROP COLUMN trust")
        db.execute("PRAGMA user_version = 1")
    db.close()
    with ExperienceStore.open(path) as store:
        store.add(make_experience("new", verdict=Verdict.PASS, trust=Trust.JUDGE))
        assert [e.trust for e in store.list()] == [Trust.JUDGE, Trust.PLAIN]
        assert (store.counts().passed, store.counts().forgeable) == (2, 1)
