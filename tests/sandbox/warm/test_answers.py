"""Values cross the fence with their types, and hostile trees can only be wrong, never harmful."""

from __future__ import annotations

import json
import math
import time
from collections import Counter, OrderedDict, defaultdict
from contextlib import suppress
from enum import IntEnum
from typing import Any

import numpy  # noqa: ICN001 - the sandbox knows it by its own name
import pytest
from hypothesis import given, strategies as st

from sandbox.warm.answers import display, same
from sandbox.warm.inside.codec import MAX_DEPTH, CodecError, decode, dump, encode, load
from sandbox.warm.inside.frames import LENGTH, FrameBuffer, FrameError

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text()
    | st.binary()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(SCALARS, inner, max_size=4)
        | st.sets(SCALARS, max_size=4)
        | st.frozensets(SCALARS, max_size=4)
    ),
    max_leaves=12,
)
TREES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["dict", "set", "frozenset", "tuple", "int", "float", "range", "x"]),
            inner,
            max_size=2,
        )
    ),
    max_leaves=12,
)


def typed(value: object) -> object:
    """The value with the type of every part, so that 1 and True differ."""
    if isinstance(value, (list, tuple)):
        return type(value), [typed(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return type(value), {typed(item) for item in value}
    if isinstance(value, dict):
        return type(value), {typed(key): typed(item) for key, item in value.items()}
    return type(value), value


@given(VALUES)
def test_every_value_comes_back_with_its_types(value: object) -> None:
    tree = load(dump(encode(value)))
    assert typed(decode(tree)) == typed(value)
    assert same(tree, encode(value))
    assert isinstance(display(tree), str)


@given(VALUES, VALUES)
def test_trees_are_the_same_when_the_typed_values_are(left: object, right: object) -> None:
    assert same(load(dump(encode(left))), encode(right)) is (typed(left) == typed(right))


@given(TREES, TREES)
def test_no_tree_breaks_the_comparison_or_the_display(left: object, right: object) -> None:
    assert same(left, right) in (True, False)
    assert len(display(left)) < 300
    with suppress(CodecError):
        decode(left)


@given(st.binary())
def test_no_bytes_break_the_reading_of_a_frame(data: bytes) -> None:
    with suppress(CodecError):
        load(data)


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(1, 7))
def test_frames_survive_any_cutting(payloads: list[bytes], size: int) -> None:
    stream = b"".join(LENGTH.pack(len(payload)) + payload for payload in payloads)
    buffer = FrameBuffer()
    got: list[bytes] = []
    for start in range(0, len(stream), size):
        got += buffer.feed(stream[start : start + size])
    assert got == payloads


def test_a_frame_that_is_announced_too_large_is_refused() -> None:
    with pytest.raises(FrameError):
        list(FrameBuffer(10).feed(LENGTH.pack(11)))


class Liar(int):
    def __eq__(self, other: object) -> bool:
        return True

    def __int__(self) -> int:
        return 3

    def __repr__(self) -> str:
        return "3"

    __hash__ = int.__hash__


class Colour(IntEnum):
    RED = 7


def test_subclasses_are_sent_as_their_base_holds_them() -> None:
    assert encode(Liar(9)) == 9
    assert encode(Colour.RED) == 7
    counted = Counter("aab")
    assert decode(encode(counted)) == {"a": 2, "b": 1}
    for value in (counted, OrderedDict(a=1), defaultdict(list, a=[1])):
        assert type(decode(encode(value))) is dict


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (numpy.int64(3), 3),
        (numpy.float32(0.5), 0.5),
        (numpy.bool(True), True),
        ([numpy.uint8(1), (numpy.float64(2.5),)], [1, (2.5,)]),
    ],
)
def test_numpy_numbers_are_the_numbers_they_equal(value: object, sent: object) -> None:
    assert typed(decode(encode(value))) == typed(sent)


@pytest.mark.parametrize(
    "value",
    [numpy.array([1]), numpy.datetime64("2024-01-01", "ns"), numpy.timedelta64(1, "ns")],
)
def test_numpy_values_that_equal_no_plain_value_are_refused(value: object) -> None:
    with pytest.raises(CodecError, match="cannot be sent"):
        encode(value)


@pytest.mark.parametrize("value", [object(), len, iter([]), type, Ellipsis, {1: [object()]}])
def test_other_kinds_of_value_are_refused(value: object) -> None:
    with pytest.raises(CodecError):
        encode(value)


def test_cycles_and_depth_are_refused() -> None:
    cycle: list[object] = []
    cycle.append(cycle)
    deep: object = 1
    for _ in range(MAX_DEPTH + 5):
        deep = [deep]
    for value in (cycle, deep):
        with pytest.raises(CodecError):
            encode(value)


def test_chosen_keys_cannot_make_the_comparison_slow() -> None:
    colliding = [(2**61 - 1) * n for n in range(1, 20_000)]  # all of them hash to 0
    tree = {"set": [{"int": hex(n)} for n in colliding]}
    pairs = {"dict": [[{"int": hex(n)}, 0] for n in colliding]}
    started = time.process_time()
    for hostile in (tree, pairs):
        assert same(json.loads(json.dumps(hostile)), hostile)
        assert not same(hostile, encode({1, 2}))
        display(hostile)
    assert time.process_time() - started < 5


def test_depth_that_our_own_encoder_does_not_make_is_never_the_same() -> None:
    tree: list[object] = []
    for _ in range(5000):
        tree = [tree]
    assert not same(tree, tree)
    assert not same({"set": [tree]}, {"set": [tree]})
    assert display(tree).endswith("...]]]]]]]]")


def test_numbers_compare_by_type_and_floats_within_the_tolerance() -> None:
    assert not same(encode(1), encode(1.0))
    assert not same(encode(True), encode(1))
    assert same(encode(math.nan), encode(math.nan))
    assert not same(encode(0.1 + 0.2), encode(0.3))
    assert same(encode([{"a": 0.1 + 0.2}]), encode([{"a": 0.3}]), tolerance=1e-9)
    assert not same(encode({0.1 + 0.2}), encode({0.3}), tolerance=1e-9)


@pytest.mark.parametrize(
    "value", [[1, (2,), {"a": {3}}, None, "x"], (), {}, (1, 2), 1.5, "é", b"\xff", [True]], ids=repr
)
def test_small_values_are_shown_as_python_writes_them(value: object) -> None:
    if isinstance(value, bytes):
        assert display(encode(value)) == "bytes('ff')"
    else:
        assert display(encode(value)) == repr(value)
