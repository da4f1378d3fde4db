"""The claim of an adapter follows from its lessons."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from learning.model.catalog import ModelIdentity
from learning.promotion.claims import Claim, claim_of, learned_uses
from learning.promotion.manifest import AdapterManifest


def _made_from(examples: Mapping[str, int], uses: tuple[str, ...] = ()) -> AdapterManifest:
    return AdapterManifest(
        name="el-shop-v0001-0123abcd",
        model="tiny",
        base=ModelIdentity(weights_sha256="w", tokenizer_sha256="t", template_sha256="c"),
        parent=None,
        experience_ids=(),
        config={},
        seed=0,
        files={},
        created_at=1.0,
        report={"examples": examples, "uses": list(uses)},
    )


@pytest.mark.parametrize(
    ("examples", "claim"),
    [
        ({"hindsight": 5, "evidence": 3}, Claim.REPAIRS),
        ({"api_pair": 40, "api_anchor": 24, "own_pass": 16}, Claim.LIBRARY),
        ({"api_pair": 40, "hindsight": 39}, Claim.LIBRARY),
        ({"api_pair": 4, "api_anchor": 90, "hindsight": 4}, Claim.REPAIRS),
        ({}, Claim.REPAIRS),
    ],
)
def test_most_lessons_decide(examples: Mapping[str, int], claim: Claim) -> None:
    assert claim_of(_made_from(examples)) is claim


def test_rows_of_all_systems_are_known() -> None:
    both = [_made_from({}, ("use-1", "use-2")), _made_from({}, ("use-2", "use-3")), _made_from({})]
    assert learned_uses(both) == {"use-1", "use-2", "use-3"}
