"""What kernels write, read as it was captured or is documented: no host has both versions."""

from __future__ import annotations

import pytest

from sandbox.warm.inside.kernel import OOM_COUNTERS, oom_kills, users

VERSION_1 = "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"
VERSION_2 = "low 0\nhigh 0\nmax 1180\noom 3\noom_kill {}\noom_group_kill 0\n"


@pytest.mark.parametrize("text", [VERSION_1, VERSION_2])
@pytest.mark.parametrize("count", [0, 2])
def test_kills_for_memory_are_counted_on_either_version(text: str, count: int) -> None:
    assert oom_kills(text.format(count).splitlines()) == count
    assert oom_kills(text.format(count).splitlines(keepends=True)) == count


@pytest.mark.parametrize("text", ["", "oom_kill\n", "oom_kill many\n", "oom 3\nmax 1\n"])
def test_what_says_nothing_counts_nothing(text: str) -> None:
    assert oom_kills(text.splitlines()) == 0


def test_the_counters_of_both_versions_are_looked_at() -> None:
    assert [path.rpartition("/")[2] for path in OOM_COUNTERS] == [
        "memory.oom_control",
        "memory.events",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("         0          0 4294967295\n", 2**32 - 1),
        ("         0       1000          1\n         1     100000      65536\n", 65537),
    ],
)
def test_users_are_counted_where_an_engine_maps_them(text: str, expected: int) -> None:
    assert users(text.splitlines()) == expected
