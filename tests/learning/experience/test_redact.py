"""Secrets leave before anything is stored, and code stays what it is."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings, strategies as st

from learning.experience.redact import MARK, redact, redact_data, redact_experience
from learning.records import Message
from tests.fakes.experiences import make_action, make_evidence, make_experience
from tests.growth import grows_linearly

# Put together here so that no scanner takes this file for a leak.
_OPENAI = "sk-" + "proj-" + "a1B2c3D4e5F6g7H8i9J0k1L2"
_GITHUB = "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a"
_AWS = "AKIA" + "IOSFODNN7EXAMPLE"
_JWT = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0." + "c2lnbmF0dXJlLWhlcmU"
_KEY = "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIEow\nAAAA\n-----END RSA PRIVATE " + "KEY-----"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"client = Client('{_OPENAI}')", _OPENAI),
        (f"remote: {_GITHUB}", _GITHUB),
        (f"id {_AWS} end", _AWS),
        (f"cookie={_JWT};", _JWT),
        (_KEY, "MIIEow"),
        (_KEY[:50], "MIIEow"),
        ("postgres://shop:hunter2@db/stock", "hunter2"),
        ("PASSWORD=hunter2!x", "hunter2"),
        ('password = "hunter2"', "hunter2"),
        ('{"api_key": "0123456789abcdef"}', "0123456789abcdef"),
        ("export BUILD_ID=q8Zt3LkP0vXw7RnB2sYd5", "q8Zt3LkP0vXw7RnB2sYd5"),
        ("Authorization: Bearer abc.def-ghi", "abc.def-ghi"),
    ],
)
def test_a_secret_is_removed(text: str, secret: str) -> None:
    cleaned = redact(text)
    assert secret not in cleaned
    assert MARK in cleaned


@pytest.mark.parametrize(
    "text",
    [
        "def total(prices):\n    return sum(prices)\n",
        "token = tokenizer.next()",
        "password = getpass()",
        "api_key: str = settings.api_key",
        "DEBUG=1\nPATH=/usr/bin:/bin\nMAX_ITEMS_PER_ORDER=25",
        "see https://example.org/a:b/c@d",
        "assert basket.total() == 12.5  # secret sauce",
        "sha = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'",
    ],
)
def test_code_without_secrets_is_left_alone(text: str) -> None:
    assert redact(text) == text


def test_the_home_folder_is_shortened_on_request() -> None:
    text = "/home/ada/shop/cart.py:3"
    assert redact(text) == text
    assert redact(text, home="/home/ada") == "~/shop/cart.py:3"


_NASTY = st.lists(
    st.sampled_from(
        [
            *(
                "password",
                "token",
                "=",
                ":",
                '"',
                "'",
                "\n",
                " ",
                "://",
                "@",
                "a",
                "API_KEY",
                "sk-",
            ),
            *(
                "export ",
                "-----BEGIN PRIVATE KEY-----",
                "eyJ",
                ".",
                "A" * 20,
                "q8Zt3LkP0vXw7R",
                MARK,
            ),
            *("Authorization: Bearer ", "ghp_", "secret"),
        ]
    ),
    max_size=25,
).map("".join)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300) | _NASTY)
@example("://a:b@c:d@")
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    once = redact(text, home="/home/ada")
    assert redact(once, home="/home/ada") == once


@pytest.mark.parametrize(
    "piece",
    [
        "password",
        "**password",
        "|token|",
        "(token=1",
        "password=\\",
        "=",
        '"',
        "://",
        "-----BEGIN PRIVATE KEY-----",
        "A_",
        "eyJ",
        "a.",
    ],
)
def test_hostile_repetition_takes_linear_time(piece: str) -> None:
    assert grows_linearly(redact, piece, 40_000)


def test_an_experience_with_a_secret_keeps_no_tokens_that_spell_it() -> None:
    leaky = make_experience(messages=(Message(role="user", content=f"key {_OPENAI}"),))
    cleaned = redact_experience(leaky)
    assert _OPENAI not in str(cleaned)
    assert (cleaned.action.prompt_ids, cleaned.action.token_ids) == ((), ())
    assert cleaned.action.logprobs is None


def test_every_text_of_an_experience_is_cleaned() -> None:
    leaky = make_experience(
        action=make_action(_GITHUB),
        before=_GITHUB,
        after=_GITHUB,
        targets=(_GITHUB,),
        evidence=(make_evidence(message=_GITHUB, subject=_GITHUB, expected=_GITHUB, got=_GITHUB),),
    )
    assert _GITHUB not in str(redact_experience(leaky))


def test_an_experience_without_secrets_is_not_changed() -> None:
    assert redact_experience(make_experience()) == make_experience()


@given(st.text(max_size=60))
def test_data_holds_no_value_under_a_name_that_says_secret(text: str) -> None:
    data = {"db_password": f"x{text}!", "nested": [{"apiKey": "abc!def9", "file": "calc.py"}]}
    assert redact_data(data) == {
        "db_password": MARK,
        "nested": [{"apiKey": MARK, "file": "calc.py"}],
    }


def test_data_keeps_what_stands_for_a_value_and_loses_secrets_in_keys() -> None:
    data = {"token": "${TOKEN}", _OPENAI: 1, "tokens": 5, "password": None}
    assert redact_data(data) == {"token": "${TOKEN}", MARK: 1, "tokens": 5, "password": None}
