from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from agent.context.repository_map import Cartographer
from agent.fixing.context import estimate_tokens
from agent.fixing.sources import Sources

FILES = {
    "shop/cart.py": "from shop.pricing import unit_price\n\n\nclass Cart:\n"
    "    def total(self):\n        return unit_price(1)\n\n    def clear(self):\n        pass\n",
    "shop/pricing.py": "def unit_price(item):\n    return 1\n\n\ndef unused_helper(x):\n    return x\n",
    "shop/unrelated.py": "def colours():\n    return []\n",
    "web/app.ts": "export function renderPage(title: string): string { return title }\n",
    "tests/test_cart.py": "from shop.cart import Cart\n\n\ndef test_total():\n    Cart().total()\n",
    "node_modules/x/index.js": "function vendored() {}\n",
    "README.md": "# Shop\n",
}


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return Sources(tmp_path, FILES)


def draw(
    sources: Sources,
    budget_tokens: int = 500,
    *,
    request: str = "",
    focus: Sequence[str] = (),
    without: Sequence[str] = (),
) -> str:
    drawn = Cartographer().draw(
        sources,
        budget_tokens=budget_tokens,
        count=estimate_tokens,
        request=request,
        focus=focus,
        without=without,
    )
    return drawn.text


def test_signatures_of_all_languages_stand_below_their_files(sources: Sources) -> None:
    text = draw(sources)
    assert "shop/cart.py\n  class Cart\n    def total(self)\n    def clear(self)" in text
    assert "web/app.ts\n  function renderPage(title: string): string" in text
    assert "return 1" not in text
    assert "vendored" not in text


def test_a_method_never_stands_without_its_class(sources: Sources) -> None:
    for budget in range(5, 80, 3):
        lines = draw(sources, budget, request="change total").splitlines()
        assert estimate_tokens("\n".join(lines)) <= budget + 1
        if "    def total(self)" in lines:
            assert "  class Cart" in lines


def test_files_of_the_last_traceback_come_first(sources: Sources) -> None:
    assert draw(sources, focus=["shop/unrelated.py"]).startswith("shop/unrelated.py")
    assert draw(sources, focus=["web/app.ts"]).startswith("web/app.ts")


def test_what_a_file_in_focus_uses_comes_before_what_it_does_not(sources: Sources) -> None:
    text = draw(sources, focus=["shop/cart.py"], without=["shop/cart.py"])
    assert text.index("unit_price") < text.index("colours")
    assert "class Cart" not in text


def test_a_name_of_the_request_is_found(sources: Sources) -> None:
    assert draw(sources, 25, request="Make renderPage faster").startswith("web/app.ts")


def test_a_changed_file_is_read_again(sources: Sources) -> None:
    cartographer = Cartographer()
    cartographer.draw(sources, budget_tokens=500, count=estimate_tokens)
    (sources.root / "shop/unrelated.py").write_text("def shades():\n    return []\n")
    text = cartographer.draw(sources, budget_tokens=500, count=estimate_tokens).text
    assert "shades" in text
    assert "colours" not in text


def test_an_empty_repository_has_an_empty_map(tmp_path: Path) -> None:
    drawn = Cartographer().draw(Sources(tmp_path, []), budget_tokens=10, count=estimate_tokens)
    assert (drawn.text, drawn.definitions, drawn.left_out) == ("", 0, 0)


def test_a_large_repository_is_mapped_bit_by_bit(sources: Sources) -> None:
    seconds = iter(range(100))
    cartographer = Cartographer(parse_s=1, clock=lambda: next(seconds))
    first = cartographer.draw(sources, budget_tokens=500, count=estimate_tokens)
    again = cartographer.draw(sources, budget_tokens=500, count=estimate_tokens)
    assert 0 < first.definitions < again.definitions


def test_a_class_stands_with_its_fields_and_a_named_tuple_with_its_own(tmp_path: Path) -> None:
    text = (
        "from collections import namedtuple\n\nPoint = namedtuple('Point', 'x y')\n\n\nclass Entry:\n"
        "    day: str\n    kind = 'other'\n    __slots__ = ()\n\n    def __init__(self, payee):\n"
        "        self.payee = payee\n        self.low, self.high = 0, 1\n        self.low[1] = self.high.deep = 1\n"
        f"        if payee:\n            self.sum = {' + '.join('1' * 3000)}\n\n        def inner(self):\n"
        "            self.wrong = 1\n\n    def reset(self):\n"
        "        self.later = 2\n"
    )
    (tmp_path / "entry.py").write_text(text)
    drawn = draw(Sources(tmp_path, ["entry.py"]))
    assert "  Point = namedtuple('Point', 'x y')\n" in drawn
    assert "  class Entry  # has day, kind, payee, low, high, sum\n" in drawn
    fields = "".join(f"    f{number}: int\n" for number in range(20))
    (tmp_path / "entry.py").write_text(f"class Wide:\n{fields}")
    assert draw(Sources(tmp_path, ["entry.py"])).endswith("f11, ...")
