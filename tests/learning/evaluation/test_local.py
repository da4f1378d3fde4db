from __future__ import annotations

import pytest

from learning.evaluation.local import LocalModel
from learning.evaluation.prompting import Prompt, prompt_for
from learning.model.catalog import InstalledModel
from learning.model.engine import EngineError
from learning.model.torch_engine import TorchEngine
from learning.records import Message, Sampling

GREEDY = Sampling(max_tokens=12)


@pytest.mark.model
def test_chats_begun_answers_and_plain_text_are_continued(tiny_model: InstalledModel) -> None:
    chat = Prompt(messages=(Message(role="user", content="Say hello."),))
    with LocalModel(tiny_model, engine="llama", context_length=512) as local:
        plain = local.reply(Prompt(text="One, two, three, four,"), GREEDY)
        begun = local.reply(Prompt(messages=chat.messages, begun="Hello,"), GREEDY)
        whole = local.reply(chat, GREEDY)
        assert "five" in plain.text
        assert begun.text.startswith("Hello,")
        assert whole.completion_tokens == len(whole.token_ids) > 0
        first = whole.text.split()[0]
        cut = local.reply(
            Prompt(messages=chat.messages, stops=(whole.text[len(first) :][:3],)), GREEDY
        )
        assert cut.text == first
        assert cut.finish == "stop"
        with pytest.raises(EngineError, match="--engine torch"):
            local.score(chat, ["A"])


@pytest.mark.slow
@pytest.mark.model
def test_letters_are_scored_as_the_whole_token_scorer_scores_them(
    tiny_model: InstalledModel,
) -> None:
    prompts = [
        Prompt(messages=(Message(role="user", content=f"The answer is {letter}. Which letter?"),))
        for letter in "AB"
    ]
    with LocalModel(tiny_model, engine="torch", context_length=256) as local:
        scored = [local.score(prompt, "ABCD") for prompt in prompts]
        engine = local._served.engine
        chat = local._served.chat
        assert isinstance(engine, TorchEngine)
        ids = chat.encode(prompts[1].messages)
        whole = [engine.score(ids, chat.encode_text(letter))[0] for letter in "AD"]
        assert [scored[1][0], scored[1][3]] == pytest.approx(whole, abs=0.1)


def test_prompts_differ_in_words_and_in_where_replies_end() -> None:
    problem = 'def f(x):\n    """Double."""\n'
    chat, begun, text = (prompt_for(problem, style) for style in ("chat", "evalplus", "completion"))
    assert problem.strip() in chat.messages[0].content
    assert begun.begun.endswith("```python\n")
    assert text.text == problem
    assert "\ndef " in text.stops
