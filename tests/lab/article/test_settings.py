from __future__ import annotations

from pathlib import Path

import pytest

from lab.article.settings import (
    Gsm8kSettings,
    HumanEvalSettings,
    MmluSettings,
    NoiseSettings,
    SettingsError,
    digest,
    read_settings,
)

EXAMPLES = Path(__file__).parents[3] / "lab" / "data" / "article"
KINDS = {
    "mmlu": MmluSettings,
    "humaneval": HumanEvalSettings,
    "gsm8k": Gsm8kSettings,
    "noise": NoiseSettings,
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("folder", [EXAMPLES, EXAMPLES / "hours", EXAMPLES / "small"])
def test_the_shipped_settings_are_read(folder: Path, name: str) -> None:
    read_settings(folder / f"{name}.toml", KINDS[name])


def test_the_shipped_word_problems_are_those_of_the_article() -> None:
    settings = read_settings(EXAMPLES / "gsm8k.toml", Gsm8kSettings)
    assert (settings.train, settings.learning.batch, settings.max_tokens) == (256, 128, 256)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lern = 3", "unknown: lern"),
        ("learn = 3.5", "learn is of type int"),
        ("[learning]\nrule = 'grpo'", "rule is one of sdpo, contrast, agreement"),
        ("learning = 3", "learning is a table"),
        ("arms = 'answer'", "arms is a list"),
        ("arms = ['answers']", "arms is one of neutral, answer, .*, not 'answers'"),
        ("arms = [", "cannot be read"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=says):
        read_settings(path, MmluSettings)


def test_other_settings_have_another_digest(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("[learning]\nlearning_rates = [1, 0.5]")
    other = read_settings(path, MmluSettings)
    assert other.learning.learning_rates == (1.0, 0.5)
    assert digest(other) != digest(MmluSettings())
