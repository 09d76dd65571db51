"""Editors' hand: which acts hold (against an oracle that looks at them one by one), and what they do to a page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from service_log import at, crowd, play, studio_of

from cineloop.errors import InputError
from cineloop.lab.recipe import make
from cineloop.play.brief import HomeRequest
from cineloop.play.decide import home
from cineloop.play.editorial import Editorial, Hand
from cineloop.play.edits import Act, act_id, editorial, read_acts, row_acts, withdrawals, write
from cineloop.play.home import Card, Home, Row
from cineloop.play.recommend import recommended
from cineloop.store import append
from cineloop.store.check import check, conform
from cineloop.studio import Studio

NOW = datetime(2026, 4, 11, tzinfo=UTC)
ME = [play("me", f"film-{i}", 60 + i) for i in (0, 3, 6, 9)]  # comedies


def day(n: int) -> datetime:
    return NOW + timedelta(days=n)


def rows(acts: Sequence[dict[str, Any]]) -> pl.DataFrame:
    said = [{"by": "Ada", "known_at": day(-10)} | act for act in acts]
    return (
        conform("editorial", pl.DataFrame(said, infer_schema_length=None))
        if said
        else conform("editorial", pl.DataFrame({"id": []}, schema={"id": pl.String}))
    )


def hand(acts: Sequence[dict[str, Any]], territory: str | None = None) -> Hand:
    return Editorial.of(rows(acts)).at(NOW, territory)


# what holds ---------------------------------------------------------------------------------------------------------

maybe_day = st.one_of(st.none(), st.integers(-3, 3).map(day))
an_act = st.fixed_dictionaries(
    {
        "id": st.sampled_from("abcdefg"),
        "kind": st.sampled_from(["pin", "boost", "block", "row", "withdraw"]),
        "title": st.sampled_from(["t1", "t2", "t3", None]),
        "row": st.sampled_from(["r1", "r2", None]),
        "position": st.sampled_from([0, 1, None]),
        "territory": st.sampled_from([None, "DE", "FR"]),
        "starts_at": maybe_day,
        "ends_at": maybe_day,
        "known_at": st.integers(-9, -5).map(day),
    }
).map(lambda act: act | {"factor": 1.5, "heading": f"Heading {act['id']}"})


def sound(act: dict[str, Any]) -> bool:
    return not check("editorial", rows([act]))[1]


def oracle(acts: list[dict[str, Any]], territory: str | None) -> dict[str, Any]:
    """By hand, act by act: no sorting of frames, no filters."""
    last: dict[str, dict[str, Any]] = {}
    for act in acts:
        before = last.get(act["id"])
        if before is None or act["known_at"] > before["known_at"]:
            last[act["id"]] = act
    holds = []
    for act in last.values():
        in_time = (act["starts_at"] or NOW) <= NOW and (act["ends_at"] is None or act["ends_at"] > NOW)
        if act["kind"] != "withdraw" and in_time and act["territory"] in (None, territory):
            holds.append(act)
    blocked = {act["title"] for act in holds if act["kind"] == "block"}

    def beats(one: dict[str, Any], other: dict[str, Any]) -> bool:
        if one["known_at"] != other["known_at"]:
            return bool(one["known_at"] > other["known_at"])
        return bool(one["id"] < other["id"])

    def winner(acts: list[dict[str, Any]]) -> dict[str, Any]:
        best = acts[0]
        for act in acts[1:]:
            best = act if beats(act, best) else best
        return best

    pins, left = [], [a for a in holds if a["kind"] == "pin" and a["title"] not in blocked]
    while left:
        best = winner(left)
        place = (best["row"] or "top-picks", best["position"] or 0)
        pins.append((best["title"], *place))
        left = [
            a
            for a in left
            if a["title"] != best["title"] and (a["row"] or "top-picks", a["position"] or 0) != place
        ]
    boosted = {a["title"] for a in holds if a["kind"] == "boost"} - blocked
    found = []
    for name in ("r1", "r2"):
        defines = [a for a in holds if a["kind"] == "row" and a["row"] == name and a["title"] is None]
        members = {
            title: winner(
                [a for a in holds if a["kind"] == "row" and a["row"] == name and a["title"] == title]
            )
            for title in {a["title"] for a in holds if a["kind"] == "row" and a["row"] == name}
            if title is not None and title not in blocked
        }
        if defines and members:
            definition = winner(defines)
            found.append((name, definition["heading"], definition["position"], frozenset(members)))
    return {"pins": set(pins), "boosts": boosted, "blocked": blocked, "rows": set(found)}


@settings(max_examples=300, deadline=None)
@given(acts=st.lists(an_act.filter(sound), max_size=12), territory=st.sampled_from([None, "DE", "FR"]))
def test_what_holds_is_what_an_oracle_finds_act_by_act(
    acts: list[dict[str, Any]], territory: str | None
) -> None:
    once = list(
        {(a["id"], a["known_at"]): a for a in acts}.values()
    )  # rows of one id at one time: tested below
    found = hand(once, territory)
    assert {
        "pins": {(p.title, p.row, p.position) for p in found.pins},
        "boosts": set(found.boosts),
        "blocked": found.blocked,
        "rows": {(r.name, r.heading, r.position, frozenset(r.titles)) for r in found.rows},
    } == oracle(once, territory)
    assert found == hand(once[::-1], territory)  # the order of rows never counts


def test_the_last_known_row_of_an_id_counts_and_a_withdrawal_of_the_same_moment() -> None:
    first = {"id": "a", "kind": "block", "title": "t1"}
    assert hand([first]).blocked == {"t1"}
    assert hand([first, {**first, "title": "t2", "known_at": day(-9)}]).blocked == {"t2"}
    assert not hand([first, {"id": "a", "kind": "withdraw"}])
    again = {**first, "known_at": day(-8)}
    assert hand([first, {"id": "a", "kind": "withdraw", "known_at": day(-9)}, again]).blocked == {"t1"}


def test_a_window_begins_with_its_start_and_ends_before_its_end() -> None:
    act = {"id": "a", "kind": "block", "title": "t1"}
    assert hand([{**act, "starts_at": NOW}]) and not hand(
        [{**act, "starts_at": NOW + timedelta(microseconds=1)}]
    )
    assert hand([{**act, "ends_at": NOW + timedelta(microseconds=1)}]) and not hand([{**act, "ends_at": NOW}])


def test_titles_of_a_row_stand_by_position_and_those_without_one_last() -> None:
    acts = [{"id": "r", "kind": "row", "row": "r", "heading": "R"}]
    acts += [
        {"id": f"r:{t}", "kind": "row", "row": "r", "title": t, "position": p}
        for t, p in (("t1", None), ("t2", 1), ("t3", 0))
    ]
    assert hand(acts).rows[0].titles == ("t3", "t2", "t1")


def test_reasons_name_who_and_the_last_day() -> None:
    end = datetime(2026, 5, 4, tzinfo=UTC)
    acts = [
        {"id": "a", "kind": "pin", "title": "t1", "ends_at": end},
        {"id": "b", "kind": "boost", "title": "t2", "factor": 1.5, "ends_at": end.replace(year=2027)},
    ]
    found = hand(acts)
    assert found.pins[0].reason(NOW) == "pinned by Ada until 3 May"
    assert found.boosts["t2"].reason(NOW) == "boosted ×1.5 by Ada until 3 May 2027"


@pytest.mark.parametrize(
    ("broken", "field"),
    [
        ({"kind": "pin"}, "title"),
        ({"kind": "boost", "title": "t1"}, "factor"),
        ({"kind": "boost", "title": "t1", "factor": 0.0}, "factor"),
        ({"kind": "boost", "title": "t1", "factor": 11.0}, "factor"),
        ({"kind": "boost", "title": "t1", "factor": float("nan")}, "factor"),
        ({"kind": "row", "title": "t1"}, "row"),
        ({"kind": "row", "row": "r"}, "heading"),
        ({"kind": "pin", "title": "t1", "position": -1}, "position"),
        ({"kind": "block", "title": "t1", "territory": "de"}, "territory"),
        ({"kind": "block", "title": "t1", "starts_at": NOW, "ends_at": NOW}, "ends_at"),
        ({"kind": "praise", "title": "t1"}, "kind"),
    ],
)
def test_a_broken_act_is_refused_by_the_table(broken: dict[str, Any], field: str) -> None:
    found = check("editorial", rows([{"id": "a", **broken}]))[1]
    assert [b.field for b in found] == [field]


# on the page --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """Without acts; tests that write make their own."""
    return studio_of(tmp_path_factory.mktemp("plain") / "studio", [*crowd(), *ME, half()], make("ease"))


def half() -> dict[str, Any]:
    return play("me", "film-1", 90, share=0.4)


def with_acts(folder: Path, acts: Sequence[dict[str, Any]]) -> Studio:
    table = rows([{"known_at": at(99), **act} for act in acts])
    return studio_of(folder / "studio", [*crowd(), *ME, half()], make("ease"), {"editorial": table})


def page_of(studio: Studio, profile: str = "me", **asked: Any) -> Home:
    return home(studio, HomeRequest(profile=profile, **asked), rng=np.random.default_rng(5)).answer


def row_of(page: Home, kind: str) -> Row:
    return next(row for row in page.rows if row.kind == kind)


def cards(page: Home) -> list[Card]:
    return [card for row in page.rows for card in row.cards]


def test_a_pin_stands_at_its_place_with_its_reason_and_nowhere_else(tmp_path: Path, plain: Studio) -> None:
    order = [card.title for card in row_of(page_of(plain), "top-picks").cards]
    last = order[-1]  # among the picks anyway, but not at place 2; the horror film would not be
    acts = [
        {"id": "a", "kind": "pin", "title": last, "position": 2, "ends_at": at(110)},
        {"id": "b", "kind": "pin", "title": "film-35", "position": 0},
        {"id": "c", "kind": "pin", "title": "film-0", "position": 1},  # seen: it is not new to this member
    ]
    page = page_of(with_acts(tmp_path, acts))
    top = row_of(page, "top-picks").cards
    assert [top[0].title, top[2].title] == ["film-35", last] and len(top) == 10
    assert (top[2].reason.kind, top[2].reason.text) == ("editor", "pinned by Ada until 20 April")
    rest = [card.title for i, card in enumerate(top) if i not in (0, 2)]
    assert rest == [t for t in order if t != last][: len(rest)]  # the others keep their order
    titles = [card.title for card in cards(page)]
    assert titles.count(last) == titles.count("film-35") == 1 and len(titles) == len(set(titles))
    assert "film-0" not in [card.title for card in top]


def test_a_pin_further_down_is_kept_for_its_row(tmp_path: Path, plain: Studio) -> None:
    page = page_of(plain, row_length=3)
    wanted = row_of(page, "top-picks").cards[0].title  # the first row would show it first
    heading = next(row for row in page.rows if row.kind == "because").heading
    page = page_of(
        with_acts(tmp_path, [{"id": "a", "kind": "pin", "title": wanted, "row": heading, "position": 1}]),
        row_length=3,
    )
    assert next(row for row in page.rows if row.heading == heading).cards[1].title == wanted
    assert [card.title for card in cards(page)].count(wanted) == 1


def test_a_pin_into_a_row_that_is_not_on_the_page_takes_nothing_away(tmp_path: Path, plain: Studio) -> None:
    wanted = row_of(page_of(plain), "top-picks").cards[0].title
    page = page_of(with_acts(tmp_path, [{"id": "a", "kind": "pin", "title": wanted, "row": "no such row"}]))
    assert page.rows == page_of(plain).rows


def test_a_block_holds_in_every_row_and_list(tmp_path: Path, plain: Studio) -> None:
    shown = [card.title for card in cards(page_of(plain))]
    top = row_of(page_of(plain), "top-picks").cards[0].title
    blocked = ["film-1", "film-3", top]  # half watched, finished, unseen
    assert set(blocked) <= set(shown)
    studio = with_acts(tmp_path, [{"id": t, "kind": "block", "title": t} for t in blocked])
    assert not set(blocked) & {card.title for card in cards(page_of(studio))}
    assert not set(blocked) & set(recommended(studio, ["me"], 40)["title"])


def test_boosts_order_by_score_and_say_so_beside_the_model_s_reason(tmp_path: Path, plain: Studio) -> None:
    order = [card.title for card in row_of(page_of(plain, row_length=6), "top-picks").cards]
    acts = [{"id": "a", "kind": "boost", "title": order[3], "factor": 10.0}]
    top = row_of(page_of(with_acts(tmp_path, acts), row_length=6), "top-picks").cards
    before = {card.title: card for card in row_of(page_of(plain, row_length=6), "top-picks").cards}
    place = [card.title for card in top].index(order[3])
    assert place < 3 and [card.title for card in top if card.title != order[3]] == order[:3] + order[4:]
    assert top[place].reason.kind == "editor"
    assert top[place].reason.text == f"boosted ×10 by Ada; {before[order[3]].reason.text}"
    assert top[place].reason.contributions == before[order[3]].reason.contributions
    assert top[place].score == before[order[3]].score  # the model's own


def test_a_greater_factor_never_ranks_lower_and_one_changes_nothing(tmp_path: Path, plain: Studio) -> None:
    from cineloop.play.rows import Setting
    from cineloop.play.shelf import shelf

    places = []
    for factor in (0.1, 0.5, 1.0, 2.0, 10.0):
        acts = [{"id": "a", "kind": "boost", "title": "film-15", "factor": factor}]
        ready = shelf(with_acts(tmp_path / f"{factor}", acts))
        who = ready.past("me")
        setting = Setting(ready, who, HomeRequest(profile="me"), ready.scores(who))
        place = ready.place["film-15"]
        moved = setting.ranked - setting.scores
        # by the definition: the logarithm of the factor, in standard deviations of the scores
        expected = np.log(factor) * np.std(setting.scores[ready.shown].astype(np.float64))
        assert moved[place] == pytest.approx(expected, rel=1e-4, abs=1e-6)
        assert not np.delete(moved[ready.shown], place).any()
        places.append(int((setting.ranked > setting.ranked[place]).sum()))
    assert places == sorted(places, reverse=True) and places[0] > places[-1]


def test_an_editors_row_stands_at_its_place_with_all_its_unseen_titles(tmp_path: Path, plain: Studio) -> None:
    own = [card.title for card in row_of(page_of(plain), "top-picks").cards][:2]  # kept for it
    titles = ["film-35", *own, "film-0"]  # the last one is seen
    acts = [
        {
            "id": "r",
            "kind": "row",
            "row": "spring",
            "heading": "Spring evenings",
            "position": 1,
            "territory": "DE",
        },
        *(
            {"id": f"r:{t}", "kind": "row", "row": "spring", "title": t, "position": i}
            for i, t in enumerate(titles)
        ),
        {"id": "p", "kind": "pin", "title": "film-34", "row": "spring", "position": 1},
    ]
    studio = with_acts(tmp_path, acts)
    page = page_of(studio, territory="DE")
    row = page.rows[1]
    assert (row.kind, row.heading) == ("editor", "Spring evenings")
    assert [card.title for card in row.cards] == ["film-35", "film-34", *own]
    assert row.cards[0].reason.text == "our editors' row, chosen by Ada"
    assert all(row.kind != "editor" for row in page_of(studio, territory="FR").rows)
    nobody = page_of(studio, "nobody", territory="DE")
    assert [card.title for card in nobody.rows[1].cards] == ["film-35", "film-34", *own, "film-0"]


def test_the_explored_title_never_takes_a_pin_s_place_and_keeps_its_propensity(tmp_path: Path) -> None:
    acts = [{"id": p, "kind": "pin", "title": f"film-{30 + p}", "position": p} for p in (1, 4)]
    studio = with_acts(tmp_path, [{**a, "id": str(a["id"])} for a in acts])
    drawn = set()
    for seed in range(12):
        request = HomeRequest(profile="me", explore=True, explore_pool=5, explore_position=3)
        top = row_of(home(studio, request, rng=np.random.default_rng(seed)).answer, "top-picks").cards
        assert [top[1].title, top[4].title] == ["film-31", "film-34"] and len(top) == 10
        (explored,) = [card for card in top if card.reason.kind == "explore"]
        assert explored.propensity == 1 / 5 and all(c.propensity == 1 for c in top if c is not explored)
        drawn.add(explored.title)
    assert len(drawn) > 1


@pytest.mark.parametrize("length", [1, 2])
def test_more_pins_than_places_fill_the_row_and_no_more(tmp_path: Path, length: int) -> None:
    acts = [{"id": str(p), "kind": "pin", "title": f"film-{30 + p}", "position": p} for p in range(4)]
    page = page_of(with_acts(tmp_path, acts), row_length=length, explore=True)
    assert all(len(row.cards) <= length for row in page.rows)


def test_the_hand_is_the_same_for_everyone_without_profiling(tmp_path: Path) -> None:
    studio = with_acts(tmp_path, [{"id": "a", "kind": "pin", "title": "film-35"}])
    pages = [page_of(studio, who, profiling=False).rows for who in ("me", "m1", "nobody")]
    assert pages[0][0].cards[0].title == "film-35" and all(page == pages[0] for page in pages)


def test_a_page_of_an_earlier_day_knows_only_the_acts_of_then(tmp_path: Path) -> None:
    acts = [{"id": "a", "kind": "block", "title": "film-35", "known_at": at(95)}]
    studio = with_acts(tmp_path, acts)
    asked = {"row_length": 40, "profiling": False}
    before = page_of(studio, as_of=at(94), **asked)
    assert "film-35" in {card.title for card in cards(before)}
    assert "film-35" not in {card.title for card in cards(page_of(studio, as_of=at(96), **asked))}


def test_a_series_may_be_shown_while_an_episode_of_it_may(tmp_path: Path) -> None:
    window = {"territory": "DE", "channel": "svod", "known_at": at(-10), "starts_at": at(-10)}
    releases = pl.DataFrame([{"title": "show-1-1", "ends_at": at(50), **window}])
    gone = studio_of(tmp_path / "gone", crowd(), make("knn"), {"releases": releases})
    asked = HomeRequest(profile="m0", territory="DE", row_length=40)  # one who has not begun the series
    assert "show" not in {card.title for card in cards(home(gone, asked).answer)}
    append(
        gone.store, {"releases": pl.DataFrame([{"title": "show-2", "ends_at": at(200), **window}])}, "test"
    )
    assert "show" in {card.title for card in cards(home(gone, asked).answer)}


# writing ------------------------------------------------------------------------------------------------------------


def test_writing_the_same_again_changes_nothing_and_another_text_changes_the_act(
    plain: Studio, tmp_path: Path
) -> None:
    studio = with_acts(tmp_path, [])
    act = Act("pin:film-35", "pin", "Ada", title="film-35", position=1)
    assert write(studio, [act], at(101)).acts == (act,)
    head = studio.store.head_id()
    assert write(studio, [act], at(102)).already == 1 and studio.store.head_id() == head
    write(
        studio, [Act("pin:film-35", "pin", "Ada", title="film-35", position=3)], at(90)
    )  # a clock that went back
    assert editorial(studio).standing["position"].to_list() == [3]
    assert row_of(page_of(studio), "top-picks").cards[3].title == "film-35"
    write(studio, withdrawals(studio, "pin:film-35", "Ben"), at(103))
    assert page_of(studio).rows == page_of(plain).rows
    with pytest.raises(InputError, match="no such act"):
        withdrawals(studio, "pin:film-35", "Ben")


def test_a_row_written_anew_has_just_the_titles_of_now(tmp_path: Path) -> None:
    studio = with_acts(tmp_path, [])
    like = Act("", "row", "Ada", row="spring")
    for titles in (["film-35", "film-34"], ["film-33", "film-35"]):
        write(studio, row_acts(studio, "spring", "Spring", titles, 0, like), at(101))
        assert editorial(studio).at(NOW, None).rows[0].titles == tuple(titles)
    write(studio, withdrawals(studio, act_id("row", None, "spring", None), "Ada"), at(102))
    assert not editorial(studio).standing.height


def test_a_csv_of_acts_becomes_acts_and_a_broken_line_is_named(tmp_path: Path) -> None:
    studio = with_acts(tmp_path, [])
    path = Path(__file__).parents[2] / "examples" / "editorial.csv"
    found = {act.id: act for act in read_acts(studio, path, "somebody")}
    assert set(found) == {
        "pin:film-3",
        "pin:film-13@DE",
        "boost:film-31",
        "block:film-20@FR",
        "row:late-nights",
        "row:late-nights:film-17",
        "row:late-nights:film-26",
    }
    assert found["pin:film-3"].ends_at == datetime(2026, 5, 4, tzinfo=UTC)  # the third still belongs to it
    assert found["boost:film-31"].factor == 1.5 and found["block:film-20@FR"].note == "rights in dispute"
    write(studio, list(found.values()), at(101))
    assert editorial(studio).at(NOW, None).rows[0].titles == ("film-17", "film-26")

    for text, said in (
        (
            "kind,title\npin,Film 3\n\nblock,Flim 20\n",
            r":4: title 'Flim 20': no such title; accepted: Film 20",
        ),
        ("kind,titel\n", ":1: titel: not a column"),
        ("title\nFilm 3\n", ":1: kind: the column is not in the file"),
        ('kind,title,note\nblock,Film 3,"two\nlines"\nboost,Film 4,\n', ":4: factor: a boost without it"),
        ("kind,title,until\npin,Film 3,soon\n", ":2: until 'soon': not a moment"),
        ("kind,title,row\npin,Film 3,Westerns\n", ":2: row 'Westerns': no such row"),
        ("kind,title\npin,Episode 1.1\n", ":2: title 'Episode 1.1': no such title"),
        ("kind,title\npin,show-1-1\n", "part of a series; accepted: the series: show"),
        ("kind,title\npin\n", ":2: 1 values; accepted: 2"),
        ('kind,title\npin,"Film\n', "not CSV"),
    ):
        path = tmp_path / "acts.csv"
        path.write_text(text)
        with pytest.raises(InputError) as raised:
            read_acts(studio, path, "Ada")
        assert said in str(raised.value) and str(path) in str(raised.value)
