from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from lab.article.experiment import ExperimentRun, ProgressLines
from lab.article.results import ArmRow, Figure, load_experiment
from lab.article.settings import ExperimentSettings, Gsm8kSettings
from learning.model.catalog import InstalledModel, ModelIdentity

SMALL = Gsm8kSettings(train=2, test=3)
WAITING = (ArmRow(arm="explained", measure="accuracy", note="not run yet"),)
MADE = (ArmRow(arm="explained", measure="accuracy", gain=Figure(value=20.0, low=10.0, high=30.0)),)


def started(
    folder: Path, settings: ExperimentSettings = SMALL, *, model: str = "tiny"
) -> ExperimentRun:
    def never(*_: object) -> NoReturn:
        raise AssertionError("nothing is asked or learned here")

    identity = ModelIdentity(weights_sha256="w", tokenizer_sha256="t", template_sha256="p")
    return ExperimentRun(
        experiment="gsm8k",
        settings=settings,
        model=InstalledModel(
            name=model, gguf=None, hf=folder, context_length=64, identity=identity
        ),
        folder=folder,
        versions={},
        open_model=never,
        open_explainer=never,
        lines=ProgressLines(rows=never, samples=never, steps=never),
    )


def test_a_run_that_goes_on_keeps_its_figures_until_there_are_more(tmp_path: Path) -> None:
    started(tmp_path).save(MADE)
    started(tmp_path).begin(WAITING)
    assert load_experiment(tmp_path).rows == MADE


@pytest.mark.parametrize(
    ("settings", "model"), [(replace(SMALL, test=1319), "tiny"), (SMALL, "another")]
)
def test_figures_of_other_settings_or_another_model_do_not_stay(
    tmp_path: Path, settings: Gsm8kSettings, model: str
) -> None:
    started(tmp_path).save(MADE)
    started(tmp_path, settings, model=model).begin(WAITING)
    assert load_experiment(tmp_path).rows == WAITING


def test_a_damaged_result_does_not_stay(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("{")
    started(tmp_path).begin(WAITING)
    assert load_experiment(tmp_path).rows == WAITING
