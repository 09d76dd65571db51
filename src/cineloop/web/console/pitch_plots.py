"""The plots of the pitch pages: SVG whose colours come from the page's classes, so it follows the reader's scheme.

A distribution is drawn as a quantile dot plot: twenty dots, each one chance in twenty (Kay, Kola, Hullman & Munson,
"When (ish) is my bus? User-centered visualizations of uncertainty in everyday, mobile predictive systems", 2016).
People who count dots judge chances better than people who look at a curve.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from markupsafe import Markup, escape

from cineloop.pitch.predictive import Predictive

DOTS = 20
_STEPS = (1.0, 2.0, 5.0)


@dataclass(frozen=True)
class Beside:
    """A film drawn under a distribution: what it took, in the distribution's own money."""

    name: str
    amount: float


@dataclass(frozen=True)
class Scale:
    """Amounts of money on a log axis from `low` to `high`, as pixels from `left` to `right`."""

    low: float
    high: float
    left: float
    right: float

    def x(self, amount: float) -> float:
        """Where an amount stands; what lies beyond an end stands at it.

        >>> Scale(1e6, 1e8, 0, 100).x(1e7), Scale(1e6, 1e8, 0, 100).x(1e9)
        (50.0, 100.0)
        """
        share = math.log(max(amount, 1e-9) / self.low) / math.log(self.high / self.low)
        return round(self.left + min(max(share, 0.0), 1.0) * (self.right - self.left), 1)

    def ticks(self, room: float) -> list[float]:
        """Round amounts at least `room` pixels apart."""
        for steps in (_STEPS, (1.0, 3.0), (1.0,)):
            found = [
                step * 10.0**power
                for power in range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
                for step in steps
                if self.low <= step * 10.0**power <= self.high
            ]
            places = [self.x(amount) for amount in found]
            if all(b - a >= room for a, b in pairwise(places)):
                return found
        return found


def money(amount: float) -> str:
    """Dollars in a few letters, three digits at most.

    >>> money(168_559_301.7), money(2_340_000), money(1.5e9), money(-70_400), money(412)
    ('$169M', '$2.3M', '$1.5B', '−$70k', '$412')
    """
    sign, size = ("−" if amount < 0 else ""), abs(amount)
    for unit, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if size >= 0.9995 * unit:
            digits = 0 if size >= 9.95 * unit else 1
            text = f"{size / unit:.{digits}f}"
            return f"{sign}${text.removesuffix('.0')}{letter}"
    return f"{sign}${size:.0f}"


def dots(of: Predictive) -> list[float]:
    """The middles of twenty slices of equal chance of a batch of one, rising."""
    levels = (np.arange(DOTS) + 0.5) / DOTS
    return [float(v) for v in np.exp(of.quantile(levels)[0])]


def distribution(
    of: Predictive,
    beside: Sequence[Beside] = (),
    *,
    line: tuple[str, float] | None = None,
    width: int = 960,
) -> Markup:
    """Twenty dots over an axis of money with the middle 80% shaded, and comparables a row each below it.

    `line` is an amount with a name, such as break-even: the dots above it are filled. `width` in pixels; narrow ones
    write smaller names.
    """
    narrow = width < 600
    amounts = dots(of)
    low, high = (float(v) for v in of.interval(0.8)[0])
    scale = _scale(amounts, beside, line, width, narrow)
    size = 17.0 if narrow else 32.0
    stacks = _stacked([scale.x(a) for a in amounts], size)
    tallest = max(len(stack) for _, stack in stacks)
    base = 62.0 + tallest * size
    row = 24.0
    height = base + 34 + row * len(beside) + (10 if beside else 0)
    parts = [
        f'<rect class="band" x="{scale.x(low)}" y="40" width="{scale.x(high) - scale.x(low):.1f}" '
        f'height="{base - 40:.1f}"/>',
    ]
    for tick in scale.ticks(44 if narrow else 64):
        x = scale.x(tick)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="40" y2="{height - 4:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{x}" y="{base + 20:.1f}" text-anchor="middle">{money(tick)}</text>'
        )
    parts.append(f'<line class="axis" x1="{scale.left}" x2="{scale.right}" y1="{base}" y2="{base}"/>')
    at = 0
    for x, stack in stacks:
        for place in range(len(stack)):
            above = line is None or amounts[at] > line[1]
            kind = "dot" if above else "dot under"
            y = base - size / 2 - 1 - place * size
            parts.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{size / 2 - 1.5:.1f}"/>')
            at += 1
    middle = float(of.median[0])
    parts += _mark(scale, middle, f"median {money(middle)}", "middle", 40, base, 32)
    if line is not None and scale.low <= line[1] <= scale.high:
        parts += _mark(scale, line[1], f"{line[0]} {money(line[1])}", "even", 22, base, 14)
    for number, film in enumerate(beside):
        parts += _film(scale, film, base + 44 + row * number, narrow)
    said = (
        f"Twenty dots, each one chance in twenty. The median is {money(middle)}; "
        f"eight chances in ten lie between {money(low)} and {money(high)}."
    )
    if line is not None:
        said += f" {sum(a > line[1] for a in amounts)} of the twenty lie above {line[0]}, {money(line[1])}."
    if beside:
        said += " Comparables: " + ", ".join(f"{b.name} {money(b.amount)}" for b in beside) + "."
    return _svg(parts, width, height, said, "narrow" if narrow else "broad")


def bar(
    scale: Scale, low: float, middle: float, high: float, at: float | None = None, kind: str = ""
) -> Markup:
    """An interval with its middle on a log scale of 0 to 100 that stretches with its cell; `at` draws a line."""
    parts = []
    if at is not None:
        x = scale.x(at)
        parts.append(f'<path class="even" vector-effect="non-scaling-stroke" d="M{x} 0V24"/>')
    parts.append(
        f'<path class="reach" vector-effect="non-scaling-stroke" d="M{scale.x(low)} 12H{scale.x(high)}"/>'
    )
    parts.append(f'<path class="point" vector-effect="non-scaling-stroke" d="M{scale.x(middle)} 12h.01"/>')
    return Markup(
        f'<svg class="bar-in {escape(kind)}" viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true">'
        + "".join(parts)
        + "</svg>"
    )


def over(values: Sequence[float], pad: float = 0.06) -> Scale:
    """A scale of 0 to 100 that holds all of some amounts above 0, with a little room."""
    logs = [math.log(v) for v in values if v > 0]
    room = max((max(logs) - min(logs)) * pad, 0.02)
    return Scale(math.exp(min(logs) - room), math.exp(max(logs) + room), 0, 100)


def by_year(rows: Sequence[tuple[str, float, float, float]], level: float, *, width: int = 960) -> Markup:
    """Coverage a year as (year, share, low, high), shares of 1, against the level that was promised."""
    narrow = width < 600
    left, right, top, base = 52.0, width - 12.0, 16.0, 196.0

    def y(share: float) -> float:
        return round(base - (min(max(share, 0.4), 1.0) - 0.4) / 0.6 * (base - top), 1)

    step = (right - left) / max(len(rows), 1)
    parts = []
    for share in (0.4, 0.6, 0.8, 1.0):
        parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{y(share)}" y2="{y(share)}"/>')
        parts.append(
            f'<text class="tick" x="{left - 8}" y="{y(share) + 4}" text-anchor="end">{share:.0%}</text>'
        )
    parts.append(f'<line class="promise" x1="{left}" x2="{right}" y1="{y(level)}" y2="{y(level)}"/>')
    every = max(1, math.ceil(len(rows) * (44 if narrow else 48) / (right - left)))
    for number, (name, share, low, high) in enumerate(rows):
        x = round(left + (number + 0.5) * step, 1)
        kind = "reach" if low <= level <= high else "reach off"
        parts.append(f'<line class="{kind}" x1="{x}" x2="{x}" y1="{y(low)}" y2="{y(high)}"/>')
        parts.append(f'<circle class="dot" cx="{x}" cy="{y(share)}" r="5"/>')
        if number % every == 0:
            parts.append(
                f'<text class="tick" x="{x}" y="{base + 22}" text-anchor="middle">{escape(name)}</text>'
            )
    said = f"Share of films inside the {level:.0%} interval, by year: " + ", ".join(
        f"{name} {share:.0%}" for name, share, _, _ in rows
    )
    return _svg(parts, width, base + 32, said, "narrow" if narrow else "broad")


def _scale(
    amounts: Sequence[float],
    beside: Sequence[Beside],
    line: tuple[str, float] | None,
    width: int,
    narrow: bool,
) -> Scale:
    """All dots, and of the films and the line what lies within a factor of ten of them."""
    low, high = amounts[0], amounts[-1]
    more = [film.amount for film in beside] + ([line[1]] if line else [])
    near = [amount for amount in more if low / 10 <= amount <= high * 10]
    side = 24.0
    return Scale(min([low, *near]) / 1.25, max([high, *near]) * 1.25, side, width - side)


def _stacked(places: Sequence[float], size: float) -> list[tuple[float, list[float]]]:
    """Dots no wider apart than one, put on one another (Wilkinson, "Dot plots", 1999): (x, its dots), left to right."""
    stacks: list[list[float]] = []
    for x in places:
        if stacks and x - stacks[-1][0] < size:
            stacks[-1].append(x)
        else:
            stacks.append([x])
    made: list[tuple[float, list[float]]] = []
    for stack in stacks:
        middle = (stack[0] + stack[-1]) / 2
        if made:  # a stack has moved towards its own middle: it may not stand in its neighbour
            middle = max(middle, made[-1][0] + size)
        made.append((middle, stack))
    return made


def _mark(
    scale: Scale, amount: float, said: str, kind: str, top: float, base: float, text: float
) -> list[str]:
    x = scale.x(amount)
    reach = 4.2 * len(said)
    anchor = "start" if x - reach < scale.left else "end" if x + reach > scale.right else "middle"
    return [
        f'<line class="mark-{kind}" x1="{x}" x2="{x}" y1="{top}" y2="{base}"/>',
        f'<text class="said-{kind}" x="{x}" y="{text}" text-anchor="{anchor}">{escape(said)}</text>',
    ]


def _film(scale: Scale, film: Beside, y: float, narrow: bool) -> list[str]:
    """A diamond with the film's name on the side that has more room; a wedge where it lies beyond the scale."""
    x, letter = scale.x(film.amount), 7.2 if narrow else 8.4  # pixels of a wide sans
    before, after = x - 12 - scale.left, scale.right - x - 12
    said = f", {money(film.amount)}"
    room = int(max(before, after) / letter) - len(said)
    name = film.name if len(film.name) <= room else film.name[: max(room - 1, 1)].rstrip() + "…"
    right = after >= len(name + said) * letter or after >= before
    at, anchor = (x + 12, "start") if right else (x - 12, "end")
    inside = scale.low <= film.amount <= scale.high
    turned = 5 if film.amount > scale.high else -5
    shape = (
        f'<rect class="film" x="{x - 4:.1f}" y="{y - 4}" width="8" height="8" transform="rotate(45 {x} {y})"/>'
        if inside
        else f'<path class="film" d="M{x - turned} {y - 5}l{2 * turned} 5l{-2 * turned} 5z"/>'
    )
    return [
        shape,
        f'<text class="name" x="{at:.1f}" y="{y + 4.5}" text-anchor="{anchor}">{escape(name + said)}</text>',
    ]


def _svg(parts: Sequence[str], width: float, height: float, said: str, kind: str) -> Markup:
    return Markup(
        f'<svg class="pitch-plot {kind}" role="img" viewBox="0 0 {width} {height:.0f}" aria-label="{escape(said)}">'
        + "".join(parts)
        + "</svg>"
    )
