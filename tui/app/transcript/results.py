"""Test results as a tree: red tests first and open, green tests folded away."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Group
from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Static, Tree
from textual.widgets.tree import TreeNode

from agent.events import TestsFinished
from agent.reports import TestResult
from agent.text import display_safe
from tui.app.messages import CodeWanted
from tui.app.transcript.block import EntryBlock
from tui.app.transcript.entries import TestsEntry
from tui.show.render import ending_lines, first_names, mark, red_by_cause, render_report, summary

_MESSAGE_LINES = 6
_MOST_ROWS = 18
_LABEL_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class CodeLine:
    """A line of code that a test names; not trusted, because the code under test gives both fields."""

    file: str
    line: int


Node = CodeLine | tuple[TestResult, ...] | None


class TestsBlock(EntryBlock):
    """Shows one test run: its counts, its red tests with reason and line, then the others by file."""

    __test__ = False

    def __init__(self, entry: TestsEntry, event: TestsFinished) -> None:
        super().__init__(entry, classes="tests")
        self._tests = entry
        self._event = event
        self._red: dict[str, TreeNode[Node]] = {}
        self._shown: set[str] = set()

    def compose(self) -> ComposeResult:
        report = self._event.report
        if not report.results:
            yield Static(render_report(report), markup=False)
            return
        place = f" in {report.duration_s:.1f} s ({report.runner}, in the sandbox)"
        label = Text.assemble(mark(report), f": {summary(report)}{place}")
        tree: Tree[Node] = Tree(label)
        tree.root.expand()
        for same in red_by_cause(report, self._event.flaky):
            self._add_red(tree.root, same)
        rest = [result for result in report.results if not result.outcome.is_red]
        if rest:
            tree.root.add(_of_the_rest(rest), data=tuple(rest))
        tree.styles.max_height = _MOST_ROWS
        self._show_places()
        yield tree
        if ending := list(ending_lines(report)):
            yield Static(Group(*ending), markup=False)

    def _add_red(self, parent: TreeNode[Node], same: tuple[TestResult, ...]) -> None:
        result = same[0]
        flaky = "flaky " if result.id in self._event.flaky else ""
        label = Text.assemble(
            (f"{flaky}{result.outcome.value} ", "bold red"),
            (_short(result.id) if len(same) == 1 else f"{len(same)} tests in the same way", "bold"),
            _where(result.file, result.line),
        )
        place = CodeLine(result.file, result.line) if result.file else None
        node = parent.add(label, data=place, expand=True)
        self._red |= {item.id: node for item in same}
        for line in display_safe(result.message).strip().splitlines()[:_MESSAGE_LINES]:
            node.add_leaf(Text(_short(line)), data=place)
        if len(same) > 1:
            node.add(Text(_short(first_names(same))), data=same)
            return
        for frame in result.frames[:-1]:
            text = Text(f"from {_short(frame.function)}{_where(frame.file, frame.line)}", "dim")
            node.add_leaf(text, data=CodeLine(frame.file, frame.line))

    async def grow(self) -> None:
        self._show_places()

    def _show_places(self) -> None:
        """Put the places that are probably at fault below their red test; Enter opens the editor there."""
        for test_id, places in self._tests.looks_at.items():
            if test_id in self._shown or test_id not in self._red:
                continue
            self._shown.add(test_id)
            for place in places:
                text = Text(f"looks at {_short(place.label)}", style="bold")
                self._red[test_id].add_leaf(text, data=CodeLine(place.path, place.line))

    def on_tree_node_expanded(self, event: Tree.NodeExpanded[Node]) -> None:
        """Fill a folded branch when it is opened, so that thousands of green tests cost nothing before."""
        node = event.node
        if not isinstance(node.data, tuple) or node.children:
            return
        by_file = _by_file(node.data)
        if len(by_file) > 1:
            for file, results in by_file.items():
                node.add(Text(f"{_short(file)} ({len(results)})"), data=tuple(results))
            return
        for result in node.data:
            node.add_leaf(Text(f"{result.outcome.value} {_short(result.id)}"))

    def on_tree_node_selected(self, event: Tree.NodeSelected[Node]) -> None:
        """Open the editor at the line of a red test, or of its traceback (Enter)."""
        event.stop()
        if isinstance(event.node.data, CodeLine):
            self.post_message(CodeWanted(event.node.data.file, event.node.data.line))


def _by_file(results: Iterable[TestResult]) -> Mapping[str, Sequence[TestResult]]:
    found: dict[str, list[TestResult]] = defaultdict(list)
    for result in results:
        found[result.id.split("::", 1)[0]].append(result)
    return found


def _where(file: str, line: int) -> str:
    place = f"{_short(file)}:{line}" if line else _short(file)
    return f"  {place}" if file else ""


def _short(text: str) -> str:
    return display_safe(text).replace("\n", " ")[:_LABEL_CHARACTERS]


def _of_the_rest(results: Sequence[TestResult]) -> str:
    """Count the tests that are not red by their outcome, such as `3 passed, 1 skipped`."""
    counted = Counter(result.outcome.value.replace("_", " ") for result in results)
    return ", ".join(f"{number} {name}" for name, number in counted.most_common())
