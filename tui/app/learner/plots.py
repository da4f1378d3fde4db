"""The plots of the learning panel; all can be read without colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static
from textual_plotext import PlotextPlot

if TYPE_CHECKING:
    from agent.library.rounds import JudgedRound

_MOST_ROUNDS = 8


class Plots(Vertical):
    """Plots the loss of the round, wins and losses of the rounds, and the figures of the last gates."""

    def compose(self) -> ComposeResult:
        yield Static("Loss of this round", id="loss-title", markup=False)
        yield PlotextPlot(id="loss")
        yield Static(
            "Wins (up) and losses (down) on your repository", id="wins-title", markup=False
        )
        yield PlotextPlot(id="wins")
        yield Static("Tasks not lost at each gate, %", id="gates-title", markup=False)
        yield PlotextPlot(id="gates")

    def draw(self, losses: Sequence[float], rounds: Sequence[JudgedRound]) -> None:
        """Draw the plots; a plot without data is hidden."""
        self._loss(losses)
        self._wins([each for each in rounds if each.repository is not None][-_MOST_ROUNDS:])
        self._gates(rounds[-1:])

    def _plot(self, name: str, *, shown: bool) -> PlotextPlot:
        self.query_one(f"#{name}-title").display = shown
        plot = self.query_one(f"#{name}", PlotextPlot)
        plot.display = shown
        plot.plt.clear_figure()
        plot.refresh()
        return plot

    def _loss(self, losses: Sequence[float]) -> None:
        plot = self._plot("loss", shown=len(losses) > 1)
        plot.plt.plot(range(1, len(losses) + 1), losses, marker="braille")
        plot.plt.xticks(_ticks(len(losses)))

    def _wins(self, rounds: Sequence[JudgedRound]) -> None:
        plot = self._plot("wins", shown=bool(rounds))
        names = [each.version for each in rounds]
        gates = [gate for each in rounds if (gate := each.repository) is not None]
        plot.plt.bar(names, [gate.wins for gate in gates], marker="#", width=0.5)
        plot.plt.bar(names, [-gate.losses for gate in gates], marker="-", width=0.5)
        figures = {0.0, *(float(g.wins) for g in gates), *(-float(g.losses) for g in gates)}
        ends = sorted({min(figures), 0.0, max(figures)})
        plot.plt.yticks(ends, [f"{end:+.0f}" if end else "0" for end in ends])

    def _gates(self, rounds: Sequence[JudgedRound]) -> None:
        gates = [gate for each in rounds for gate in each.gates if gate.tasks]
        plot = self._plot("gates", shown=bool(gates))
        kept = [100 * (gate.tasks - gate.losses) / gate.tasks for gate in gates]
        names = [gate.name.split()[0] for gate in gates]
        plot.plt.bar(names[::-1], kept[::-1], orientation="horizontal", marker="#", width=0.5)
        plot.plt.xlim(0, 100)


def _ticks(steps: int) -> list[float]:
    """Return the steps that are named below the plot: the first, the last, and two between."""
    return sorted({1.0 + round(part * (steps - 1) / 3) for part in range(4)})
