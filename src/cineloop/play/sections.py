"""The wing's sections of an HTML report: the log, how good the recipes are, the gate, one member's home."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import polars as pl
from markupsafe import Markup

from cineloop.guard import Decision
from cineloop.lab.plots import bar_plot, interval_plot, scatter_plot
from cineloop.lab.report import Section, templates
from cineloop.play.comparison import Comparison
from cineloop.play.contend import Contest
from cineloop.play.home import Home
from cineloop.play.report import in_order, protocol_title
from cineloop.play.shelf import HOME
from cineloop.play.signals import Signals
from cineloop.studio import Studio


def log_section(studio: Studio) -> Section:
    """What the newest snapshot holds, and when it happened."""
    view, snapshot = studio.view(), studio.store.head()
    behaviour = ("plays", "feedback")
    when = pl.concat([view.table(name).select("happened_at") for name in behaviour]).drop_nulls().collect()
    by_month = (
        when.group_by(pl.col("happened_at").dt.truncate("1mo").alias("month")).len().sort("month").rows()
    )
    months = (
        bar_plot(
            [(f"{month:%b %Y}", float(count)) for month, count in by_month],
            label=f"Rows of behaviour a month, from {by_month[0][0]:%B %Y} to {by_month[-1][0]:%B %Y}",
            unit="rows a month",
        )
        if by_month
        else ""
    )
    refused = sum(counts.rejected for each in snapshot.ingestions for counts in each.tables.values())
    body = (
        templates("cineloop.play")
        .get_template("log.html")
        .render(
            rows=sum(snapshot.rows(name) for name in behaviour),
            members=Signals().interactions(view)["member"].n_unique(),
            titles=snapshot.rows("titles"),
            first=when["happened_at"].min() or view.as_of,
            last=when["happened_at"].max() or view.as_of,
            rejected=refused,
            months=Markup(months),
            snapshot=snapshot.id[:16],
            licence="; ".join(sorted({each.licence for each in snapshot.ingestions})),
        )
    )
    return Section("log", "The log", Markup(body))


def quality_section(compared: Sequence[Comparison]) -> Section:
    """Every recipe under every protocol: plots of means with intervals, and the table behind them."""
    plots = [Markup(_means(each)) for each in compared]
    reach = (
        scatter_plot(
            [
                (s.contender, s.figures["coverage@20"].mean or 0.0, s.figures["ndcg@100"].mean or 0.0)
                for s in in_order(compared[0])
            ],
            label="Coverage of the catalogue against NDCG@100, a point a recipe",
            x="share of the catalogue in someone's top 20",
            y="NDCG@100",
        )
        if "coverage@20" in compared[0].metrics
        else ""
    )
    shown = [_only_means(each) for each in compared]
    body = (
        templates("cineloop.play")
        .get_template("quality.html")
        .render(compared=shown, plots=plots, reach=Markup(reach), order=in_order, title=protocol_title)
    )
    return Section("quality", "How good, on held-out plays", Markup(body))


def gate_section(studio: Studio, contest: Contest, *, kept: bool = False) -> Section:
    """Whether the chosen recipe went live, on which evidence, and the runs there are.

    `kept`: the very run that was chosen was live already, so nothing changed.
    """
    rows = [
        (s.contender, f.mean, f.low, f.high)
        for s in in_order(contest.validation)
        if (f := s.figures["ndcg@100"].difference) is not None
    ]
    found = contest.verdict.difference
    tested = [(contest.chosen, found.mean, found.low, found.high)]
    plot = interval_plot(
        [(f"validation days: NDCG@100 less that of {contest.against}", rows)]
        if rows
        else [("test days", tested)],
        label=f"Difference of NDCG@100 to {contest.against} on validation days, a row a recipe",
        zero=True,
    )
    live = studio.lab.live(HOME)
    body = (
        templates("cineloop.play")
        .get_template("gate.html")
        .render(
            contest=contest,
            said="Kept" if kept else "Promoted" if contest.verdict.promoted else "Refused",
            plot=Markup(plot),
            runs=[r for r in studio.lab.runs() if r.as_of == contest.run.as_of],
            live=None if live is None else live.id,
        )
    )
    return Section("gate", "The gate", Markup(body))


def home_section(decision: Decision[Home]) -> Section:
    """A home as shelves of typographic posters, each with its reason."""
    template = templates("cineloop.play").get_template("home.html")
    body = template.render(decision=decision, page=decision.answer, hue=hue)
    return Section("home", f"A home for {decision.answer.profile}", Markup(body))


def hue(title: str) -> int:
    """The poster's hue in degrees: always the same for the same title."""
    return int.from_bytes(hashlib.blake2b(title.encode(), digest_size=2).digest(), "big") % 360


def _means(compared: Comparison) -> str:
    panels = []
    for metric in compared.metrics:
        rows = [
            (s.contender, f.mean or 0.0, f.interval.low, f.interval.high)
            for s in in_order(compared)
            if (f := s.figures[metric]).interval is not None and f.interval is not None
        ]
        if rows:
            panels.append((metric, rows))
    return interval_plot(
        panels, label=f"{protocol_title(compared.protocol)}: means and intervals of every recipe"
    )


def _only_means(compared: Comparison) -> Comparison:
    """Without the figures of all lists together, which have no interval and a plot of their own."""
    metrics = tuple(m for m in compared.metrics if not m.startswith(("coverage", "gini")))
    return replace(compared, metrics=metrics)
