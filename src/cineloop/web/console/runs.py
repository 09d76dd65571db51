"""Runs: the list, one run, and evaluations held against each other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from markupsafe import Markup

from cineloop.errors import InputError, MissingExtra
from cineloop.lab import Lab
from cineloop.lab.evaluation import Cell, Evaluation
from cineloop.lab.plots import interval_plot
from cineloop.play.report import protocol_title
from cineloop.play.shelf import HOME
from cineloop.web.console.kept import kept_of
from cineloop.web.console.pages import Missing, page, studio_of

METRICS = ("ndcg@100", "ndcg@10", "recall@20")
MOST = 6


def add(router: APIRouter) -> None:
    """Add this family's pages."""
    router.add_api_route("/console/runs", runs, methods=["GET"])
    router.add_api_route("/console/compare", compare, methods=["GET"])
    router.add_api_route("/console/runs/{id}", one, methods=["GET"])


def runs(request: Request) -> Response:
    """All runs, newest first, and the evaluations to choose from."""
    lab = studio_of(request).lab
    live = lab.live(HOME)
    groups: dict[str, list[Evaluation]] = {}
    for each in reversed(lab.evaluations()):
        groups.setdefault(f"{described(each)}|{each.snapshot[:8]}", []).append(each)
    return page(
        "runs.html", "runs", "Runs", runs=lab.runs()[::-1], live=None if live is None else live.id,
        # the naive baseline first: differences are taken to the first that is chosen
        groups=[
            (key.split("|")[0], sorted(found, key=lambda e: (e.contender != "popularity", e.contender)))
            for key, found in groups.items()
        ],
    )  # fmt: skip


def one(request: Request, id: str) -> Response:
    """One run: what it was made from and how it was judged."""
    lab = studio_of(request).lab
    try:
        run = lab.run(id)
    except InputError:
        raise Missing(
            "No such run", f"No run's id starts with “{id[:80]}”, or several do.", "/console/runs", "All runs"
        ) from None
    live = lab.live(HOME)
    return page(
        "run.html", "runs", run.label, run=run, live=live is not None and live.id == run.id, knobs=flat(run.knobs),
        evaluations=[(e, described(e)) for e in lab.evaluations() if run.id in e.runs],
        history=[p for p in reversed(lab.history()) if p.run == run.id],
    )  # fmt: skip


def compare(request: Request, e: Annotated[list[str] | None, Query()] = None) -> Response:
    """Two or more evaluations under one protocol: means with intervals, and paired differences to the first."""
    lab = studio_of(request).lab
    chosen = list(dict.fromkeys(e or []))[:MOST]
    try:
        judged = [lab.evaluation(id) for id in chosen]
    except InputError as bad:
        raise Missing("No such evaluation", str(bad), "/console/runs", "Choose evaluations") from None
    wrong = None
    if len(judged) < 2:
        wrong = "Choose at least two evaluations of one protocol."
    elif len({(each.protocol_id, each.snapshot) for each in judged}) > 1:
        wrong = (
            "These were judged under different protocols or on different data: their scores can't be paired."
        )
    if wrong:
        return page("sorry.html", "runs", "Nothing to compare", 422, heading="Nothing to compare", text=wrong,
                    href="/console/runs", link="Choose evaluations")  # fmt: skip
    shared = [m for m in judged[0].metrics if all(m in each.metrics for each in judged)]
    metrics = [m for m in METRICS if m in shared] or shared[:3]
    names = distinct(judged)
    # evaluations are named by their content; the intervals of their means come from thousands of resamples
    key = ("compared", tuple(each.id for each in judged), tuple(metrics))
    cells, means, differences = kept_of(request).once(key, lambda: drawn(lab, judged, metrics, names))
    return page(
        "compare.html", "runs", "Compared", judged=judged, metrics=metrics, names=names, protocol=described(judged[0]),
        cells={(c.evaluation, c.metric): c for c in cells}, means=means, differences=differences,
    )  # fmt: skip


def drawn(
    lab: Lab, judged: Sequence[Evaluation], metrics: Sequence[str], names: Mapping[str, str]
) -> tuple[list[Cell], Markup, Markup]:
    """Means and differences to the first, and both as plots."""
    cells = lab.table(judged, metrics, judged[0])
    means = [
        (m, [(names[c.evaluation], c.score.mean, c.score.low, c.score.high) for c in cells if c.metric == m])
        for m in metrics
    ]
    differences = [
        (
            m,
            [
                (names[c.evaluation], d.mean, d.low, d.high)
                for c in cells
                if c.metric == m and (d := c.difference)
            ],
        )
        for m in metrics
    ]
    to = f"Paired differences to {names[judged[0].id]}"
    return (
        cells,
        plot(means, label="Means with 95% intervals, a row an evaluation"),
        plot(differences, label=to, zero=True),
    )


def distinct(judged: Sequence[Evaluation]) -> dict[str, str]:
    """evaluation -> the contender's name, with the start of the id where several share it."""
    names = [each.contender for each in judged]
    return {
        e.id: e.contender if names.count(e.contender) == 1 else f"{e.contender} {e.id[:6]}" for e in judged
    }


def described(of: Evaluation) -> str:
    """An evaluation's protocol in words, also where an outside system named it."""
    try:
        return protocol_title(of.protocol)
    except KeyError:
        return f"{of.protocol.get('name', 'a protocol of its own')} ({of.stage})"


def plot(
    panels: Sequence[tuple[str, Sequence[tuple[str, float, float, float]]]], *, label: str, zero: bool = False
) -> Markup:
    """An interval plot as markup; nothing where plots are not installed, since the table says the same."""
    try:
        return Markup(attributed(interval_plot(panels, label=label, zero=zero)))
    except MissingExtra:
        return Markup("")


def attributed(svg: str) -> str:
    """An SVG whose styles are attributes of their own, as the content security policy asks for.

    >>> attributed('<path style="fill: none; stroke: var(--line)"/><style>* {}</style>')
    '<path fill="none" stroke="var(--line)"/>'
    """
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)

    def attributes(found: re.Match[str]) -> str:
        pairs = (part.split(":", 1) for part in found[1].split(";") if ":" in part)
        return " ".join(f'{name.strip()}="{value.strip()}"' for name, value in pairs)

    return re.sub(r'style="([^"]*)"', attributes, svg)


def flat(knobs: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested knobs as (dotted name, value).

    >>> flat({"l2": 1.0, "signals": {"like": 0.5}})
    [('l2', 1.0), ('signals.like', 0.5)]
    """
    found: list[tuple[str, Any]] = []
    for name, value in knobs.items():
        found += flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(prefix + name, value)]
    return found
