import pytest

from cachebox import CacheBox


def filled(size, *keys):
    box = CacheBox(size)
    for key in keys:
        box.put(key, key.upper())
    return box


def test_what_was_put_can_be_got():
    assert filled(2, "a").get("a") == "A"
    assert filled(2, "a").get("b", "none") == "none"


def test_the_box_holds_as_many_as_its_size():
    assert filled(2, "a", "b").keys() == ["a", "b"]
    assert len(filled(2, "a", "b", "c")) == 2


def test_the_oldest_goes_first():
    assert filled(2, "a", "b", "c").keys() == ["b", "c"]


def test_looking_at_a_key_keeps_it():
    box = filled(2, "a", "b")
    box.get("a")
    box.put("c", "C")
    assert box.keys() == ["a", "c"]


def test_two_fit_unless_said():
    box = CacheBox()
    for key in "abc":
        box.put(key, 1)
    assert len(box) == 2


def test_a_box_of_nothing_is_refused():
    with pytest.raises(ValueError):
        CacheBox(0)


def test_the_share_of_hits():
    box = filled(2, "a")
    assert box.ratio() == 0.0
    box.get("a")
    box.get("b")
    assert box.ratio() == 0.5
