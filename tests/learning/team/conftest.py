"""Teams of two people: in a file and a folder, and in a real PostgreSQL and a real S3 server."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from learning.team.store import TeamStore
from learning.team.values import Role
from tests.fakes.postgres import Postgres
from tests.fakes.team import Person, Team


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("no PostgreSQL server is installed (Debian: postgresql)")
    account = _account() if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="elagent-pg-"))
    if account is not None:
        shutil.chown(folder, account)
    server = Postgres(folder=folder, bin=found[-1].parent, account=account)
    try:
        server.call("initdb", "-D", f"{folder}/data", "-U", "super", "-A", "trust", "--no-sync", "-E", "UTF8")  # fmt: skip
        server.start()
        for login in ("ben", "rita", "stranger"):
            server.sql(f"CREATE ROLE {login} LOGIN")
        server.sql("CREATE ROLE anna LOGIN CREATEROLE")
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _account() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of a real S3 server on loopback."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket of that server, with what S3's tools need to find it."""
    import fsspec

    monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("s3"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    name = f"team-{uuid.uuid4().hex}"
    fsspec.filesystem("s3", skip_instance_cache=True).mkdir(name)
    return f"s3://{name}/shop"


@pytest.fixture(
    params=["a file and a folder", pytest.param("postgresql and s3", marks=pytest.mark.slow)]
)
def team(request: pytest.FixtureRequest, tmp_path: Path) -> Team:
    """A team with a store that is ready, in each kind of place."""
    if request.param.startswith("a file"):
        return _team_in_files(tmp_path)
    return _team_on_servers(request, tmp_path)


@pytest.fixture
def team_on_servers(request: pytest.FixtureRequest, tmp_path: Path) -> Team:
    return _team_on_servers(request, tmp_path)


@pytest.fixture
def team_in_files(tmp_path: Path) -> Team:
    return _team_in_files(tmp_path)


def _team_in_files(tmp_path: Path) -> Team:
    def person(name: str) -> Person:
        return Person(
            name=name,
            home=tmp_path / name,
            store_url=f"sqlite:///{tmp_path}/team.sqlite3",
            bucket_url=str(tmp_path / "bucket"),
        )

    return _ready(Team(anna=person("anna"), ben=person("ben"), rita=person("rita")))


def _team_on_servers(request: pytest.FixtureRequest, tmp_path: Path) -> Team:
    server: Postgres = request.getfixturevalue("postgres")
    bucket: str = request.getfixturevalue("s3_bucket")
    database = f"team_{uuid.uuid4().hex[:8]}"
    server.sql(f"CREATE DATABASE {database} OWNER anna")

    def person(name: str) -> Person:
        return Person(
            name=name,
            home=tmp_path / name,
            store_url=server.url(database, name),
            bucket_url=bucket,
        )

    return _ready(
        Team(
            anna=person("anna"),
            ben=person("ben"),
            rita=person("rita"),
            stop=server.stop,
            start=server.start,
        )
    )


def _ready(team: Team) -> Team:
    team.anna.bucket().make_folder()
    with TeamStore.open(team.anna.store_url, name="anna", create=True) as store:
        store.members.give_role("ben", Role.CONTRIBUTOR)
        store.members.give_role("rita", Role.READER)
    return team
