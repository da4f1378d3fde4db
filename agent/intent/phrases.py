"""The words by which `agent.intent.rules` tells what a message wants, as patterns of closed forms.

They are searched in the lower-case text of a message, without what is pasted into it.
"""

from __future__ import annotations

import re

TRACE_LINE = re.compile(
    r"^(?:Traceback \(most recent call last\):|\s+File \".*\", line \d+.*|E\s{2,}.*|\s{4,}.*"
    r"|[\w.]*(?:Error|Exception|Warning)\b: .*|[\w./-]+\.py:\d+: .*|=+ .* =+|_{3,} .* _{3,})$"
)
TRACE = re.compile(
    r"(?m)^(?:Traceback \(most recent call last\):|E[ \t]{2,}\S|[ \t]+File \".*\", line \d+|[\w./-]+\.py:\d+: \w+Error)"
)
POLITE = re.compile(
    r"^(?:(?:please|pls|ok(?:ay)?|now|then|and|also|so|just|hey|hi|hello|but|well|next|again)\b[,:]?\s*"
    r"|(?:can|could|would|will) (?:you|u)(?: please| kindly| also)?\s+"
    r"|(?:i(?:'d| would)? (?:want|like|need) you to|we (?:need|have|want) to|i need to|you should|you can"
    r"|let's|let us|go ahead and|try to|help me(?: to)?|it would be (?:nice|good|great) to(?! (?:have|get|be able)\b))\s+"
    r"|@\S+[,:]?\s+|in [\w./-]+\.\w+[,:]?\s+)+",
    re.IGNORECASE,
)
CLAUSE = re.compile(
    r"(?<=[.;?!])\s+|;\s*|,\s*(?:and\s+|then\s+|please\s+)*|\s+and\s+(?:then\s+)?|\n+|\s+-\s+"
)
SENTENCE = re.compile(r"(?<=[.;?!])\s+|;\s*|\n{2,}")
INTERROGATES = re.compile(
    r"^(?:what|what's|whats|where|where's|who|who's|whose|which|how|why|is|are|am|was|were|does|did|has|should|shall"
    r"|may|might|can|could|would|will|do (?!the\b|it\b|this\b|that\b)|have (?:i|we|you|they)\b"
    r"|when (?:do|does|did|is|are|was|were|will|should|can|must)\b)"
)
"""Questions in grammar, in which no verb after a comma or an `and` is a request of its own."""
CHANGES_NOTHING = re.compile(
    r"\b(?:do not|don't|dont|without|not) (?:start|change|changing|edit|editing|touch|touching|write|writing|modify|fix)\b"
    r"(?! (?:the |any |my |our |its )?(?:\w+ )?(?:tests?|specs?|test files?|signatures?|behaviou?rs?|apis?|interfaces?|names?|docs?|docstrings?|comments?)\b)"
)
LIMIT = re.compile(
    r"(?:^|(?<=[.;,!?\n])|(?= but ))\s*(?:but |and |please )*(?:do not|don't|dont|without) "
    r"(?:chang|edit|touch|writ|modify|fix|renam)\w* [^.;,!?\n]*[.;,!]?"
)
"""A part of a message that says what is to stay: the rest says what is wanted."""
ASKS = re.compile(
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
GREETS = re.compile(
    r"^(?:hi|hello|hey|thanks|thank you|thx|great|cool|nice|good|ok|okay|bye|yes|no)\b[\s!.,\w]{0,20}$"
)
FAILURE = re.compile(
    r"\b(?:fail\w*|crash\w*|traceback|stack ?trace|\w+(?:error|exception)|errors?(?! (?:message|handling|code|class))"
    r"|red|broken|broke|(?<!would )(?<!will )(?<!could )break|went wrong|goes wrong|wrong with|not found)\b"
    r"|(?:\bnot|n't) (?:pass\w*|work\w*)\b"
)
WHY = re.compile(
    r"^(?:why|any idea|what(?:'s|s| is| does| went| causes| caused| made| goes)?|how come|explain|diagnose|where (?:does|is|do)"
    r"|which tests? fails? and why|tell me why|understand why|analy[sz]e)\b"
)
JUST_EXPLAIN = re.compile(
    r"(?:^|[.;,!?\n-]) ?(?:please )?(?:just|only) explain(?: (?:it|that|this|them|to me))*[ .!]*$"
)
COMMAND = re.compile(r"^(?:pytest|python3?)\b")
"""A command line above a failure: it was pasted with it."""
WHY_AT_ALL = re.compile(r"\b(?:why|how come|what(?:'s| is| does) (?:this|that|it|wrong))\b")
ASKS_TO_RUN = re.compile(
    r"^(?:do|does|did|will) (?:\w+ )?(?:all |the |my |our )*(?:unit )?tests?(?: in \S+)? (?:still )?(?:pass|work|succeed)"
    r"|^are (?:all )?(?:the )?tests? (?:still )?(?:green|passing|ok|fine)"
    r"|^(?:do|does) (?:everything|the (?:test )?suite) (?:still )?pass(?: right now| now| again| currently| at the moment)?$"
    r"|^is (?:everything|the (?:test )?suite) (?:still )?(?:green|passing)(?: right now| now| again| currently| at the moment)?$"
    r"|^(?:check|see|verify|let me see|make sure) (?:whether|if|that) .*\b(?:pass|green|work)"
    r"|^which tests? (?:fail|are failing|are red|pass)(?!.*\bwhy)|^(?:show|tell|give) me the output of\b"
    r"|^(?:run|rerun|re-run|execute|launch|invoke|start(?! an? \S+\.md\b)) |^(?:run|rerun)$"
    r"|^test (?:it|this|that|them|everything|again)\b|^pytest\b"
    r"|^python3? \S+(?!.*\b(?:why|how come|gives?|says|prints|fails|crash\w*|raises?|errors?)\b)"
)
RENAMES = re.compile(
    r"^rename\b|^relocate\b|^change the name of\b|^(?:call|name) (?:it|this|that|them) \S+(?: instead)?"
    r"|^\S+ (?:should|must|shall) be (?:called|named|renamed)\b|^give \S+ (?:a better|another|the) name\b"
    r"|^move .+ (?:to|into) (?:\S+\.\w+|\S*/\S*|(?:a|an|its own|the|another) (?:\w+ )?(?:module|file|package|folder))"
)
REPAIRS = re.compile(
    r"^(?:fix|repair|debug|resolve|solve|correct|patch|heal)\b"
    r"|^(?:make|get|bring) .*\b(?:pass(?:es|ing)?|green|work(?:s|ing)?(?: again)?)$"
)
COMPLAINS = re.compile(
    r"\b(?:there(?:'s| is| are)(?: still)? (?:a |an |some )?(?:bugs?|errors?|mistakes?|problems?)"
    r"|(?:fails?|crash(?:es)?|is broken|is wrong|are wrong|is red|are red|are failing|is failing|does(?: not|n't) work"
    r"|do(?: not|n't) work|stopped working|raises \w+error|(?:blows up|dies|explodes) with(?= (?:an? )?\w*(?:error|exception)\b|\s{2,}|\s*$)|hangs?|loops forever))\b"
)
DIFFERS = re.compile(
    r"\b(?:gives?|returns?|prints?|shows?|raises?)\b.*\b(?:but|instead|should|rather than|not)\b"
    r"|^\S+ (?!should|must|needs?|has|uses?)\w+s\b.*\binstead of\b"
    r"|^(?!no\b)(?!.*\b(?:doubt|meant|says?|sure|think|whether)\b).{15,}[.,;!]\s+(?:that|this)(?:'s| is|s) (?:a bug|incorrect|not right|wrong)\b"
)
"""A remark that something is otherwise than expected; an order behind it says what is wanted."""
CAN_YOU = re.compile(r"(?:(?:and|so|then)\s+)?(?:can|could|would|will) you\b")
TELLS = re.compile(
    r"\b(?:let (?:me|us) know|look|pass me|give me|show me|write (?:it |that )?down|in(?:to)? words|keep an eye|return the value"
    r"|profiler|debugger|tell|walk me)\b"
)
"""Wishes for words, whose verbs are those of changes."""
MISSPELT = re.compile(r"\b(?:typos?|misspel\w+|spelling (?:error|mistake))\b")
SAYS_MORE = re.compile(r"(?:say|mention|name|include|tell) (?:which|what|the|who|where|how|why)\b")
"""A wish for an output that says more, behind a remark on it."""
QUOTED = re.compile(r"(?<!\w)'[^'\n]{3,}'(?!\w)|\"[^\"\n]{3,}\"|`[^`\n]+`")
"""A text that is quoted: its words say nothing of what is wanted."""
NEW_THING = (
    r"(?:functions?|methods?|class(?:method)?(?:es)?|tests?|test cases?|modules?|files?|scripts?|options?|flags?"
    r"|(?:sub)?commands?|propert(?:y|ies)|__\w+__|helpers?|exceptions?|enums?|decorators?|endpoints?|routes?|views?"
    r"|fixtures?|constants?|repr|constructors?|getters?|setters?|context managers?|packages?|programs?|app|cli|generators?|iterators?|dataclass|protocol|mixin|wrapper)"
)
ALSO_EDITS = (
    r"(?:docstrings?|type ?hints?|types|hints|annotations?|comments?|parameters?|arguments?|param|arg|logging|log"
    r"|error handling|validation|checks?|support|caching|license|imports?|entry|line|default|documentation|docs)"
)
IS_SAID_OF = r".*\b(?:are|breaks?|fails?|failed|is|looks?|pass(?:es)?|returns?|seems?|takes?|was|were|works?)\b"
MAKES = re.compile(
    rf"^(?:add|write|create|generate|build|define|introduce|make(?: me)?|give \S+|need|want|include|provide|put) "
    rf"(?:[^.]*?\b)?(?<!to the )(?<!to a )(?<!of the ){NEW_THING}\b"
    rf"|^(?:implement|create|generate|scaffold)\b|^(?:build|make) me\b|^new (?:[\w`-]+ ){{0,2}}?{NEW_THING}\b(?!{IS_SAID_OF})|^(?:write|add) (?:some |more |unit )*tests?\b"
    rf"|^(?:i|we)(?:'d| would)? (?:need|want|like) (?:a|an|another|some) (?:\w+ ){{0,3}}{NEW_THING}\b"
    rf"|^\S+ (?:needs|should have|lacks|is missing) (?:a|an) (?:\w+ ){{0,2}}{NEW_THING}\b"
)
NEEDS_NEW = re.compile(
    r"^(?!(?:any|every|no)?(?:body|thing|what|which|who|whose|where|it|one)\b)"
    rf"(?:the |our )?[\w./`-]+(?: command| class| function| module)? (?:needs|should (?:get|have)|could use|lacks|is missing)"
    rf" (?:an?|another) (?:[\w`-]+ ){{0,3}}{NEW_THING}\b"
)
"""A wish for something new whose first word may be one of a question: `list needs a --names flag`."""
NEEDS_DUNDER = re.compile(
    r"^[\w.`]+ (?:needs|should (?:get|have)) (?:an? )?`?__\w+__`?(?:(?:,| and) (?:an? )?`?__\w+__`?)*(?: too| as well)?(?:[.:!]|$)"
)
LACKS_TESTS = re.compile(
    r"^(?:there (?:are|is)|there's|we have|i see) no (?:unit )?tests?\b[^?]*?[.;,!]\s*(?:please |pls |so |then |can you |could you )*"
    r"(?:add|create|write) (?:a few|one|some|them)\b"
)
NEEDS_MORE = re.compile(
    r"^(?!(?:any|every|no)?(?:body|thing|what|which|who|it|one)\b)[\w.`]+(?:\(\))? (?:needs|should (?:get|have|take)|could use)"
    r" (?:an?|another) (?:(?:(?:new|optional|second|third|further|keyword)[ -])+(?:parameter|argument|param|kwarg)\b"
    r"|(?:parameter|argument|param|kwarg) `?\w+=)"
)
"""A wish for one more parameter."""
ADDS_TO = re.compile(
    rf"^(?:add|write|put|include|insert) (?:a |an |the |some |more |missing |proper )*{ALSO_EDITS}\b"
)
TURNS = re.compile(
    r"^(?:make|turn|convert) (?!(?:me|sure|up|us)\b)\S+ (?:into )?(?:an?|the) (?:\w+ )?\w+[.!]?$"
)
"""A thing that is there already becomes another: `make area a property`."""
EDITS = re.compile(
    r"^(?:add|adapt|adjust|allow|annotate|append|apply|cache|capitali[sz]e|change|clean(?: up)?|comment|convert|cut|"
    r"decrease|delete|deprecate|document|don't|drop|edit|ensure|extend|extract|format|generali[sz]e|get rid of|handle|"
    r"hide|ignore|improve|include|increase|inline|insert|keep|let|limit|log|lower|make|merge|mark|modify|move|narrow|"
    r"optimi[sz]e|parametri[sz]e|pass|prefix|pull (?:it|that|them|these|this|those) out (?:in)?to|treat (?:it|them|these|those) as (?!(?:an? )?(?:given|joke|question)\b)|prepend|prevent|print|put|quote|raise|reduce|refactor|reformat|remove|"
    r"reorder|replace|return|reuse|revert|rewrite|round|set|shorten|simplify|skip|sort|speed up|split|stop|strip|"
    r"support|swap|switch|take|tidy|translate|trim|turn|type|undo the|uncomment|unify|update|upgrade|use|validate|vectori[sz]e|"
    r"warn|wrap|write|do the same|bump)\b|^give (?!(?:me|us|an?|the|all|both|just|only|back|every|each|out|some|any|more|\d+)\b)\S+ (?:an?|the|another|its|some) "
)
WANTS_TO_SEE = re.compile(
    r"^(?:if|when|whenever) [^?:]*\b(?:i|we) (?:want|would like|'d like) to see (?:which|what) \w+:"
)
"""A wish for an output: `when the unit is unknown I want to see which one`."""
WISHES = re.compile(
    r"^(?:the |an? |all |every )?\S+(?:\s\S+){0,5}? (?:should|must|needs? to|has to|ought to)\b"
    r"|^(?:i|we)(?:'d| would)? (?:need|want|like|prefer) \S+.* to\b"
    r"|^(?:i|we)(?:'d|d| would) (?:rather|prefer to) (?:get|print|raise|return|skip|have (?:an?|no|the))\b"
)


WORDED_QUESTION = re.compile(
    r"(?:and |but |so )*(?:what|where|which|who|whose|why|how|when)(?:'s|'d)?\b(?! about\b| if\b)"
)
"""A question that names what it asks for."""
WANTS_WORDS = re.compile(
    r"\b(?:answer|explain|explanation|estimate|just (?:say|tell)|let (?:me|us) know|only|opinion|(?:say|show|tell) (?:me|us)|summar\w+)\b"
)
IF = re.compile(
    r"^\W*if (?:not|so|it (?:does|is)(?:n't| not)?|nothing [\w ]{1,30}|nobody [\w ]{1,30}|there (?:is|are) none)\b,?\s*"
)
ORDERS = re.compile(
    r"(?:add|annotate|convert|correct|create|delete|document|drop|extract|implement|make|refactor|remove|replace|simplify|split|write)"
    r" (?:an?|another|it|one|some|that|the|them|these|this|those|`[^`]+`|\w*[_.(/]\S*)(?![\w-])|rename \S+ (?:to|as) \S"
)
"""Verbs, each with its object, by which a sentence behind a question asks for a change: `document says so` has none."""
A_TEST = re.compile(r"\btests?\b")
CAN_WE_HAVE = re.compile(
    r"can we (?:please )?(?:also )?(?:have|get) an? (?:dedicated|new|own|proper|real|separate|specific) (?:[\w`-]+ ){0,2}"
    r"(?:class|command|error|exception|flag|function|method|option|property)\b"
)
KEEPS_CODE = re.compile(
    r"(?:^|[.;,!\n]) ?(?:but |and |please )*(?:do not|don't|dont) (?:change|edit|touch|modify) (?:the |any |my )?code(?=[ .!]*$)"
)
"""A limit behind an order for tests or docstrings: the code is to stay."""
FOR_TESTS = re.compile(
    r"(?:^|[.;,!\n]) ?(?:please |pls |can you |could you )*(?:add|create|write) (?:(?:[\w-]+ ){0,3}(?:tests?|docstrings?)\b|(?:a few|one|some|them)(?=[.;,!]))"
)
EXCEPTION = re.compile(r"(?m)^[\w.]*(?:Error|Exception)\b.*$")
"""The last line of a traceback."""
REMARKS = re.compile(r"(?:edit|update)\b(?=\W)|no (?:clue|idea)\b|i (?:get|got|see) th")
"""The beginning of a remark on a failure: `edit: only with the february file`."""
USE_INSTEAD = re.compile(r"use \S+(?: \S+)? instead\b")
SHOULD = re.compile(
    r"(?:it |that |this |an? \w+(?: \w+)? )?should (?:just |simply |rather )*(?:be|count|give|print|raise|return|say)\b"
    r"(?! (?:fine|installed|ok|okay|possible|right|there)\b)(?!.*\?)"
)
"""A wish without its subject, which stands before it."""
CHOICE = re.compile(
    r"\bwhich (?:of (?:the|these|those) two|one) (?:would|should|do)\b|\bwhat would you (?:do|suggest|prefer)\b"
    r"|, (?:correct|right|isn't it|doesn't it|don't we)\?|^[\w, ]{3,40}\.{3} (?:does|do|is|are|has|can) [^.!?]*\?$"
)
"""A question for an opinion or for a yes, whatever stands before it."""
CALL = re.compile(r"[\w.]+\((?!s\))")
"""A remark about a function may begin with a word of a question: `show() puts a blank between them`."""
EXPECTS = re.compile(
    r"\b(?:i|we)(?:'d|d| would) (?:have )?expect(?:ed)? (?:an? )?(?:\w*error|\w*exception)\b"
)
ABLE = r"be able to (?!ask|check|compare|find|get|hear|know|learn|look|read|see|talk|tell|think|understand)\w"
THAT_IT = (
    r"(?!(?:an?|anybody|anyone|he|i|nobody|no|one|she|somebody|someone|that|there|they|this|we|you)\b)(?:(?:an?|each|every|the) )?"
    r"[\w.`'()-]+(?: \w+)? (?:accepted|allowed|can|could|gave|handled|ignored|kept|printed|raised|returned|said|showed|skipped"
    r"|supported|told|took|would)\b"
)
"""A thing of the code, and what it would do."""
A_NEW_THING = rf"(?:an?|another|some) (?:[\w`-]+ ){{0,2}}{NEW_THING}\b(?! (?:about|list|of|overview|summary)\b)"
POLITE_WISH = re.compile(
    r"(?:and |but |so )*(?:(?:it|that)(?: would|'d)|would) be (?:\w+ )?(?:awesome|cool|good|great|handy|helpful|lovely|nice|sweet|useful)"
    rf" (?:if (?:an? )?{THAT_IT}|to have {A_NEW_THING}|to {ABLE})"
    rf"|(?:i|we)(?:'d|d| would) (?:love|appreciate|like) (?:it if (?:an? )?{THAT_IT}|{A_NEW_THING})"
    rf"|(?:i|we)(?:'d|d| would)? (?:like|love|need|prefer|want) to {ABLE}"
    rf"|i wish {THAT_IT}"
)
"""A wish in polite words, of closed forms: `it would be great if a buffer could duplicate a line`."""
WISHED_FOR = re.compile(
    rf"could (?:we|i) (?:please )?(?:also )?(?:have|get) {A_NEW_THING}|could (?:we|i) (?:please )?(?:also )?(?:have|get) (?:an? )?--[a-z]"
    r"|(?:can we(?!.*\?)|could we) (?:please )?(?:also )?(?:add|change|drop|log|move|remove|rename|replace|skip|sort|stop|support|use)\b|how about \w+ing\b"
    r"|(?:would you )?mind \w+ing\b(?<!explaining)(?<!telling)(?<!showing)(?<!checking)(?<!looking)(?<!giving)"
)
"""A wish with a question mark, whose words ask for no answer."""
WISHED_BEHIND = re.compile(
    r"(?:and |but |so )*(?:"
    # i'd rather have that go through the logging module
    r"(?:i|we)(?:'d|d| would) (?:much )?(?:rather|prefer to) have (?:it|that|them|these|this) (?:all )?(?:as|be|go|in|not|return|print|raise|without|\w+ed)\b"
    # would you mind writing some
    r"|(?:would you )?mind (?:add|chang|clean|convert|fix|mak|mov|remov|renam|replac|simplify|splitt|writ)ing\b"
    # could it get a `keep` argument
    rf"|could (?:it|they|that|this) (?:also )?(?:get|have) (?:an?|another|some) (?:[\w`=-]+ ){{0,3}}(?:{NEW_THING}|{ALSO_EDITS})\b"
    # a name and a number would be nice to have there
    r"|[\w`]+(?: (?:and|or) [\w`]+)* would be (?:cool|good|great|handy|helpful|nice|useful) to have(?: (?:as well|here|in (?:it|that|there)|there|too))+"
    r")"
)
"""A wish behind a remark, of closed forms."""
TESTS_WISHED = re.compile(r"\bno (?:unit )?tests?\b.*\bmind (?:writ|add)ing\b")
NEW_CALL = re.compile(rf"\b[a-z_]\w*\(|\b{A_NEW_THING}")
