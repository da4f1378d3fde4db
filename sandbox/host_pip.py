"""The host's own pip, made unable to build anything.

`--only-binary=:all:` leaves a door: a requirement that names a URL, in a wheel's own metadata too,
is built by pip to learn what it needs, which runs code of its source on this machine.
"""

from __future__ import annotations

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

PIP = (sys.executable, "-P", "-c", _WITHOUT_BUILDS)
"""Command line to put in front of pip's arguments. `-P`: the current folder may hold a `pip`."""


def is_from_index(line: object) -> bool:
    """Whether a line is a plain requirement: no URL, no option of pip, nothing unreadable."""
    try:
        return Requirement(str(line)).url is None
    except (InvalidRequirement, RecursionError):
        return False
