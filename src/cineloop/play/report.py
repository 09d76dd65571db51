"""The wing's answers as text: a home, and the table of a comparison. `sections` has them as HTML."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from cineloop.guard import Decision
from cineloop.play.comparison import Comparison, Figure, Standing
from cineloop.play.home import Card, Home

WIDTH = 118


def home_text(decision: Decision[Home], most: int | None = None) -> str:
    """A home as lines of text: each row's heading, then a title a line with its reason, at `most` so many."""
    page = decision.answer
    made = ", ".join(part.ref[:12] for part in decision.made_by if part.kind == "run")
    lines = [
        f"Home of {page.profile} as of {decision.inputs.as_of:%Y-%m-%d}"
        + ("" if page.profiling else ", no profiling"),
        f"decision {decision.id} by run {made}, allowed by {', '.join(decision.verdict.rules)}",
    ]
    names = [_named(card) for row in page.rows for card in row.cards[:most]]
    column = min(44, max(map(len, names), default=0))
    for row in page.rows:
        lines += ["", row.heading]
        for place, card in enumerate(row.cards[:most], 1):
            name = textwrap.shorten(_named(card), column, placeholder="…")
            start = "" if card.play == card.title else f"starts {card.play_name}: "
            why = textwrap.shorten(start + card.reason.text, WIDTH - column - 7, placeholder=" …")
            lines.append(f"  {place:>2}  {name:<{column}}  {why}")
    return "\n".join(lines)


def _named(card: Card) -> str:
    return card.name if card.year is None else f"{card.name} ({card.year})"


def comparison_table(compared: Comparison) -> tuple[str, tuple[str, ...], list[tuple[str, ...]]]:
    """Title, headers and rows of a comparison: under each mean, the paired difference to the baseline."""
    rows = []
    for standing in in_order(compared):
        cells = []
        for metric in compared.metrics:
            figure = standing.figures[metric]
            lines = [_mean(figure), *([_difference(figure)] if figure.difference else [])]
            cells.append("\n".join(lines))
        rows.append((standing.contender, *cells))
    group = f", {compared.group} members" if compared.group else ""
    return f"{protocol_title(compared.protocol)}{group}", ("recipe", *compared.metrics), rows


def in_order(compared: Comparison) -> list[Standing]:
    """The baseline first, then by name: the same order, and so the same colour, under every protocol."""
    return sorted(compared.standings, key=lambda s: (s.contender != compared.baseline, s.contender))


def protocol_title(protocol: Mapping[str, Any]) -> str:
    """A protocol in words."""
    name, stage = protocol["name"], protocol["stage"]
    if name == "global-time":
        words = (
            f"Global time, {protocol['days']} {stage} days {protocol['every_days']} days apart, "
            f"then {protocol['horizon_days']} days foreseen"
        )
        return words
    if name == "held-out-members":
        return f"Held-out members ({stage}), {protocol['fold_in']:.0%} of each one's plays told"
    return f"{name} ({stage})"


def _mean(figure: Figure) -> str:
    if figure.mean is None:
        return "–"
    bounds = "" if figure.interval is None else f" [{figure.interval.low:.3f}, {figure.interval.high:.3f}]"
    return f" {figure.mean:.4f} {bounds.strip()} "


def _difference(figure: Figure) -> str:
    found = figure.difference
    if found is None:
        return ""
    return f"{found.mean:+.4f} [{found.low:+.3f}, {found.high:+.3f}]{'*' if found.above_zero else ' '}"
