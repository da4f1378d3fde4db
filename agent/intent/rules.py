"""Reads most messages by their words alone: the verb that leads, and the thing that it is about.

A message that no rule is sure about is left to the model. Questions are never read as changes: a
rule for a change needs a verb of change at the beginning of a clause.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from agent.intent.wanted import Wanted

_TRACE_LINE = re.compile(
    r"^(?:Traceback \(most recent call last\):|\s+File \".*\", line \d+.*|E\s{2,}.*|\s{4,}.*"
    r"|[\w.]*(?:Error|Exception|Warning)\b: .*|[\w./-]+\.py:\d+: .*|=+ .* =+|_{3,} .* _{3,})$"
)
_TRACE = re.compile(
    r"(?m)^(?:Traceback \(most recent call last\):|E\s{2,}\S|[\w./-]+\.py:\d+: \w+Error)"
)
_POLITE = re.compile(
    r"^(?:(?:please|pls|ok(?:ay)?|now|then|and|also|so|just|hey|hi|hello|but|well|next|again)\b[,:]?\s*"
    r"|(?:can|could|would|will) (?:you|u)(?: please| kindly| also)?\s+"
    r"|(?:i(?:'d| would)? (?:want|like|need) you to|we (?:need|have|want) to|i need to|you should|you can"
    r"|let's|let us|go ahead and|try to|help me(?: to)?|it would be (?:nice|good|great) to(?! (?:have|get|be able)\b))\s+"
    r"|@\S+[,:]?\s+|in [\w./-]+\.\w+[,:]?\s+)+",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"(?<=[.;?!])\s+|;\s*|,\s*(?:and\s+|then\s+|please\s+)*|\s+and\s+(?:then\s+)?|\n+|\s+-\s+"
)
_SENTENCE = re.compile(r"(?<=[.;?!])\s+|;\s*|\n{2,}")
_INTERROGATES = re.compile(
    r"^(?:what|what's|whats|where|where's|who|who's|whose|which|how|why|is|are|am|was|were|does|did|has|should|shall"
    r"|may|might|can|could|would|will|do (?!the\b|it\b|this\b|that\b)|have (?:i|we|you|they)\b"
    r"|when (?:do|does|did|is|are|was|were|will|should|can|must)\b)"
)
"""Questions in grammar, in which no verb after a comma or an `and` is a request of its own."""
_CHANGES_NOTHING = re.compile(
    r"\b(?:do not|don't|dont|without|not) (?:start|change|changing|edit|editing|touch|touching|write|writing|modify|fix)\b"
    r"(?! (?:the |any |my |our |its )?(?:\w+ )?(?:tests?|specs?|test files?|signatures?|behaviou?rs?|apis?|interfaces?|names?|docs?|docstrings?|comments?)\b)"
)
_LIMIT = re.compile(
    r"(?:^|(?<=[.;,!?\n]))\s*(?:but |and |please )*(?:do not|don't|dont|without) "
    r"(?:chang|edit|touch|writ|modify|fix|renam)\w* [^.;,!?\n]*[.;,!]?"
)
"""A part of a message that says what is to stay: the rest says what is wanted."""
_ASKS = re.compile(
    r"^(?:what|what's|whats|where|where's|when(?= (?:do|does|did|is|are|was|were|will|should|can|must)\b|.*\b(?:how|what|whether|which|who|why)\b)|who|who's|whose|which|how|why|is|are|am|was|were|do|does|did|has"
    r"|have|can|could|would|should|shall|will|may|might|explain|describe|tell|show|list|summari[sz]e|compare"
    r"|understand|make sense of|say|repeat|answer|diagnose|analy[sz]e|review|walk me|give me (?:an|a) (?:overview|summary|list|explanation)|give (?:me|us) the (?:list|names?|callers?|reasons?|number|output)\b(?!.*\b(?:add|rename|change|write|fix|remove|delete)\b)"
    r"|(?:write|draft|suggest|propose|give me)(?: me)? (?:(?:a|an|the|some|good|short) )+"
    r"(?:commit messages?|(?:summary|explanation|description) of|pull request (?:text|description)|release notes?)\b"
    r"(?!.*(?:\b\w+\.\w+|\bdocstring|\breadme|\bchangelog|\binto\b))"
    r"(?! (?:\w+ )?(?:generator|linter|script|parser|function|class|tool|writer))"
    r"|difference|i wonder|i don't understand|i do not understand|i don't get|any idea|remind me|find (?:all|any|me|out|the (?:file|line|place|spot)|where)|look at"
    r"|i'd like to know|i want to know)\b"
)
_GREETS = re.compile(
    r"^(?:hi|hello|hey|thanks|thank you|thx|great|cool|nice|good|ok|okay|bye|yes|no)\b[\s!.,\w]{0,20}$"
)
_FAILURE = re.compile(
    r"\b(?:fail\w*|crash\w*|traceback|stack ?trace|\w+(?:error|exception)|errors?(?! (?:message|handling|code|class))"
    r"|red|broken|broke|(?<!would )(?<!will )(?<!could )break|went wrong|goes wrong|wrong with|not found)\b"
    r"|(?:\bnot|n't) (?:pass\w*|work\w*)\b"
)
_WHY = re.compile(
    r"^(?:why|any idea|what(?:'s|s| is| does| went| causes| caused| made| goes)?|how come|explain|diagnose|where (?:does|is|do)"
    r"|which tests? fails? and why|tell me why|understand why|analy[sz]e)\b"
)
_WHY_AT_ALL = re.compile(r"\b(?:why|how come|what(?:'s| is| does) (?:this|that|it|wrong))\b")
_ASKS_TO_RUN = re.compile(
    r"^(?:do|does|did|will) (?:\w+ )?(?:all |the |my |our )*(?:unit )?tests?(?: in \S+)? (?:still )?(?:pass|work|succeed)"
    r"|^are (?:all )?(?:the )?tests? (?:still )?(?:green|passing|ok|fine)"
    r"|^(?:check|see|verify|let me see|make sure) (?:whether|if|that) .*\b(?:pass|green|work)"
    r"|^which tests? (?:fail|are failing|are red|pass)(?!.*\bwhy)|^(?:show|tell|give) me the output of\b"
    r"|^(?:run|rerun|re-run|execute|launch|invoke|start(?! an? \S+\.md\b)) |^(?:run|rerun)$"
    r"|^test (?:it|this|that|them|everything|again)\b|^pytest\b"
    r"|^python3? \S+(?!.*\b(?:why|how come|gives?|says|prints|fails|crash\w*|raises?|errors?)\b)"
)
_RENAMES = re.compile(
    r"^rename\b|^relocate\b|^change the name of\b|^(?:call|name) (?:it|this|that|them) \S+(?: instead)?"
    r"|^\S+ (?:should|must|shall) be (?:called|named|renamed)\b|^give \S+ (?:a better|another|the) name\b"
    r"|^move .+ (?:to|into) (?:\S+\.\w+|\S*/\S*|(?:a|an|its own|the|another) (?:\w+ )?(?:module|file|package|folder))"
)
_REPAIRS = re.compile(
    r"^(?:fix|repair|debug|resolve|solve|correct|patch|heal)\b"
    r"|^(?:make|get|bring) .*\b(?:pass(?:es|ing)?|green|work(?:s|ing)?(?: again)?)$"
)
_COMPLAINS = re.compile(
    r"\b(?:there(?:'s| is| are)(?: still)? (?:a |an |some )?(?:bugs?|errors?|mistakes?|problems?)"
    r"|(?:fails?|crash(?:es)?|is broken|is wrong|are wrong|is red|are red|are failing|is failing|does(?: not|n't) work"
    r"|do(?: not|n't) work|stopped working|raises? \w+error|hangs?|loops forever))\b"
    r"|\b(?:gives?|returns?|prints?|shows?|raises?)\b.*\b(?:but|instead|should|rather than|not)\b"
    r"|^\S+ (?!should|must|needs?|has|uses?)\w+s\b.*\binstead of\b"
    r"|^(?!no\b)(?!.*\b(?:doubt|meant|says?|sure|think|whether)\b).{15,}[.,;!]\s+(?:that|this)(?:'s| is|s) (?:a bug|incorrect|not right|wrong)\b"
)
_CAN_YOU = re.compile(r"(?:(?:and|so|then)\s+)?(?:can|could|would|will) you\b")
_TELLS = re.compile(
    r"\b(?:let (?:me|us) know|look|pass me|give me|show me|write (?:it |that )?down|in(?:to)? words|keep an eye|return the value"
    r"|profiler|debugger|tell|walk me)\b"
)
"""Wishes for words, whose verbs are those of changes."""
_MISSPELT = re.compile(r"\b(?:typos?|misspel\w+|spelling (?:error|mistake))\b")
_SAYS_MORE = re.compile(r"(?:say|mention|name|include|tell) (?:which|what|the|who|where|how|why)\b")
"""A wish for an output that says more, behind a remark on it."""
_QUOTED = re.compile(r"(?<!\w)'[^'\n]{3,}'(?!\w)|\"[^\"\n]{3,}\"|`[^`\n]+`")
"""A text that is quoted: its words say nothing of what is wanted."""
_NEW_THING = (
    r"(?:functions?|methods?|class(?:method)?(?:es)?|tests?|test cases?|modules?|files?|scripts?|options?|flags?"
    r"|(?:sub)?commands?|propert(?:y|ies)|__\w+__|helpers?|exceptions?|enums?|decorators?|endpoints?|routes?|views?"
    r"|fixtures?|constants?|repr|constructors?|getters?|setters?|context managers?|packages?|programs?|app|cli|generators?|iterators?|dataclass|protocol|mixin|wrapper)"
)
_ALSO_EDITS = (
    r"(?:docstrings?|type ?hints?|types|hints|annotations?|comments?|parameters?|arguments?|param|arg|logging|log"
    r"|error handling|validation|checks?|support|caching|license|imports?|entry|line|default|documentation|docs)"
)
_IS_SAID_OF = r".*\b(?:are|breaks?|fails?|failed|is|looks?|pass(?:es)?|returns?|seems?|takes?|was|were|works?)\b"
_MAKES = re.compile(
    rf"^(?:add|write|create|generate|build|define|introduce|make(?: me)?|give \S+|need|want|include|provide|put) "
    rf"(?:[^.]*?\b)?(?<!to the )(?<!to a )(?<!of the ){_NEW_THING}\b"
    rf"|^(?:implement|create|generate|scaffold)\b|^(?:build|make) me\b|^new (?:[\w`-]+ ){{0,2}}?{_NEW_THING}\b(?!{_IS_SAID_OF})|^(?:write|add) (?:some |more |unit )*tests?\b"
    rf"|^(?:i|we)(?:'d| would)? (?:need|want|like) (?:a|an|another|some) (?:\w+ ){{0,3}}{_NEW_THING}\b"
    rf"|^\S+ (?:needs|should have|lacks|is missing) (?:a|an) (?:\w+ ){{0,2}}{_NEW_THING}\b"
)
_NEEDS_NEW = re.compile(
    r"^(?!(?:any|every|no)?(?:body|thing|what|which|who|whose|where|it|one)\b)"
    rf"(?:the |our )?[\w./`-]+(?: command| class| function| module)? (?:needs|should (?:get|have)|could use|lacks|is missing)"
    rf" (?:an?|another) (?:[\w`-]+ ){{0,3}}{_NEW_THING}\b"
)
"""A wish for something new whose first word may be one of a question: `list needs a --names flag`."""
_ADDS_TO = re.compile(
    rf"^(?:add|write|put|include|insert) (?:a |an |the |some |more |missing |proper )*{_ALSO_EDITS}\b"
)
_TURNS = re.compile(
    r"^(?:make|turn|convert) (?!(?:me|sure|up|us)\b)\S+ (?:into )?(?:an?|the) (?:\w+ )?\w+[.!]?$"
)
"""A thing that is there already becomes another: `make area a property`."""
_EDITS = re.compile(
    r"^(?:add|adapt|adjust|allow|annotate|append|apply|cache|capitali[sz]e|change|clean(?: up)?|comment|convert|cut|"
    r"decrease|delete|deprecate|document|don't|drop|edit|ensure|extend|extract|format|generali[sz]e|get rid of|handle|"
    r"hide|ignore|improve|include|increase|inline|insert|keep|let|limit|log|lower|make|merge|mark|modify|move|narrow|"
    r"optimi[sz]e|parametri[sz]e|pass|prefix|prepend|prevent|print|put|quote|raise|reduce|refactor|reformat|remove|"
    r"reorder|replace|return|reuse|revert|rewrite|round|set|shorten|simplify|skip|sort|speed up|split|stop|strip|"
    r"support|swap|switch|take|tidy|translate|trim|turn|type|undo the|uncomment|unify|update|upgrade|use|validate|vectori[sz]e|"
    r"warn|wrap|write|do the same|bump)\b|^give (?!(?:me|us|an?|the|all|both|just|only|back|every|each|out|some|any|more|\d+)\b)\S+ (?:an?|the|another|its|some) "
)
_WISHES = re.compile(
    r"^(?:the |an? |all |every )?\S+(?:\s\S+){0,5}? (?:should|must|needs? to|has to|ought to)\b"
    r"|^(?:i|we)(?:'d| would)? (?:need|want|like|prefer) \S+.* to\b"
    r"|^(?:i|we)(?:'d|d| would) (?:rather|prefer to) (?:get|print|raise|return|skip|have (?:an?|no|the))\b"
)


_WORDED_QUESTION = re.compile(
    r"(?:and |but |so )*(?:what|where|which|who|whose|why|how|when)(?:'s|'d)?\b(?! about\b| if\b)"
)
"""A question that names what it asks for."""
_WANTS_WORDS = re.compile(
    r"\b(?:answer|explain|explanation|estimate|just (?:say|tell)|let (?:me|us) know|only|opinion|(?:say|show|tell) (?:me|us)|summar\w+)\b"
)
_IF = re.compile(
    r"^\W*if (?:not|so|it (?:does|is)(?:n't| not)?|nothing [\w ]{1,30}|nobody [\w ]{1,30}|there (?:is|are) none)\b,?\s*"
)
_ORDERS = re.compile(
    r"(?:add|annotate|convert|correct|create|delete|document|drop|extract|implement|make|refactor|remove|replace|simplify|split|write)"
    r" (?:an?|another|it|one|some|that|the|them|these|this|those|`[^`]+`|\w*[_.(/]\S*)(?![\w-])|rename \S+ (?:to|as) \S"
)
"""Verbs, each with its object, by which a sentence behind a question asks for a change: `document says so` has none."""
_CHOICE = re.compile(
    r"\bwhich (?:of (?:the|these|those) two|one) (?:would|should|do)\b|\bwhat would you (?:do|suggest|prefer)\b"
    r"|, (?:correct|right|isn't it|doesn't it|don't we)\?|^[\w, ]{3,40}\.{3} (?:does|do|is|are|has|can) [^.!?]*\?$"
)
"""A question for an opinion or for a yes, whatever stands before it."""
_CALL = re.compile(r"[\w.]+\((?!s\))")
"""A remark about a function may begin with a word of a question: `show() puts a blank between them`."""
_EXPECTS = re.compile(
    r"\b(?:i|we)(?:'d|d| would) (?:have )?expect(?:ed)? (?:an? )?(?:\w*error|\w*exception)\b"
)
_ABLE = r"be able to (?!ask|check|compare|find|get|hear|know|learn|look|read|see|talk|tell|think|understand)\w"
_THAT_IT = (
    r"(?!(?:an?|anybody|anyone|he|i|nobody|no|one|she|somebody|someone|that|there|they|this|we|you)\b)(?:(?:an?|each|every|the) )?"
    r"[\w.`'()-]+(?: \w+)? (?:accepted|allowed|can|could|gave|handled|ignored|kept|printed|raised|returned|said|showed|skipped"
    r"|supported|told|took|would)\b"
)
"""A thing of the code, and what it would do."""
_A_NEW_THING = rf"(?:an?|another|some) (?:[\w`-]+ ){{0,2}}{_NEW_THING}\b(?! (?:about|list|of|overview|summary)\b)"
_POLITE_WISH = re.compile(
    r"(?:and |but |so )*(?:(?:it|that)(?: would|'d)|would) be (?:\w+ )?(?:awesome|cool|good|great|handy|helpful|lovely|nice|sweet|useful)"
    rf" (?:if (?:an? )?{_THAT_IT}|to have {_A_NEW_THING}|to {_ABLE})"
    rf"|(?:i|we)(?:'d|d| would) (?:love|appreciate|like) (?:it if (?:an? )?{_THAT_IT}|{_A_NEW_THING})"
    rf"|(?:i|we)(?:'d|d| would)? (?:like|love|need|prefer|want) to {_ABLE}"
    rf"|i wish {_THAT_IT}"
)
_WISHED_FOR = re.compile(
    rf"could (?:we|i) (?:please )?(?:also )?(?:have|get) {_A_NEW_THING}|could (?:we|i) (?:please )?(?:also )?(?:have|get) (?:an? )?--[a-z]"
    r"|(?:can we(?!.*\?)|could we) (?:please )?(?:also )?(?:add|change|drop|log|move|remove|rename|replace|skip|sort|stop|support|use)\b|how about \w+ing\b"
    r"|(?:would you )?mind \w+ing\b(?<!explaining)(?<!telling)(?<!showing)(?<!checking)(?<!looking)(?<!giving)"
)
"""A wish with a question mark, whose words ask for no answer."""
"""A wish in polite words, of closed forms: `it would be great if a buffer could duplicate a line`."""
_WISHED_BEHIND = re.compile(
    r"(?:and |but |so )*(?:"
    # i'd rather have that go through the logging module
    r"(?:i|we)(?:'d|d| would) (?:much )?(?:rather|prefer to) have (?:it|that|them|these|this) (?:all )?(?:as|be|go|in|not|return|print|raise|without|\w+ed)\b"
    # would you mind writing some
    r"|(?:would you )?mind (?:add|chang|clean|convert|fix|mak|mov|remov|renam|replac|simplify|splitt|writ)ing\b"
    # could it get a `keep` argument
    rf"|could (?:it|they|that|this) (?:also )?(?:get|have) (?:an?|another|some) (?:[\w`=-]+ ){{0,3}}(?:{_NEW_THING}|{_ALSO_EDITS})\b"
    # a name and a number would be nice to have there
    r"|[\w`]+(?: (?:and|or) [\w`]+)* would be (?:cool|good|great|handy|helpful|nice|useful) to have(?: (?:as well|here|in (?:it|that|there)|there|too))+"
    r")"
)
"""A wish behind a remark, of closed forms."""
_TESTS_WISHED = re.compile(r"\bno (?:unit )?tests?\b.*\bmind (?:writ|add)ing\b")
_NEW_CALL = re.compile(rf"\b[a-z_]\w*\(|\b{_A_NEW_THING}")


def by_rules(text: str) -> Wanted | None:
    """The kind of a message; None where the words alone do not tell it."""
    said = text.strip()
    if said.startswith("!") or re.match(r"/[a-z]+(?:\s|$)", said):
        return Wanted.COMMAND
    has_trace = _TRACE.search(text) is not None
    prose = "\n".join(line for line in said.splitlines() if not _TRACE_LINE.match(line)).lower()
    if not _CHANGES_NOTHING.search(prose):
        prose = _LIMIT.sub(" ", prose).strip(" ,;.\n") or prose
    parts = _CLAUSE.split(prose.strip())
    clauses = [lead for part in parts if (lead := _lead(part))]
    whole = _lead(prose.replace("\n", " ").strip())
    if not clauses:
        return Wanted.EXPLAIN if has_trace else _greeting(said)
    if _CHANGES_NOTHING.search(prose):
        return Wanted.EXPLAIN if _FAILURE.search(prose) or has_trace else Wanted.QUESTION
    if _GREETS.match(prose.strip()) or _CHOICE.search(prose):
        return Wanted.QUESTION
    if any(_REPAIRS.match(clause) for clause in _requests(prose)):
        return Wanted.REPAIR
    wish = None if _ASKS.match(whole) else _polite_wish(parts[1:])
    asks = prose.rstrip().endswith("?")
    return wish or _of_clauses(whole, clauses, has_trace=has_trace, asks=asks)


def _polite_wish(parts: Sequence[str]) -> Wanted | None:
    """The change that is asked for behind a remark: `load is too long, can you split it up?`."""
    asked = (
        _lead(part) for part in parts if _CAN_YOU.match(part.strip()) and not _TELLS.search(part)
    )
    return next((found for clause in asked if (found := _change(clause))), None)


def changes_asked(text: str) -> int:
    """The number of clauses of a message that ask for a change."""
    return sum(
        _change(clause) is not None or _REPAIRS.match(clause) is not None
        for clause in _requests(text.lower())
    )


def _requests(prose: str) -> Iterator[str]:
    """The clauses that may ask for something: a question stays in one piece."""
    for sentence in _SENTENCE.split(prose.strip()):
        lead = _lead(sentence)
        if _INTERROGATES.match(lead):
            yield lead
        else:
            yield from (_lead(part) for part in _CLAUSE.split(sentence))


def _greeting(said: str) -> Wanted | None:
    return Wanted.QUESTION if _GREETS.match(said.lower()) else None


def _of_clauses(
    whole: str, clauses: Sequence[str], *, has_trace: bool, asks: bool
) -> Wanted | None:
    if _ASKS_TO_RUN.match(whole) and not (has_trace and _WHY_AT_ALL.search(whole)):
        return Wanted.RUN
    if _NEEDS_NEW.match(whole) and not asks:
        return Wanted.NEW
    if wish := _wish_in(whole, clauses, has_trace=has_trace, asks=asks):
        return wish
    if wish := _asked_behind(whole):
        return wish
    if _ASKS.match(whole) and not _CALL.match(whole):
        return _question(whole, has_trace=has_trace)
    asked = _last_question(whole) if asks else None
    return asked or _change(whole) or _statement(whole, clauses, has_trace=has_trace, asks=asks)


def _asked_behind(whole: str) -> Wanted | None:
    """The change that is asked for in a sentence behind a question, as in `why is there no limit? Add one`."""
    first, *behind = _SENTENCE.split(whole)
    if not (_INTERROGATES.match(_lead(first)) or "?" in first):
        return None
    orders = (
        _lead(clause)
        for sentence in behind
        if "?" not in sentence and not _WANTS_WORDS.search(sentence)
        for clause in _CLAUSE.split(_IF.sub("", sentence))
    )
    return next((_change(order) for order in orders if _ORDERS.match(order)), None)


def _last_question(whole: str) -> Wanted | None:
    """The kind of a message that ends with a question and asks for no change before it; None for any other."""
    *before, last = _SENTENCE.split(whole)
    if not before or not _WORDED_QUESTION.match(_lead(last)) or changes_asked(". ".join(before)):
        return None
    is_failure = _WHY.match(_lead(last)) and _FAILURE.search(whole)
    return Wanted.EXPLAIN if is_failure else Wanted.QUESTION


def _statement(whole: str, clauses: Sequence[str], *, has_trace: bool, asks: bool) -> Wanted | None:
    """The kind of a message that begins with no verb: a complaint, a wish, a traceback."""
    if _COMPLAINS.search(_QUOTED.sub("…", whole)):
        is_asked = asks or any(_WHY.match(clause) for clause in clauses)
        return Wanted.EXPLAIN if is_asked else Wanted.REPAIR
    if has_trace or asks:
        fails = has_trace or _FAILURE.search(whole) is not None
        return Wanted.EXPLAIN if fails else Wanted.QUESTION
    if _MISSPELT.search(whole) or any(map(_SAYS_MORE.match, clauses[1:])):
        return Wanted.EDIT
    if any(_WISHES.match(clause) for clause in (whole, *clauses)):
        return Wanted.EDIT
    found = next((found for clause in clauses[1:] if (found := _change(clause))), None)
    return found or (Wanted.REPAIR if _EXPECTS.search(whole) else None)


def _wish_in(whole: str, clauses: Sequence[str], *, has_trace: bool, asks: bool) -> Wanted | None:
    """The change that a message wishes for in polite words, in its first sentence or behind a remark."""
    if not has_trace and any(map(_WISHED_BEHIND.match, _behind(whole, clauses))):
        return Wanted.NEW if _TESTS_WISHED.search(whole) else Wanted.EDIT
    if _WISHED_FOR.match(whole):
        return Wanted.NEW if _NEW_CALL.search(whole) or "--" in whole else Wanted.EDIT
    if asks or has_trace or "?" in whole.replace("?!", ""):
        return None
    wish = next(filter(_POLITE_WISH.match, (whole, *clauses)), "")
    kind = Wanted.NEW if _NEW_CALL.search(wish) else Wanted.EDIT
    return kind if wish else None


def _behind(whole: str, clauses: Sequence[str]) -> Sequence[str]:
    """The clauses in which a wish may stand behind a remark; none where the message begins with a question."""
    return () if _INTERROGATES.match(whole) else [*clauses[1:], *_SENTENCE.split(whole)[1:]]


def _question(whole: str, *, has_trace: bool) -> Wanted:
    is_failure = has_trace or _FAILURE.search(whole) is not None
    return Wanted.EXPLAIN if is_failure and (has_trace or _WHY.match(whole)) else Wanted.QUESTION


def _change(clause: str) -> Wanted | None:
    if _RENAMES.match(clause):
        return Wanted.RENAME
    if _ADDS_TO.match(clause) or _TURNS.match(clause):
        return Wanted.EDIT
    if _MAKES.match(clause):
        return Wanted.NEW
    if _EDITS.match(clause):
        return Wanted.EDIT
    return None


def _lead(clause: str) -> str:
    """A clause without the polite words, and the names of files, before its verb."""
    return _POLITE.sub("", clause.strip()).strip(" \t.!?:")
