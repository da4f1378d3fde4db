"""The host's own pip, made unable to build anything.

`--only-binary=:all:` leaves a door: a requirement that names a URL, in a wheel's own metadata too,
is built by pip to learn what it needs, which runs code of its source on this machine.
"""

from __future__ import annotations

import ast
import functools
import os
import re
import subprocess
import sys

from packaging.requirements import InvalidRequirement, Requirement

_WITHOUT_BUILDS = """
import sys
from pip._internal.distributions.sdist import SourceDistribution
from pip._internal.exceptions import InstallationError
def refuse(*_, **__):
    raise InstallationError("nothing is built on this machine")
SourceDistribution.prepare_distribution_metadata = refuse
from pip._internal.cli.main import main
sys.exit(main(sys.argv[1:]))
"""

_CONFIG_LINE = re.compile(r"(?P<section>[^.\s]+)\.(?P<name>[\w-]+)=(?P<value>.+)")

PIP = (sys.executable, "-P", "-c", _WITHOUT_BUILDS)
"""Command line to put in front of pip's arguments. `-P`: the current folder may hold a `pip`."""


def is_from_index(line: object) -> bool:
    """True if a line is a plain requirement: no URL, no option of pip, nothing unreadable."""
    try:
        return Requirement(str(line)).url is None
    except (InvalidRequirement, RecursionError):
        return False


def pip_config() -> dict[str, str]:
    """Return pip's effective settings: the environment wins over files, as it does in pip."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pip", "config", "list"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return parse_pip_config(done.stdout)


def parse_pip_config(text: str) -> dict[str, str]:
    """Parse `pip config list`: lines of section, name, and a quoted value."""
    sections: dict[str, dict[str, str]] = {"global": {}, "download": {}, ":env:": {}}
    for line in text.splitlines():
        match = _CONFIG_LINE.fullmatch(line.strip())
        if match and match["section"] in sections:
            try:
                value = str(ast.literal_eval(match["value"]))
            except (ValueError, SyntaxError):
                value = match["value"]
            sections[match["section"]][match["name"]] = value
    merged = {**sections["global"], **sections["download"], **sections[":env:"]}
    if merged.get("no-index", "").lower() in ("", "0", "false", "no", "off"):
        merged.pop("no-index", None)
    return merged


def asked_indexes() -> frozenset[str]:
    """Return the indexes that pip is configured with, without user and password."""
    return _asked_indexes(tuple(sorted((k, v) for k, v in os.environ.items() if k[:4] == "PIP_")))


@functools.lru_cache(maxsize=8)
def _asked_indexes(_: tuple[tuple[str, str], ...]) -> frozenset[str]:
    """Ask pip once for each state of its variables."""
    config = pip_config()
    urls = [config.get("index-url", ""), *config.get("extra-index-url", "").split()]
    return frozenset(bare_address(url) for url in urls if url)


def bare_address(url: str) -> str:
    """Return an address without the user, password and last slash that it may have."""
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}".rstrip("/")
