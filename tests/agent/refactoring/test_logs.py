"""A file logs what it printed, without the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.fixing.sources import Sources
from agent.refactoring.asked import asked_refactoring
from agent.refactoring.planned import RefactoringError
from agent.refactoring.planning import plan_refactoring

WORKER = (
    '"""Works."""\n\nimport time\n\n\ndef run(job):\n    try:\n        job()\n    except ValueError as error:\n'
    "        print(f'{job} failed: {error}')\n    else:\n        print(job, 'done')\n    print(time.time())\n"
)


def after(tmp_path: Path, text: str, said: str = "use logging instead of prints in a.py") -> str:
    (tmp_path / "a.py").write_text(text)
    asked = asked_refactoring(said)
    assert asked is not None, said
    (new,) = plan_refactoring(asked, Sources(tmp_path, ["a.py"])).texts.values()
    return new


@pytest.mark.parametrize(
    "said",
    [
        "use the logging module instead of print in a.py",
        "please replace all print statements in a.py with logging",
        "a.py prints all over my terminal, i'd rather have that go thru the logging module",
    ],
)
def test_every_print_becomes_a_message_of_the_file_s_logger(tmp_path: Path, said: str) -> None:
    new = after(tmp_path, WORKER, said)
    assert new.startswith(
        '"""Works."""\n\nimport time\nimport logging\n\nlogger = logging.getLogger(__name__)\n\n\ndef run'
    )
    assert "logger.warning(f'{job} failed: {error}')" in new
    assert "logger.info(\"%s %s\", job, 'done')" in new
    assert 'logger.info("%s", time.time())' in new
    assert "print" not in new


def test_the_logger_that_is_there_is_used(tmp_path: Path) -> None:
    text = "import logging\n\nlog = logging.getLogger(__name__)\n\n\ndef f():\n    print('a')\n"
    assert after(tmp_path, text) == text.replace("print(", "log.info(")


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    return 1\n",
        "def f():\n    print('a', end='')\n",
        "def f():\n    print()\n",
        "def f(x):\n    print(*x)\n",
        "def f(x):\n    return x or print('a')\n",
        "logger = 1\n\n\ndef f():\n    print('a')\n",
        "def f(logger):\n    print('a')\n",
        "from rich import print\n\n\ndef f():\n    print('a')\n",
        "from absl import logging\n\n\ndef f():\n    print('a')\n",
        "import sys\n\nsys.path.append('.')\nimport logging\n\n\ndef f():\n    print('a')\n",
        "try:\n    import logging\nexcept ImportError:\n    pass\n\n\ndef f():\n    print('a')\n",
        "print('loading')\n\n\ndef f():\n    print('a')\n",
        "def main():\n    print('a')\n\n\nif __name__ == '__main__':\n    main()\n",
        "def f():\n    print(  # noqa\n        'a'\n    )\n",
    ],
)
def test_prints_that_are_no_plain_messages_are_left_to_the_model(tmp_path: Path, text: str) -> None:
    with pytest.raises(RefactoringError):
        after(tmp_path, text)


@pytest.mark.parametrize(
    "said",
    [
        "use logging in a.py",
        "a.py prints on save, use logging instead",
        "a.py prints all over my terminal, i'd rather have a progress bar",
        "a.py prints the version number, I'd rather have it logged",
        "replace the prints in a.py with logging and add a --verbose option",
    ],
)
def test_other_wishes_are_not_taken_for_it(said: str) -> None:
    asked = asked_refactoring(said)
    assert asked is None or asked.kind != "log"
