"""A name that a library lacks is replaced by those that the library itself named."""

from __future__ import annotations

import pytest

from agent.candidates.names import absent_name, names_in
from agent.candidates.templates import named_candidates
from agent.localisation.places import FaultPlace

FACT = (
    "networkx 3.6: networkx has no subgraphs: do not use it. Use networkx.connected_components(G)"
    " - Generates. Or networkx.bridges(G)"
)
CALL = (
    "marshmallow 4: The call is marshmallow.fields.Field(load_default=..., dump_default=...). It"
    " takes no missing: do not pass it. Pass dump_default instead"
)


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("AttributeError: module 'networkx' has no attribute 'subgraphs'", "subgraphs"),
        ("TypeError: Field() got an unexpected keyword argument 'missing'", "missing"),
        ("ImportError: cannot import name 'Mapping' from 'collections' (x.py)", "Mapping"),
        ("AssertionError: assert 1 == 2", ""),
    ],
)
def test_the_name_that_is_not_there_is_read_from_the_error(message: str, name: str) -> None:
    assert absent_name(message) == name


def test_advised_names_come_before_parameters() -> None:
    assert names_in([FACT]) == ("connected_components", "bridges")
    assert names_in([CALL]) == ("dump_default", "load_default")


@pytest.mark.parametrize(
    ("source", "message", "fact", "first"),
    [
        (
            "import networkx as nx\n\ndef f(g):\n    return nx.subgraphs(g)\n",
            "AttributeError: module 'networkx' has no attribute 'subgraphs'",
            FACT,
            "return nx.connected_components(g)",
        ),
        (
            "def f():\n    return Field(1, missing=0, many=True)\n",
            "TypeError: Field() got an unexpected keyword argument 'missing'",
            CALL,
            "return Field(1, dump_default=0, many=True)",
        ),
        (
            "from m import old as o\n",
            "ImportError: cannot import name 'old' from 'm' (m.py)",
            "m 1: m has no old: do not use it. Use m.new(x)",
            "from m import new as o",
        ),
    ],
)
def test_the_named_one_stands_in_its_place_first(
    source: str, message: str, fact: str, first: str
) -> None:
    place = FaultPlace(path="a.py", line=1, end_line=1, score=1.0)
    found = named_candidates(
        [place], ["a.py"], {"a.py": source}.get, messages=[message], facts=[fact]
    )
    assert first in found[0].after
    assert source.count("\n") == found[0].after.count("\n")


def test_a_keyword_may_also_be_left_out() -> None:
    source = "def f():\n    return Field(1, missing=0, many=True)\n"
    message = "TypeError: Field() got an unexpected keyword argument 'missing'"
    place = FaultPlace(path="a.py", line=2, end_line=2, score=1.0)
    found = named_candidates(
        [place], ["a.py"], {"a.py": source}.get, messages=[message], facts=[CALL]
    )
    texts = [item.after.splitlines()[1].strip() for item in found]
    assert "return Field(1, many=True)" in texts
    assert "return Field(1, 0, many=True)" in texts
