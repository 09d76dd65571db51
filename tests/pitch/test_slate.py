from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cineloop.errors import InputError
from cineloop.pitch.candidates import SlateBrief, outcomes, problem
from cineloop.pitch.correlation import Correlation, Share, correlations, ranks, stated
from cineloop.pitch.frontier import always, budgets, frontier
from cineloop.pitch.predictive import Predictive
from cineloop.pitch.rules import Problem, Rule, clash
from cineloop.pitch.selection import choose
from cineloop.pitch.slate import Slate, slate

# --- how titles move together -------------------------------------------------------------------------------


def residuals(
    rng: np.random.Generator, market: float, genre: float, years: int, genres: int, each: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Residuals with a mean of 0.3 and a deviation of 1.2 whose shares of variance are known."""
    year = np.repeat(np.arange(years), rng.integers(*each, years))
    kind = rng.integers(0, genres, len(year))
    market_part = rng.normal(size=years)[year] * math.sqrt(market)
    genre_part = rng.normal(size=(years, genres))[year, kind] * math.sqrt(genre)
    own = rng.normal(size=len(year)) * math.sqrt(1 - market - genre)
    return 0.3 + 1.2 * (market_part + genre_part + own), year, kind


def test_shares_of_variance_are_the_analysis_of_variance_where_cells_are_equal() -> None:
    """Balanced nested design, 6 years x 4 genres x 5 titles: the mean squares of the textbook (Searle 1992)."""
    rng = np.random.default_rng(0)
    cube = rng.normal(size=(6, 1, 1)) * 0.8 + rng.normal(size=(6, 4, 1)) * 0.6 + rng.normal(size=(6, 4, 5))
    cells, years = cube.mean(axis=2), cube.mean(axis=(1, 2))
    within = ((cube - cells[..., None]) ** 2).sum() / (6 * 4 * 4)
    between_cells = 5 * ((cells - years[:, None]) ** 2).sum() / (6 * 3)
    between_years = 20 * ((years - cube.mean()) ** 2).sum() / 5
    genre, market = (between_cells - within) / 5, (between_years - between_cells) / 20
    year, kind = np.repeat(np.arange(6), 20), np.tile(np.repeat(np.arange(4), 5), 6)
    found = correlations(cube.ravel(), year, kind, draws=200)
    total = market + genre + within
    assert found.market.value == pytest.approx(market / total)
    assert found.genre.value == pytest.approx(genre / total)
    assert found.spread == pytest.approx(math.sqrt(total))
    assert (found.years, found.cells, found.n) == (6, 24, 120)


@pytest.mark.parametrize(("market", "genre"), [(0.0, 0.0), (0.05, 0.03), (0.2, 0.1)])
def test_shares_that_are_known_are_found_and_their_intervals_hold_them(market: float, genre: float) -> None:
    """12 simulations: unbiased within 3 standard errors; at a true cover of 95%, 8 inside or fewer is 1 in 500."""
    found = [
        correlations(*residuals(np.random.default_rng(i), market, genre, 12, 6, (30, 70)), draws=400)
        for i in range(12)
    ]
    for name, truth in (("market", market), ("genre", genre)):
        shares = [getattr(f, name) for f in found]
        assert sum(s.low <= truth <= s.high for s in shares) >= 9
        assert all(s.low <= s.value <= s.high for s in shares)
        if truth > 0.1:
            values = np.array([s.value for s in shares])
            assert abs(values.mean() - truth) < 3 * values.std(ddof=1) / math.sqrt(12)
    spreads = np.array([f.spread for f in found])
    assert abs(spreads.mean() - 1.2) < 3 * max(spreads.std(ddof=1) / math.sqrt(12), 0.01)


def test_a_design_that_shows_no_market_or_no_genre_is_refused() -> None:
    with pytest.raises(InputError, match="3 or more"):
        correlations([0.0, 1.0, 2.0, 3.0], [1, 1, 2, 2], ["a", "b", "a", "b"])
    with pytest.raises(InputError, match="told apart"):
        correlations([0.0, 1.0, 2.0], [1, 2, 3], ["a", "b", "c"])
    with pytest.raises(InputError, match=r"up to 0\.98"):
        stated(0.6, 0.5)


def test_ranks_are_uniform_and_correlate_as_stated() -> None:
    """Correlation of normal scores: market + genre within a cell, market within a year, none between years."""
    from scipy.special import ndtri
    from scipy.stats import kstest

    drawn = ranks(stated(0.3, 0.2), ["a", "b", "c", "d"], [1, 1, 1, 2], ["x", "x", "y", "x"], 40_000, seed=5)
    assert all(kstest(row, "uniform").pvalue > 0.001 for row in drawn)
    found = np.corrcoef(ndtri(drawn))
    wanted = [[1, 0.5, 0.3, 0], [0.5, 1, 0.3, 0], [0.3, 0.3, 1, 0], [0, 0, 0, 1]]
    assert np.abs(found - wanted).max() < 0.02  # 4 standard errors of a correlation


def test_a_title_keeps_its_chances_when_others_come_and_go() -> None:
    shares = stated(0.1, 0.1)
    both = ranks(shares, ["a", "b"], [1, 1], ["x", "y"], 500)
    alone = ranks(shares, ["b"], [1], ["y"], 500)
    assert np.array_equal(both[1], alone[0])
    assert not np.array_equal(alone, ranks(shares, ["b"], [1], ["y"], 500, seed=1))


# --- the choice, against every set there is -------------------------------------------------------------------


def tail_loss(profit: np.ndarray, tail: float) -> float:
    """Rockafellar & Uryasev's definition, minimised over the thresholds that can be the minimum."""
    return min(t + np.maximum(-profit - t, 0).mean() / tail for t in -profit)


def best_of_all(
    asked: Problem, reward: float, risk: float, cap: float = math.inf
) -> tuple[float, tuple[bool, ...]]:
    found = (-math.inf, ())
    for flags in itertools.product([False, True], repeat=len(asked.names)):
        taken = np.array(flags)
        totals = [(r.weights[taken].sum(), r) for r in asked.rules]
        if any(not r.low - 1e-9 <= total <= r.high + 1e-9 for total, r in totals):
            continue
        profit = asked.profits[taken].sum(axis=0)
        lost = tail_loss(profit, asked.tail)
        if lost <= cap:
            found = max(found, (reward * profit.mean() - risk * lost, flags))
    return found


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    n, s = draw(st.integers(1, 7)), draw(st.integers(5, 30))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    cost = rng.integers(1, 20, n).astype(float)
    shock = rng.normal(size=s)
    profits = cost[:, None] * (rng.normal(0.3, 0.5, (n, 1)) + 0.7 * shock + rng.standard_t(3, (n, s)))
    kinds = rng.integers(0, 3, n)
    rules = [Rule("budget", cost, -np.inf, float(draw(st.integers(0, 60))))]
    if draw(st.booleans()):
        rules.append(Rule("most of kind 0", (kinds == 0).astype(float), -np.inf, draw(st.integers(0, 2))))
    if draw(st.booleans()):
        rules.append(Rule("least of kind 1", (kinds == 1).astype(float), draw(st.integers(0, 2)), np.inf))
    if draw(st.booleans()):
        rules.append(Rule("must", np.eye(n)[0], 1, np.inf))
    names = tuple(f"t{i}" for i in range(n))
    return Problem(names, profits, tuple(rules), draw(st.sampled_from([0.05, 0.21, 0.5, 1.0])))


@settings(max_examples=40, deadline=None)
@given(problems(), st.sampled_from([(1.0, 0.0), (1.0, 0.4), (1.0, 3.0), (0.0, 1.0)]))
def test_the_choice_is_the_best_of_all_sets(asked: Problem, weights: tuple[float, float]) -> None:
    best, _ = best_of_all(asked, *weights)
    if best == -math.inf:
        with pytest.raises(InputError, match="no slate keeps these rules together"):
            choose(asked, reward=weights[0], risk=weights[1])
        return
    found = choose(asked, reward=weights[0], risk=weights[1])
    scale = np.abs(asked.profits).mean(axis=1).max()
    assert found.proven
    assert found.value == pytest.approx(best, abs=2e-6 * scale)
    assert found.bound >= best - 2e-6 * scale
    profit = asked.profits[found.taken].sum(axis=0)
    assert found.cvar == pytest.approx(tail_loss(profit, asked.tail), abs=1e-9 * scale)
    assert all(r.low - 1e-9 <= r.weights[found.taken].sum() <= r.high + 1e-9 for r in asked.rules)


@settings(max_examples=25, deadline=None)
@given(problems(), st.floats(0.0, 1.0))
def test_under_a_cap_the_choice_is_the_best_of_all_sets_that_are_as_safe(asked: Problem, part: float) -> None:
    if best_of_all(asked, 1.0, 0.0)[0] == -math.inf:
        return
    safest, widest = -best_of_all(asked, 0.0, 1.0)[0], choose(asked).cvar
    scale = float(np.abs(asked.profits).mean(axis=1).max())
    cap = safest + part * (widest - safest) + 1e-4 * scale
    found = choose(asked, cap=cap)
    assert found.cvar <= cap + 2e-6 * scale
    # a set just past the cap may pass for within it, by the tolerance that the module states
    best, most = best_of_all(asked, 1.0, 0.0, cap)[0], best_of_all(asked, 1.0, 0.0, cap + 2e-6 * scale)[0]
    assert best - 2e-6 * scale <= found.value <= most + 2e-6 * scale
    with pytest.raises(InputError, match="no slate is as safe"):
        choose(asked, cap=safest - 0.01 * scale)


def knapsack() -> Problem:
    """Four titles that never vary: by profit per dollar a, b fill 8 of 10 for 13; c and d fill it for 15."""
    profits = np.array([[8.0], [5.0], [9.0], [6.0]])
    cost = np.array([4.0, 4.0, 6.0, 4.0])
    return Problem(("a", "b", "c", "d"), profits, (Rule("budget", cost, -np.inf, 10),))


def test_a_knapsack_worked_by_hand() -> None:
    found = choose(knapsack())
    assert found.taken.tolist() == [True, False, True, False] and found.value == 17.0
    assert choose(knapsack(), risk=2.0).value == 51.0  # CVaR is −17: profit that is certain counts thrice


def test_a_set_that_keeps_a_rule_only_by_rounding_is_not_taken() -> None:
    """Both cost 1e-8 of the budget too much together: within HiGHS' tolerance, but above."""
    cost = np.array([50.0, 50.000001])
    both = Problem(("a", "b"), np.array([[3.0], [2.0]]), (Rule("budget", cost, -np.inf, 100.0),))
    assert choose(both).taken.tolist() == [True, False]
    assert choose(both, risk=1.0).taken.tolist() == [True, False]


def test_rules_that_clash_are_named_and_no_others() -> None:
    cost = np.array([4.0, 4.0, 6.0])
    rules = (
        Rule("budget", cost, -np.inf, 9.0),
        Rule("at most 2 titles", np.ones(3), -np.inf, 2),
        Rule("must make a", np.array([1.0, 0, 0]), 1, np.inf),
        Rule("must make c", np.array([0, 0, 1.0]), 1, np.inf),
    )
    asked = Problem(("a", "b", "c"), np.ones((3, 1)), rules)
    assert set(clash(asked)) == {"budget", "must make a", "must make c"}
    with pytest.raises(InputError, match="budget; must make a; must make c"):
        choose(asked)
    assert clash(asked.without("must make c")) == ()


# --- the frontier -------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(problems())
def test_no_slate_beats_a_point_of_the_frontier_in_both(asked: Problem) -> None:
    if best_of_all(asked, 1.0, 0.0)[0] == -math.inf:
        return
    points = frontier(asked, asked.profits, points=4)
    scale = float(np.abs(asked.profits).mean(axis=1).max())
    for point in points:
        better, _ = best_of_all(asked, 1.0, 0.0, point.cvar)
        assert better <= point.expected + 3e-6 * scale
        assert point.fresh_expected == pytest.approx(point.expected)
    assert all(a.cvar < b.cvar and a.expected < b.expected for a, b in itertools.pairwise(points))
    assert points[-1].expected == pytest.approx(best_of_all(asked, 1.0, 0.0)[0])
    assert points[0].cvar == pytest.approx(-best_of_all(asked, 0.0, 1.0)[0], abs=3e-6 * scale)
    assert set(always(points)) <= set.intersection(
        *(set(p.titles) for p in points if p.titles), set(asked.names)
    )


def test_what_more_budget_brings_by_hand() -> None:
    """8 for 4 (a), 14 for 8 (a, d), 17 for 10 (a, c), 23 for 14 (a, c, d): (14−8)/4, (17−14)/2, (23−17)/4."""
    steps = budgets(knapsack(), "budget", [4.0, 8.0, 10.0, 14.0])
    assert [s.value for s in steps] == [8.0, 14.0, 17.0, 23.0]
    assert [s.per_dollar for s in steps[1:]] == [1.5, 1.5, 1.5]
    assert steps[3].titles == ("a", "c", "d") and math.isnan(steps[0].per_dollar)
    with pytest.raises(InputError, match="rise"):
        budgets(knapsack(), "budget", [8.0, 4.0])


# --- the whole ------------------------------------------------------------------------------------------------

TOML = """
budget = 100e6
share = 0.5
marketing = 0.4
risk = 0.5
scenarios = 400
correlation = {market = 0.1, genre = 0.1}
capacity = {"2027" = 2}
limit = [{by = "genre", value = "Drama", at_least = 1}, {by = "language", value = "fr", of = "cost", at_most = 30e6}]
"""


def brief_file(folder: Path, extra: str = "") -> Path:
    rng = np.random.default_rng(4)
    text = TOML + extra
    for i in range(9):
        cost = round(float(rng.uniform(10, 45)), 1)
        median = cost * float(rng.uniform(1.8, 4.5))
        text += f'\n[[candidate]]\nname = "title {i}"\ncost = {cost}e6\nyear = {2027 + i % 2}\n'
        text += f'genre = "{["Action", "Drama", "Horror"][i % 3]}"\nperiod = "{2027 + i % 2}"\n'
        text += f'segments = {{language = "{"fr" if i % 4 == 0 else "en"}"}}\n'
        text += f"gross = {{low = {median / 4}e6, median = {median}e6, high = {median * 4}e6}}\n"
    path = folder / "slate.toml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def brief(tmp_path_factory: pytest.TempPathFactory) -> SlateBrief:
    return SlateBrief.read(brief_file(tmp_path_factory.mktemp("slate")))


@pytest.fixture(scope="module")
def answer(brief: SlateBrief) -> Slate:
    return slate(brief, points=3, replicates=3)


def test_a_slate_is_the_best_of_all_and_says_how_sure_it_is(brief: SlateBrief, answer: Slate) -> None:
    asked = problem(brief, outcomes(brief, {}, None))
    best, flags = best_of_all(asked, 1.0, 0.5)
    assert answer.titles == tuple(n for n, taken in zip(asked.names, flags, strict=True) if taken)
    assert answer.planned_expected - 0.5 * answer.planned_cvar == pytest.approx(best)
    assert answer.proven and answer.gap < 1e-6 * brief.budget
    assert answer.cost <= 100e6 and answer.overrun == 0.0  # costs that are certain can't pass the budget
    # every part of the answer on the same fresh scenarios
    assert sum(p.expected for p in answer.chosen) == pytest.approx(answer.expected)
    assert sum(p.in_tail for p in answer.chosen) == pytest.approx(-answer.cvar)
    planned = answer.planned_expected - 0.5 * answer.planned_cvar
    assert answer.optimism == pytest.approx(planned - (answer.expected - 0.5 * answer.cvar))
    assert answer.interval[0] < answer.expected < answer.interval[1]
    assert 0 <= answer.regret <= answer.regret_high < 0.2 * abs(best)
    assert answer.frontier and set(answer.always) <= set(answer.frontier[-1].titles)


def test_a_rule_binds_where_the_best_of_all_without_it_is_better(brief: SlateBrief, answer: Slate) -> None:
    asked = problem(brief, outcomes(brief, {}, None))
    best = best_of_all(asked, 1.0, 0.5)[0]
    worth = {r.name: best_of_all(asked.without(r.name), 1.0, 0.5)[0] - best for r in asked.rules}
    wanted = {name: value for name, value in worth.items() if value > 1e-6 * brief.budget}
    assert {p.rule: p.worth for p in answer.binding} == pytest.approx(wanted, abs=10.0)
    assert "budget" in wanted


def test_the_same_brief_in_another_order_is_the_same_slate(brief: SlateBrief, answer: Slate) -> None:
    turned = brief.model_copy(update={"candidate": brief.candidate[::-1]})
    again = slate(turned, points=0, prices=False, replicates=3)
    parts = ("chosen", "expected", "cvar_correlated", "interval", "bound", "regret_high")
    assert [getattr(again, p) for p in parts] == [getattr(answer, p) for p in parts]


def test_titles_that_move_together_risk_more(brief: SlateBrief) -> None:
    alone = brief.model_copy(update={"correlation": None})
    apart, close = (
        problem(alone, outcomes(alone, {}, stated(*shares))).profits.sum(axis=0)
        for shares in ((0.0, 0.0), (0.6, 0.2))
    )
    assert tail_loss(close, 0.05) > 1.2 * tail_loss(apart, 0.05)  # of all nine together
    close = slate(alone, {}, stated(0.6, 0.2), points=0, prices=False, replicates=0)
    assert math.isnan(close.regret) and close.frontier == () and close.binding == ()
    with pytest.raises(InputError, match="correlation"):
        slate(alone, {})


def test_the_upper_end_of_an_estimate_shows_what_it_may_cost(brief: SlateBrief) -> None:
    """All nine titles, in years and genres that go together: more so, the wider the estimate's interval."""
    titles = tuple(c.model_copy(update={"must": True}) for c in brief.candidate)
    every = {"candidate": titles, "budget": 1e9, "correlation": None, "limit": (), "capacity": {}}
    unsure = Correlation(Share(0.05, 0.0, 0.5), Share(0.05, 0.0, 0.3))
    found = slate(brief.model_copy(update=every), {}, unsure, points=0, prices=False, replicates=0)
    assert len(found.chosen) == 9
    assert found.cvar_correlated > found.cvar + 0.2 * abs(found.cvar)


def test_profit_is_the_share_of_the_gross_less_cost_and_marketing(brief: SlateBrief) -> None:
    """A gross that is certain, 200M: 0.5 x 200 − 60 − 0.4 x 60 = 16M; a range of cost moves the mean by its own."""
    certain = {"low": 200e6, "median": 200e6, "high": 200e6}
    title = {"name": "a", "cost": 60e6, "year": 2027, "genre": "Drama", "gross": certain}
    plain = {"budget": 1e8, "share": 0.5, "marketing": 0.4, "correlation": {"market": 0, "genre": 0}}
    sure = outcomes(SlateBrief.checked({**plain, "candidate": [title]}), {}, None)
    assert sure.profits == pytest.approx(np.full((1, 1000), 16e6))
    spread = {**title, "cost_range": {"low": 54e6, "median": 60e6, "high": 72e6}}
    unsure = outcomes(SlateBrief.checked({**plain, "candidate": [spread]}), {}, None)
    assert unsure.profits + unsure.costs == pytest.approx(np.full((1, 1000), 76e6))
    assert np.quantile(unsure.costs, [0.1, 0.5, 0.9]) == pytest.approx([54e6, 60e6, 72e6], rel=0.01)


def test_a_forecast_stands_in_for_a_stated_gross(brief: SlateBrief) -> None:
    first = brief.ordered[0]
    assert first.gross is not None
    silent = first.model_copy(update={"gross": None})
    asked = brief.model_copy(update={"candidate": (silent, *brief.ordered[1:])})
    with pytest.raises(InputError, match="candidate title 0: no outcome known"):
        outcomes(asked, {}, None)
    given_one = outcomes(asked, {first.name: first.gross.predictive()}, None)
    assert np.array_equal(given_one.profits, outcomes(brief, {}, None).profits)
    two = Predictive(np.array([0.1, 0.9]), np.zeros((2, 2)))
    with pytest.raises(InputError, match="title 0"):
        outcomes(asked, {first.name: two}, None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('capacity = {"2031" = 1}', "2031"),
        ("titles = -1", "titles -1"),
        ("oops = 1", "oops"),
        ('limit = [{by = "genre", value = "Western", at_most = 1}]', "Western"),
        ('limit = [{by = "genre", value = "Drama"}]', "at_least or at_most"),
        ("tail = 0.001", "fewer than 5"),
    ],
)
def test_a_brief_that_makes_no_sense_is_refused_in_a_line(tmp_path: Path, change: str, said: str) -> None:
    path = brief_file(tmp_path)
    key = change.split(" = ")[0]
    kept = "\n".join(line for line in path.read_text().splitlines() if not line.startswith(f"{key} = "))
    path.write_text(change + "\n" + kept)
    with pytest.raises(InputError) as refused:
        SlateBrief.read(path)
    assert (
        said in str(refused.value) and "\n" not in str(refused.value) and "slate.toml" in str(refused.value)
    )


def test_a_title_twice_or_a_spread_that_falls_is_refused(brief: SlateBrief) -> None:
    values = brief.model_dump()
    with pytest.raises(InputError, match="two candidates named 'title 0'"):
        SlateBrief.checked({**values, "candidate": [values["candidate"][0]] * 2})
    with pytest.raises(InputError, match="have to rise"):
        falling = {**values["candidate"][0], "gross": {"low": 2.0, "median": 1.0, "high": 3.0}}
        SlateBrief.checked({**values, "candidate": [falling]})
    with pytest.raises(InputError, match="must and never"):
        SlateBrief.checked({**values, "candidate": [{**values["candidate"][0], "must": True, "never": True}]})


def test_of_a_group_at_most_one_is_made_and_musts_are(brief: SlateBrief) -> None:
    titles = [
        c.model_copy(update={"group": "saga" if i in (6, 7, 8) else None, "must": i == 3, "never": i == 5})
        for i, c in enumerate(brief.ordered)
    ]
    found = slate(
        brief.model_copy(update={"candidate": tuple(titles)}), points=0, prices=False, replicates=0
    ).titles
    assert len({"title 6", "title 7", "title 8"} & set(found)) <= 1
    assert "title 3" in found and "title 5" not in found
