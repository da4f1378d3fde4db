"""Teams of two people: in a file and a folder, and in a real PostgreSQL and a real S3 server."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from learning.experience.store import ExperienceStore
from learning.model.catalog import ModelIdentity
from learning.promotion.adapters import AdapterStore
from learning.promotion.manifest import AdapterManifest, adapter_prefix, hash_files, write_manifest
from learning.team.bucket import Bucket
from learning.team.store import TeamStore
from learning.team.values import Role
from tests.fakes.plain_lora import PLAIN_LORA

_BASE = ModelIdentity(weights_sha256="w" * 64, tokenizer_sha256="t" * 64, template_sha256="c" * 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One member with a machine of its own."""

    name: str
    home: Path
    store_url: str
    bucket_url: str

    def team(self) -> TeamStore:
        return TeamStore.open(self.store_url, name=self.name)

    def bucket(self) -> Bucket:
        return Bucket.open(self.bucket_url)

    def experiences(self) -> ExperienceStore:
        return ExperienceStore.open(self.home / "experiences.sqlite3")

    @property
    def adapters(self) -> AdapterStore:
        return AdapterStore(self.home / "adapters")

    @property
    def scratch(self) -> Path:
        folder = self.home / "scratch"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def make_adapter(self, version: int = 1, **changes: object) -> AdapterManifest:
        """A promoted adapter in this person's repository."""
        folder = self.home / f"job-{uuid.uuid4().hex}"
        folder.mkdir(parents=True)
        (folder / "adapter_model.safetensors").write_bytes(b"weights %d" % version * 1000)
        (folder / "adapter_config.json").write_text(PLAIN_LORA)
        files = hash_files(folder)
        manifest = AdapterManifest(
            name=f"{adapter_prefix('shop', version)}-{files['adapter_model.safetensors'][:8]}",
            model="tiny",
            base=_BASE,
            parent=None,
            experience_ids=("e1", "e2"),
            config={"rank": 4},
            seed=0,
            files=files,
            created_at=1.5,
            report={"losses": [0.5, 0.25]},
            decision={"kind": "promoted", "reason": "better than the incumbent", "gates": []},
        )
        write_manifest(folder, replace(manifest, **changes))  # type: ignore[arg-type]
        return self.adapters.adopt(folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """Anna administers, Ben contributes and Rita reads."""

    anna: Person
    ben: Person
    rita: Person
    stop: Callable[[], None] | None = None
    """Stops the database at once, where it is a server."""
    start: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """A cluster of its own on a socket in a temporary folder."""

    folder: Path
    bin: Path
    account: str | None
    """The account that runs it, where the tests run as root, which PostgreSQL refuses."""

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses= -c fsync=off"
        self.call("pg_ctl", "-D", f"{self.folder}/data", "-w", "-l", f"{self.folder}/log", "-o", options, "start")  # fmt: skip

    def stop(self) -> None:
        self.call("pg_ctl", "-D", f"{self.folder}/data", "-w", "-m", "immediate", "stop")

    def sql(self, statement: str, database: str = "postgres") -> None:
        self.call("psql", "-h", str(self.folder), "-U", "super", "-d", database, "-q",
                  "-v", "ON_ERROR_STOP=1", "-c", statement)  # fmt: skip

    def call(self, program: str, *arguments: str) -> None:
        as_account = {} if self.account is None else {"user": self.account, "extra_groups": []}
        subprocess.run(
            [str(self.bin / program), *arguments], check=True, stdout=subprocess.DEVNULL,
            cwd=self.folder, env={"PATH": os.environ["PATH"], "LC_ALL": "C"}, **as_account,
        )  # type: ignore[call-overload]  # fmt: skip

    def url(self, database: str, login: str) -> str:
        return f"postgresql://{login}@/{database}?host={self.folder}"


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
        store.give_role("ben", Role.CONTRIBUTOR)
        store.give_role("rita", Role.READER)
    return team
