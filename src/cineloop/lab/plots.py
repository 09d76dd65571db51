"""Plots for reports: SVG in the page's own type and colours, drawn by Matplotlib (extra `report`)."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cineloop.errors import MissingExtra

# Matplotlib needs colours of its own; each stands for a colour of the page and is swapped for it in the SVG,
# so that a plot follows the reader's light or dark scheme.
_PAGE = {"#010101": "var(--ink)", "#020202": "var(--quiet)", "#030303": "var(--line)"}
INK, QUIET, LINE = _PAGE
_SERIES = ["#040404", "#050505", "#060606", "#070707", "#080808", "#090909"]
_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))
_PAGE |= {colour: f"var(--series-{i})" for i, colour in enumerate(_SERIES)}


def interval_plot(
    panels: Sequence[tuple[str, Sequence[tuple[str, float, float, float]]]],
    *,
    label: str,
    zero: bool = False,
    line: float | None = None,
    factors: bool = False,
) -> str:
    """Side by side panels of (name, [(row, mean, low, high)]): a dot and its interval a row, as inline SVG.

    `label` says in words what is seen, for readers who can't see it; `zero` draws the line of no difference, `line`
    one elsewhere. `factors` are drawn on a scale on which twice and half are as far from 1.
    """
    if zero:
        line = 0.0
    names = [name for name, *_ in panels[0][1]]
    with _figure(len(panels), width=9.2, height=0.7 + 0.34 * len(names)) as (figure, axes, out):
        for (title, rows), axis in zip(panels, axes, strict=True):
            for i, (_, mean, low, high) in enumerate(rows):
                colour = _SERIES[i % len(_SERIES)]
                axis.plot(
                    [low, high], [i, i], color=colour, linewidth=2.4, solid_capstyle="round", alpha=0.55
                )
                axis.plot([mean], [i], "o", color=colour, markersize=6.5)
            if line is not None:
                axis.axvline(line, color=QUIET, linewidth=1, linestyle=(0, (3, 3)))
            if factors:
                _factors(axis)
            axis.set_title(title, loc="left", fontsize=10, color=INK)
            axis.set_yticks(range(len(names)), names if axis is axes[0] else [""] * len(names))
            axis.set_ylim(len(names) - 0.5, -0.5)
            axis.grid(axis="x", color=LINE, linewidth=0.8)
        return _svg(figure, out, label)


def bar_plot(bars: Sequence[tuple[str, float]], *, label: str, unit: str) -> str:
    """Bars in their order, as inline SVG; every name that fits is written below its bar."""
    with _figure(1, width=9.2, height=2.2) as (figure, axes, out):
        (axis,) = axes
        axis.bar(range(len(bars)), [value for _, value in bars], color=_SERIES[2], width=0.82)
        step = max(1, len(bars) // 12)
        axis.set_xticks(range(0, len(bars), step), [name for name, _ in bars][::step])
        axis.set_title(unit, loc="left", fontsize=10, color=INK)
        axis.grid(axis="y", color=LINE, linewidth=0.8)
        return _svg(figure, out, label)


def scatter_plot(points: Sequence[tuple[str, float, float]], *, label: str, x: str, y: str) -> str:
    """Named points (name, x, y), as inline SVG."""
    with _figure(1, width=5.6, height=3.2) as (figure, axes, out):
        (axis,) = axes
        for i, (name, at_x, at_y) in enumerate(points):
            axis.plot([at_x], [at_y], "o", color=_SERIES[i % len(_SERIES)], markersize=8)
            axis.annotate(
                name, (at_x, at_y), xytext=(8, 4), textcoords="offset points", color=INK, fontsize=9.5
            )
        axis.set_xlabel(x, color=INK, fontsize=9.5)
        axis.set_ylabel(y, color=INK, fontsize=9.5)
        axis.margins(x=0.22, y=0.18)
        axis.grid(color=LINE, linewidth=0.8)
        return _svg(figure, out, label)


def density_plot(
    curve: Sequence[tuple[float, float]],
    inside: tuple[float, float],
    middle: float,
    marks: Sequence[tuple[str, float]],
    *,
    label: str,
    x: str,
    shown: Callable[[float], str] = str,
) -> str:
    """A distribution of amounts as a hill of (amount, height), on a scale of logs, and below it a dot a mark.

    The hill is filled where it lies `inside` (low, high), and `middle` has a line of its own; `marks` are (name,
    amount) in their order. `shown` writes an amount.
    """
    tall = max(height for _, height in curve) or 1.0
    step = 0.13
    with _figure(1, width=9.2, height=2.5 + 0.27 * len(marks)) as (figure, axes, out):
        (axis,) = axes
        at, heights = [a for a, _ in curve], [h / tall for _, h in curve]
        held = [inside[0] <= a <= inside[1] for a in at]
        axis.fill_between(at, heights, color=_SERIES[1], alpha=0.14, linewidth=0)
        axis.fill_between(at, heights, where=held, color=_SERIES[1], alpha=0.34, linewidth=0)
        axis.plot(at, heights, color=_SERIES[1], linewidth=2)
        axis.axvline(middle, color=_SERIES[2], linewidth=1.6)
        for end in inside:
            axis.axvline(end, color=QUIET, linewidth=1, linestyle=(0, (3, 3)))
        rows = [-step * (i + 1) for i in range(len(marks))]
        axis.plot([amount for _, amount in marks], rows, "o", color=_SERIES[5], markersize=6)
        axis.set_yticks(rows, [name if len(name) <= 40 else f"{name[:39]}…" for name, _ in marks])
        axis.set_ylim(-step * (len(marks) + 0.8), 1.08)
        axis.set_xscale("log")
        low, high = min([at[0], *(a for _, a in marks)]), max([at[-1], *(a for _, a in marks)])
        room = (high / low) ** 0.02
        axis.set_xlim(low / room, high * room)
        ticks = [m * 10.0**e for e in range(-3, 15) for m in (1, 3) if low <= m * 10.0**e <= high]
        axis.set_xticks(ticks, [shown(tick) for tick in ticks])
        axis.minorticks_off()
        axis.set_xlabel(x, color=INK, fontsize=9.5)
        axis.grid(axis="x", color=LINE, linewidth=0.8)
        return _svg(figure, out, label)


def _factors(axis: Any) -> None:
    """A scale of factors, with ticks that people read: 0.5, 1, 2 and so on, as many as the span has."""
    axis.set_xscale("log")
    low, high = axis.get_xlim()
    nice = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100)
    ticks = [tick for tick in nice if low <= tick <= high]
    axis.set_xticks(ticks, [f"×{tick:g}" for tick in ticks])
    axis.minorticks_off()


@contextmanager
def _figure(panels: int, *, width: float, height: float) -> Iterator[tuple[Any, Sequence[Any], io.StringIO]]:
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("matplotlib", extra="report", why="plots") from None
    style: dict[Any, Any] = {
        "svg.fonttype": "none",  # text stays text: it can be read aloud, copied and searched
        "svg.hashsalt": "cineloop",  # the same plot gives the same bytes
        "font.family": "sans-serif",
        "axes.edgecolor": LINE,
        "xtick.color": QUIET,
        "ytick.color": INK,
        "xtick.labelsize": 8.5,
        "ytick.labelsize": 9.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "xtick.bottom": False,
        "ytick.left": False,
        "axes.axisbelow": True,
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(1, panels, squeeze=False)[0]
        yield figure, list(axes), io.StringIO()


def _svg(figure: Any, out: io.StringIO, label: str) -> str:
    figure.savefig(out, format="svg", transparent=True, metadata=_NO_METADATA)
    text = out.getvalue()
    text = text[text.index("<svg") :]
    for colour, name in _PAGE.items():
        text = text.replace(colour, name)
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", text)
    text = re.sub(r' id="[a-zA-Z0-9.]+_\d+"', "", text)  # names of groups, the same in every plot of a page
    text = re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', "", text, count=1)
    escaped = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    text = text.replace("<svg", f'<svg role="img" aria-label="{escaped}"', 1)
    return f'<div class="plot" tabindex="0">{text}</div>'
