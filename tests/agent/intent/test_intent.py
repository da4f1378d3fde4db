"""The kind of a message: 224 labelled ones, half of them not looked at while the rules grew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from agent.intent.asking import model_reading
from agent.intent.rules import by_rules
from agent.intent.wanted import Wanted
from agent.model.protocol import ServerUnreachableError
from tests.fakes.model import Scripted, ScriptedModel
from tests.growth import grows_linearly

REQUESTS = Path(__file__).parents[2] / "data" / "requests"
MESSAGES = REQUESTS / "messages.tsv"


def messages(half: str) -> Sequence[tuple[Wanted, str]]:
    rows = (line.split("\t") for line in MESSAGES.read_text().splitlines()[1:])
    return [(Wanted(kind), text.replace("\\n", "\n")) for kind, of, text in rows if of == half]


def test_there_are_enough_messages_and_half_are_held_out() -> None:
    tuned, held_out = messages("tuned"), messages("held out")
    assert len(tuned) + len(held_out) >= 200
    assert len(tuned) == len(held_out)


@pytest.mark.parametrize("half", ["tuned", "held out"])
def test_the_rules_alone_read_95_of_100_messages_rightly(half: str) -> None:
    labelled = messages(half)
    wrong = [(kind, by_rules(text), text) for kind, text in labelled if by_rules(text) != kind]
    assert len(wrong) <= 0.05 * len(labelled), wrong


@pytest.mark.parametrize("half", ["tuned", "held out"])
def test_no_question_is_taken_for_a_change(half: str) -> None:
    taken = [
        text
        for kind, text in messages(half)
        if not kind.may_write and (found := by_rules(text)) is not None and found.may_write
    ]
    assert taken == []


@pytest.mark.parametrize(
    "text",
    [
        "Give all the places where total() is called",
        "Give just the answer: is parse() pure",
        "Give both the pros and cons of this design",
    ],
)
def test_what_is_given_to_nothing_of_the_code_is_no_change(text: str) -> None:
    found = by_rules(text)
    assert found is None or not found.may_write


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("How do parse and resolve work together?", Wanted.QUESTION),
        ("What is the difference between load and patch?", Wanted.QUESTION),
        ("How do I reproduce, debug and fix this?", Wanted.QUESTION),
        ("The parser is new. Where do lex, patch and parse meet?", Wanted.QUESTION),
        ("Does it load, resolve and close the file?", Wanted.QUESTION),
        ("Why does test_mean fail? Please fix it.", Wanted.REPAIR),
        ("Can you look at the red test and fix it?", Wanted.REPAIR),
        ("Find the bug and fix it", Wanted.REPAIR),
    ],
)
def test_a_verb_inside_a_question_asks_for_no_repair(text: str, wanted: Wanted) -> None:
    assert by_rules(text) is wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("give with_tax a parameter rate that defaults to RATE", Wanted.EDIT),
        ("give Cart a docstring", Wanted.EDIT),
        ("make fahrenheit a property", Wanted.EDIT),
        ("make me a calculator", Wanted.NEW),
        ("the parser doesn't return 3 but 4, so it isn't right", Wanted.REPAIR),
        ("slugify doesn't work: it crashes, it's odd", Wanted.REPAIR),
        ("f should raise a ValueError that says 'not a roman numeral' for others", Wanted.EDIT),
        ("f should return 2 but it returns 'not a number'", Wanted.REPAIR),
        ("give me a function that sorts by price", Wanted.NEW),
        ("give me the list of files", Wanted.QUESTION),
        ("write a commit message for this diff", Wanted.QUESTION),
        ("please draft a short summary of the module", Wanted.QUESTION),
        ("write a summary function", Wanted.NEW),
        ("Write a summary of the module into README.md", Wanted.EDIT),
        ("Write a short description of slugify in its docstring", Wanted.EDIT),
        ("Make the description of the parser shorter", Wanted.EDIT),
        ("Write a commit message linter script", Wanted.NEW),
        ("Give me the tests for parser.py", Wanted.NEW),
    ],
)
def test_what_is_given_to_code_is_a_change_and_what_is_given_to_me_an_answer_or_new_code(
    text: str, wanted: Wanted
) -> None:
    assert by_rules(text) is wanted


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("edit", Wanted.EDIT),
        (" Question\n", Wanted.QUESTION),
        ("rep", Wanted.REPAIR),
        ("I think that", Wanted.QUESTION),
        ("", Wanted.QUESTION),
    ],
)
async def test_the_models_word_counts_if_it_is_one_of_the_list(said: str, wanted: Wanted) -> None:
    model = ScriptedModel(script=[Scripted(text=said, finish="length")])
    assert (await model_reading("shorter please", model)).wanted is wanted
    assert model.requests[0].sampling.max_tokens <= 3


async def test_a_message_that_ends_as_a_question_needs_no_model_and_stays_one() -> None:
    model = ScriptedModel(script=["edit"])
    assert (await model_reading("the bolts, are they sorted?", model)).wanted is Wanted.QUESTION
    assert not model.requests


async def test_a_model_that_does_not_answer_leaves_the_reading_that_can_do_no_harm() -> None:
    model = ScriptedModel(script=[ServerUnreachableError("gone")])
    assert (await model_reading("hm", model)).wanted is Wanted.QUESTION


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("load is way too long, can you split it up?", Wanted.EDIT),
        ("load fails on empty files, can you fix that?", Wanted.REPAIR),
        ("load fails on empty files, can you tell me why?", Wanted.EXPLAIN),
        ("what does load do, can you explain it?", Wanted.QUESTION),
        ("getting KeyError: 'due' when i run python -m library, any idea?", Wanted.EXPLAIN),
        ("tests are failing after my last change, whats going on", Wanted.EXPLAIN),
        ("'unknown unit' is no help, the error should say which unit it was", Wanted.EDIT),
        ("the error for a missing file is ugly, say which file it was", Wanted.EDIT),
        ("there's a typo in the readme: recieve", Wanted.EDIT),
        ("what would break if i delete register?", Wanted.QUESTION),
        ("python -m weblog a.log gives me this, why?\n\nTraceback (most recent call last):\n"
         '  File "a.py", line 1, in <module>\nNameError: x', Wanted.EXPLAIN),
        ("python app.py --help", Wanted.RUN),
        ("can you get solver_test.py green? dont touch the tests", Wanted.REPAIR),
        ("fix load without changing the tests", Wanted.REPAIR),
        ("refactor load without changing its behaviour", Wanted.EDIT),
        ("don't write tests, explain load", Wanted.QUESTION),
        ("don't touch tests; why does load fail?", Wanted.EXPLAIN),
        ("explain load, don't change anything", Wanted.QUESTION),
        ("load looks odd, can you let me know what it does?", Wanted.QUESTION),
        ("we call load twice, can you take a look?", Wanted.QUESTION),
        ("hm, can you write down what load does?", Wanted.QUESTION),
        ("load is slow, could you use a profiler to tell me where?", Wanted.QUESTION),
        ("list needs a --names flag, then only the names get printed", Wanted.NEW),
        ("Stats could use a property rate = hits / all, and 0 when there are none", Wanted.NEW),
        ("list needs a flag?", Wanted.QUESTION),
        ("what needs a test", Wanted.QUESTION),
        ("which function is missing a test", Wanted.QUESTION),
        ("when load is called with None, what should it return", Wanted.QUESTION),
        ("when you rename an item, add and remove are what gets called", Wanted.QUESTION),
        ("that's wrong, I meant the other function", None),
        ("I don't think that's a bug", None),
        ("I would rather understand it first", None),
        ("list the functions of load", Wanted.QUESTION),
        ("when is load called", Wanted.QUESTION),
        ("when a name is missing, load ends with a KeyError. id rather get an empty string", Wanted.EDIT),
        ("load kicks out some other entry. thats wrong, it gets no bigger", Wanted.REPAIR),
    ],
)  # fmt: skip
def test_a_wish_counts_and_not_the_remark_before_it(text: str, wanted: Wanted) -> None:
    assert by_rules(text) is wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "It would be great if a Cart could repeat the last line: repeat_line(). With a test!",
            Wanted.NEW,
        ),
        ("it'd be cool to have a --json flag", Wanted.NEW),
        ("would be nice if the error said which file", Wanted.EDIT),
        ("i wish parse_date would accept slashes", Wanted.EDIT),
        ("Card.parse('s') gives a card?! I'd expect a ValueError for that.", Wanted.REPAIR),
        (
            "show() puts a blank there. I'd like to be able to pass something else as sep=",
            Wanted.EDIT,
        ),
    ],
)
def test_a_wish_in_polite_words_is_a_change(text: str, wanted: Wanted) -> None:
    assert by_rules(text) is wanted


@pytest.mark.parametrize(
    "text",
    [
        "it would be nice if you could explain this",
        "it would be nice to have a summary of this repo",
        "I'd love to understand the parser",
        "I would like an explanation",
        "i like this code",
        "I'd appreciate an overview",
        "i expected more from this",
        "comments in the config are ignored",
        "we need to talk about the parser",
        "new M boxes hold 45 litres instead of 40. where would I have to change that?",
        "load is too long. how come?",
        "types in python?",
        "I'd love to see the callers of parse",
        "it would be great if you could review my changes",
        "it would be nice to have a list of the functions that call save()",
        "it would be nice if load accepted bytes, or does it already?",
        "I'd love a cache in load. Is that feasible?",
        "I'd like the list of callers of load",
        "I want load untouched",
        "I'd rather you didn't change load",
        "I wish you hadn't changed load",
        "I wish someone had told me that load() caches",
        "I'd expect 42 here, and I get 42",
        "It does what I'd expect",
        "docstrings in words.py lie about the return type",
        "tests for parser.py look thin to me",
        "new tests pass",
        "new endpoint for login returns 500",
        "I need a coffee",
    ],
)
def test_a_remark_or_a_question_is_no_change(text: str) -> None:
    found = by_rules(text)
    assert found is None or not found.may_write


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Why do we not have a .editorconfig? Add one matching the black settings.", Wanted.EDIT),
        (
            "Is there any reason we still have `compat.py`? If nothing imports it, delete it.",
            Wanted.EDIT,
        ),
        ("What was load called before? Rename load to read.", Wanted.RENAME),
        ("Why does it hang? Add-ons are disabled.", Wanted.QUESTION),
        ("What does the spec mean? Document says otherwise.", Wanted.QUESTION),
        ("What breaks if I remove it? Write your answer in German.", Wanted.QUESTION),
    ],
)
def test_an_order_behind_a_question_needs_its_object(text: str, wanted: Wanted) -> None:
    found = by_rules(text)
    assert found is wanted or (not wanted.may_write and found is not None and not found.may_write)


TRACE = (
    'python main.py feb.csv\nTraceback (most recent call last):\n  File "main.py", line 3, in <module>\n'
    "    main()\nValueError: could not convert string to float: 'n/a'\n\n"
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (TRACE + "treat those as bad readings and add a test", Wanted.EDIT),
        (TRACE + "an empty cell should just count as no reading", Wanted.EDIT),
        (TRACE + "should be just 0.0", Wanted.EDIT),
        (TRACE + "why?", Wanted.EXPLAIN),
        (TRACE, Wanted.EXPLAIN),
        (TRACE + "fix that", Wanted.REPAIR),
        ('got this:\n  File "a.py", line 27, in rate\n    return a / b\nZeroDivisionError\nshould be 0', Wanted.EDIT),
        ("python main.py feb.csv", Wanted.RUN),
    ],
)  # fmt: skip
def test_what_is_asked_beside_a_pasted_failure_counts(text: str, wanted: Wanted) -> None:
    assert by_rules(text) is wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("does everything pass right now?", Wanted.RUN),
        ("is the suite still green?", Wanted.RUN),
        ("does everything depend on load?", Wanted.QUESTION),
        ("make all tests green but dont touch the tests", Wanted.REPAIR),
        ('cheapest([], "DE") dies with a TypeError, the docstring promises None', Wanted.REPAIR),
        ("book() should refuse that. raise BookingError('end before start'). with tests", Wanted.EDIT),
        ("store.py prints on save. use logging instead, same texts", Wanted.EDIT),
        ("load returns 3 instead of 4", Wanted.REPAIR),
        ("Q(1).to('g') gives 435.6, I expect 453.6 not that. also add a test for it", Wanted.REPAIR),
        ("it gives a bare KeyError instead. can we have a proper UnknownExtra exception?", Wanted.NEW),
        ("Cart has add but no remove, it returns nothing but None. add remove(name)", Wanted.EDIT),
        ("day_plan needs an optional parameter room=None", Wanted.EDIT),
        ("nobody needs a parameter", None),
        ("Quantity needs __eq__ and __repr__", Wanted.NEW),
        ("does Quantity need __eq__?", Wanted.QUESTION),
        ("2 tests red here. is it one reason or two? just explain", Wanted.EXPLAIN),
        ("when the unit is unknown I want to see which one: unknown unit: 'x'", Wanted.EDIT),
        ("when I rename a unit, do I want to see it in the list?", Wanted.QUESTION),
        ("in a.py there are magic numbers, pull them out into constants", Wanted.EDIT),
        ("there are no tests for by_hours. write some, dont change the code", Wanted.NEW),
        ("explain by_hours, don't change the code", Wanted.QUESTION),
    ],
)  # fmt: skip
def test_what_two_more_strangers_typed_is_read_rightly(text: str, wanted: Wanted | None) -> None:
    assert by_rules(text) is wanted


PASTED = "Traceback (most recent call last):\n  File 'a.py', line 3, in <module>\n"


@pytest.mark.parametrize(
    "text",
    [
        "the tests fail on my machine, please don't edit the code",
        "don't touch the code yet. the tests crash with a KeyError",
        "please don't change any code. median returns 3 but I thought it should be 2.5",
        "rename fmt to format_task in your head and list the places. Don't change the code.",
        "Don't edit the code: mean crashes on an empty list",
        "can we get a list of functions that use calc?",
        "can we have a method with the same name in two classes?",
        "if I want to get the total without customs, which function do I call",
        "when a room is taken I want to know which exception to catch",
        "numpy should be installed\n\n" + PASTED + "ModuleNotFoundError: No module named 'numpy'",
        PASTED + "ImproperlyConfigured: You must either define it\nor call configure()",
        PASTED + "TypeError: Descriptors cannot be created\nuse a newer protoc\nset PROTOCOL=1",
        PASTED + "ValueError: x\n\nEdit: happens only with the february file",
        "mean gives 0 instead of an error - drop the guard or keep it?",
        "median returns 3 instead of 2.5, mind having a look?",
        "Store lacks __len__ but that is on purpose.",
        "book() needs an argument I do not understand: owner. What is it for",
        "Treat me as a beginner: how does Store.load work",
        "pull that traceback apart for me, i don't get it",
        "does everything pass through parse_line?",
        "is everything passing through Store.save or are there other writers?",
        "the process dies with its parent, that is intended",
    ],
)
def test_a_reviewer_s_remarks_and_questions_are_no_change(text: str) -> None:
    found = by_rules(text)
    assert found is None or not (found.may_write or found is Wanted.RUN)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("run the tests and skip the slow ones, last time I got\nE   assert 1 == 2", Wanted.RUN),
        ("add a docstring to evening_surcharge, just explain it", Wanted.EDIT),
    ],
)
def test_an_order_stays_one(text: str, wanted: Wanted) -> None:
    assert by_rules(text) is wanted


def test_a_try_at_a_test_is_no_order_for_one() -> None:
    text = "there's no test for shorten. I tried to write one but it fails, why"
    assert by_rules(text) is not Wanted.NEW


@pytest.mark.parametrize("filling", ["\n", " ", "a ", "' "])
def test_much_of_the_same_takes_no_time(filling: str) -> None:
    assert grows_linearly(lambda much: by_rules(f"fix it{much}now"), filling, 20_000)


def test_a_change_before_a_question_is_still_asked_for() -> None:
    assert by_rules("add a --json option. where should it go?") is Wanted.NEW


@pytest.mark.parametrize(("name", "count"), [("stranger", 200), ("stranger-2", 150)])
def test_a_strangers_messages_that_ask_for_nothing_are_read_as_no_change(
    name: str, count: int
) -> None:
    """Messages by people who did not know the rules; the rules have seen the first ones since."""
    rows = [line.split("\t") for line in (REQUESTS / f"{name}.tsv").read_text().splitlines()[1:]]
    labelled = [(Wanted(kind), text.replace("\\n", "\n")) for kind, text in rows]
    read = [(kind, found, text) for kind, text in labelled if (found := by_rules(text)) is not None]
    assert len(labelled) == count
    taken = [text for kind, found, text in read if found.may_write and not kind.may_write]
    assert len(taken) <= 1, taken
    right = sum(kind.may_write == found.may_write for kind, found, _ in read)
    assert right >= 0.9 * len(read)
    assert len(read) >= 0.7 * len(labelled)


@pytest.mark.parametrize(
    "text",
    [
        "worker.py prints all over my terminal, i'd rather have that go thru the logging module",
        "all i ever see is <queue.Job object at 0x7f3a2c>. name and attempts would be nice to have there",
        "to_plain glues the lines. Sometimes I need the line breaks, could it get a keep_breaks argument? off by default",
    ],
)
def test_a_wish_behind_a_remark_is_a_change(text: str) -> None:
    assert by_rules(text) is Wanted.EDIT


@pytest.mark.parametrize(
    "text",
    [
        "what would be nice to have here?",
        "I don't get this, an explanation would be nice",
        "why does it fail? a summary would be great",
        "parse is odd, would you mind explaining it?",
        "could parse get a float?",
        "I read utils.py. Would you mind walking me through it?",
        "Something is off in total(). Mind finding out why?",
        "The tests are slow. Would you mind listing the slowest ones?",
        "The cache is odd. I would rather see the callers before we touch anything.",
        "we'd rather have numbers before changing anything",
        "The README lists flags. Can they take an argument?",
        "This is a mess. Clarification would be useful here",
        "is there a reason why this could have a test?",
    ],
)
def test_a_wish_for_words_is_no_change(text: str) -> None:
    found = by_rules(text)
    assert found is None or not found.may_write
