"""A PostgreSQL server of its own, on a socket in a temporary folder."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


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
