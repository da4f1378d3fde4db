"""What PostgreSQL itself refuses, and what a member hears when a server goes away."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from learning.team.bucket import Bucket
from learning.team.errors import TeamError, TeamRefusedError, TeamUnreachableError
from learning.team.sharing import share
from learning.team.store import TeamStore
from learning.team.values import Role
from tests.fakes.contexts import context
from tests.fakes.postgres import Postgres
from tests.fakes.team import Person, Team, forget, offer, remember, rows, send

pytestmark = pytest.mark.slow


def run_sql(person: Person, statement: str) -> int:
    """Run a statement as an altered client would, past every check of this program."""
    with person.team() as store, store.database.writing() as db:
        return db.execute(text(statement)).rowcount


_NOT_HIS = (
    "UPDATE experiences SET body = ''",
    "INSERT INTO experiences (member, digest, project, id, session, created_at, model, verdict,"
    " fixes, trust, body, prompt_ids, token_ids)"
    " SELECT 'anna', 'd', 'p', 'i', '', 0, '', '', '', '', '', '', ''",
    "INSERT INTO forgotten VALUES ('anna', 'e1', 0)",
    "DELETE FROM forgotten",
    "UPDATE adapters SET manifest = ''",
    "DELETE FROM adapters",
    "INSERT INTO sources SELECT digest, 'ben', 'e1' FROM adapters WHERE member = 'anna'",
    "DELETE FROM sources",
    "INSERT INTO notes VALUES ('anna', 'shop', 'polars', '2', 'a', 'b', 0)",
    "UPDATE notes SET note = ''",
    "DELETE FROM notes WHERE member = 'anna'",
    "UPDATE members SET role = 'administrator' WHERE name = 'ben'",
    "INSERT INTO members VALUES ('mallory', 'administrator')",
    "UPDATE elagent_version SET version = 9",
    "ALTER TABLE experiences DISABLE ROW LEVEL SECURITY",
    "DROP TABLE experiences",
)


def test_the_database_refuses_a_contributor_what_is_not_his(team_on_servers: Team) -> None:
    team = team_on_servers
    team.anna.make_adapter(experience_ids=("e1",))
    team.anna.contexts.add([context("cumsum", "cum_sum", "Sum up.")])
    send(team.anna)
    done = {}
    for statement in _NOT_HIS:
        try:
            done[statement] = run_sql(team.ben, statement)
        except TeamRefusedError:
            done[statement] = 0
    assert done == dict.fromkeys(_NOT_HIS, 0)
    assert rows(team.anna) == 1
    with team.anna.team() as store:
        assert [row.tainted for row in store.adapters.all()] == [False]
        assert len(store.notes.mine("shop")) == 1
        assert {m.name: m.role for m in store.members.all()}["ben"] is Role.CONTRIBUTOR


def test_nobody_deletes_or_reads_rows_of_another_but_an_administrator(
    team_on_servers: Team,
) -> None:
    team = team_on_servers
    remember(team.ben, "e1")
    remember(team.anna, "e2")
    send(team.ben)
    send(team.anna)
    assert run_sql(team.ben, "DELETE FROM experiences WHERE member = 'anna'") == 0
    assert run_sql(team.rita, "DELETE FROM experiences") == 0
    with team.ben.team() as store, store.database.reading() as db:
        assert db.execute(text("SELECT id FROM experiences")).scalars().all() == ["e1"]
    assert run_sql(team.anna, "DELETE FROM experiences WHERE member = 'ben'") == 1


def test_the_database_refuses_a_reader_to_share_and_lets_it_forget(team_on_servers: Team) -> None:
    team = team_on_servers
    remember(team.ben, "e1")
    send(team.ben)
    with team.anna.team() as store:
        store.members.give_role("ben", Role.READER)
    with pytest.raises(TeamRefusedError, match="does not allow this to you"):
        run_sql(
            team.ben,
            "INSERT INTO adapters SELECT 'd', 'n', 'ben', '', '', 0, 0, '', ''",
        )
    assert forget(team.ben, "e1") == 1
    assert rows(team.ben) == 0


def test_a_stranger_with_a_login_sees_nothing(team_on_servers: Team) -> None:
    url = team_on_servers.anna.store_url.replace("anna@", "stranger@")
    with pytest.raises(TeamRefusedError, match="does not allow this to you"):
        TeamStore.open(url, name="anna")


def test_a_member_needs_a_login(team_on_servers: Team) -> None:
    with team_on_servers.anna.team() as store:
        with pytest.raises(TeamError, match="no login 'nobody-yet': make it first"):
            store.members.give_role("nobody-yet", Role.READER)
        assert "nobody-yet" not in {member.name for member in store.members.all()}


def test_a_new_administrator_gives_roles_too(team_on_servers: Team) -> None:
    team = team_on_servers
    with team.anna.team() as store:
        store.members.give_role("ben", Role.ADMINISTRATOR)
    with team.ben.team() as store:
        store.members.give_role("rita", Role.CONTRIBUTOR)
    remember(team.rita, "e1")
    assert send(team.rita).experiences == 1


def test_a_database_that_stops_in_the_middle_loses_and_doubles_nothing(
    team_on_servers: Team,
) -> None:
    team = team_on_servers
    assert team.stop is not None
    assert team.start is not None
    remember(team.ben, *(f"e{number}" for number in range(120)))
    team.ben.make_adapter()
    stop = iter((team.stop,))

    def say(_: str) -> None:
        for end in stop:
            end()

    whole = offer(team.ben)
    try:
        with (
            pytest.raises(TeamUnreachableError, match="what was done before stays"),
            team.ben.team() as store,
        ):
            share(whole, store, team.ben.bucket(), project="shop", say=say)
        with pytest.raises(TeamUnreachableError, match="does not answer"):
            team.ben.team()
    finally:
        team.start()
    assert rows(team.ben) == 50
    done = send(team.ben)
    assert (done.experiences, len(done.adapters)) == (70, 1)
    assert rows(team.ben) == 120


def test_a_database_that_cannot_have_groups_is_refused(postgres: Postgres) -> None:
    postgres.sql('CREATE DATABASE "my$team" OWNER anna')
    with pytest.raises(TeamError, match=r"'my\$team' is no name"):
        TeamStore.open(postgres.url("my$team", "anna"), name="anna", create=True)


def test_a_bucket_that_is_not_there_is_told(s3_bucket: str) -> None:
    with pytest.raises(TeamUnreachableError, match="s3://nobody-made-this failed"):
        Bucket.open("s3://nobody-made-this").check()
    Bucket.open(s3_bucket).check()


def test_an_s3_server_that_does_not_answer_is_told(
    s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(TeamUnreachableError, match="failed"):
        Bucket.open(s3_bucket).check()
