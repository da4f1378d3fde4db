from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from agent.session.logs import MAX_BYTES, append_fault
from agent.session.session import (
    SessionError,
    SessionLog,
    list_sessions,
    read_session,
    sweep_sessions,
)

PROJECT_ROOT = Path(__file__).parents[3]
DAY_S = 86_400.0


def without_time(records: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{key: value for key, value in record.items() if key != "t"} for record in records]


def test_records_come_back_in_order(tmp_path: Path) -> None:
    awkward = {"event": "x", "text": "é\u2028\n\udce9 \x00", "n": [1, None]}
    with SessionLog.create(tmp_path / "sessions", clock=lambda: 1234.5678) as log:
        log.append({"event": "first"})
        log.append(awkward)
    records = read_session(tmp_path / "sessions", log.id)
    assert without_time(records) == [{"event": "first"}, awkward]
    assert records[0]["t"] == 1234.568
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600


def test_ids_sort_by_time(tmp_path: Path) -> None:
    times = iter([1_000_000.0, 2_000_000_000.25, 1_500_000_000.0])
    for _ in range(3):
        SessionLog.create(tmp_path, clock=lambda: next(times)).close()
    ids = [session.id for session in list_sessions(tmp_path)]
    assert [session[:8] for session in ids] == ["20330518", "20170714", "19700112"]


def test_sessions_of_the_same_moment_get_different_files(tmp_path: Path) -> None:
    suffixes = iter(["aa", "aa", "bb"])
    logs = [
        SessionLog.create(tmp_path, clock=lambda: 1.0, suffix=lambda: next(suffixes))
        for _ in range(2)
    ]
    assert len({log.path for log in logs}) == 2
    for log in logs:
        log.close()


def test_a_file_cut_at_any_byte_reads_as_its_whole_lines_and_goes_on(tmp_path: Path) -> None:
    with SessionLog.create(tmp_path) as log:
        log.append({"n": 1})
        log.append({"n": 2, "text": "ü" * 5})
    whole = log.path.read_bytes()
    first_line = whole.index(b"\n") + 1
    for cut in range(len(whole) + 1):
        log.path.write_bytes(whole[:cut])
        expected = (cut >= first_line) + (cut == len(whole))
        assert len(read_session(tmp_path, log.id)) == expected
        with SessionLog.resume(tmp_path, log.id) as again:
            again.append({"n": 3})
        numbers = [record["n"] for record in read_session(tmp_path, log.id)]
        assert numbers == [*[1, 2][:expected], 3]


def test_a_last_line_whose_content_was_lost_is_cut_off(tmp_path: Path) -> None:
    with SessionLog.create(tmp_path) as log:
        log.append({"n": 1})
    with log.path.open("ab") as file:
        file.write(b"\0" * 20 + b"\n")
    assert len(read_session(tmp_path, log.id)) == 1
    with SessionLog.resume(tmp_path, log.id) as again:
        again.append({"n": 2})
    assert len(read_session(tmp_path, log.id)) == 2


def test_damage_in_the_middle_is_named(tmp_path: Path) -> None:
    with SessionLog.create(tmp_path) as log:
        log.append({"n": 1})
        log.append({"n": 2})
    log.path.write_bytes(b"garbage\n" + log.path.read_bytes())
    with pytest.raises(SessionError, match=r"\.jsonl:1: "):
        read_session(tmp_path, log.id)


WRITER = """\
import sys
from pathlib import Path
from agent.session.session import SessionLog
with SessionLog.create(Path(sys.argv[1])) as log:
    for number in range(10**9):
        log.append({"n": number, "text": "x" * 5000})
        print(number, flush=True)
"""


def test_a_killed_writer_loses_no_line_that_it_finished(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], cwd=PROJECT_ROOT, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        finished = [int(process.stdout.readline()) for _ in range(20)]
        process.send_signal(signal.SIGKILL)
    (session,) = list_sessions(tmp_path)
    numbers = [record["n"] for record in read_session(tmp_path, session.id)]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= len(finished)


def test_a_session_is_open_in_one_process_at_a_time(tmp_path: Path) -> None:
    log = SessionLog.create(tmp_path)
    with pytest.raises(SessionError, match="open in another process"):
        SessionLog.resume(tmp_path, log.id)
    log.close()
    SessionLog.resume(tmp_path, log.id).close()


@pytest.mark.parametrize("session", ["", "nope", "../secrets", "/etc/passwd", "a/b", "a\0b"])
def test_unknown_sessions_are_refused(tmp_path: Path, session: str) -> None:
    (tmp_path / "sessions").mkdir()
    (tmp_path / "secrets.jsonl").write_text("{}\n")
    with pytest.raises(SessionError, match="there is no session"):
        read_session(tmp_path / "sessions", session)


def test_the_beginning_of_an_id_is_enough_where_only_one_begins_so(tmp_path: Path) -> None:
    moments = iter((1_700_000_000.0, 1_800_000_000.0))
    for name in ("first", "second"):
        moment = next(moments)
        with SessionLog.create(tmp_path, clock=lambda moment=moment: moment) as log:  # type: ignore[misc]
            log.append({"name": name})
    (record,) = read_session(tmp_path, "2027")
    assert record["name"] == "second"
    with pytest.raises(SessionError, match="2 sessions begin with '20'"):
        read_session(tmp_path, "20")


def test_old_sessions_are_swept_but_not_the_running_one(tmp_path: Path) -> None:
    with SessionLog.create(tmp_path) as old, SessionLog.create(tmp_path) as running:
        pass
    running = SessionLog.resume(tmp_path, running.id)
    new = SessionLog.create(tmp_path)
    new.close()
    now = new.path.stat().st_mtime
    for log in (old, running):
        os.utime(log.path, (now - 31 * DAY_S, now - 31 * DAY_S))
    assert sweep_sessions(tmp_path, retention_days=30, now=now) == [old.id]
    running.close()
    assert {session.id for session in list_sessions(tmp_path)} == {running.id, new.id}


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    code = """\
import resource, signal, sys
from pathlib import Path
from agent.session.session import SessionError, SessionLog
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = SessionLog.create(Path(sys.argv[1]))
log.append({"n": 1})
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    log.append({"text": "x" * 5000})
except SessionError as err:
    print(err)
log.append({"n": 2})
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    said = subprocess.run(command, cwd=PROJECT_ROOT, check=True, capture_output=True, text=True)
    assert "cannot write the session" in said.stdout
    (session,) = list_sessions(tmp_path)
    assert [record["n"] for record in read_session(tmp_path, session.id)] == [1, 2]


def test_a_fault_is_kept_and_bounded(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "elagent.log"
    for _ in range(60):
        assert append_fault(path, "trace\n" * 5_000) == path
    assert "trace" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sum(file.stat().st_size for file in path.parent.iterdir()) < 3 * MAX_BYTES


def test_no_place_for_a_log_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "logs" / "elagent.log"
    assert append_fault(place, "x") is None


def test_lines_are_plain_json_for_other_tools(tmp_path: Path) -> None:
    with SessionLog.create(tmp_path) as log:
        log.append({"event": "é"})
    assert json.loads(log.path.read_text("ascii"))["event"] == "é"
