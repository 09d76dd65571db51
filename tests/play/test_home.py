"""The home screen, through `home(studio, request)` on a real workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from service_log import at, crowd, play, studio_of

from cineloop.guard import Denied
from cineloop.lab.histories import Histories
from cineloop.lab.recipe import make
from cineloop.play.brief import HomeRequest
from cineloop.play.decide import home
from cineloop.play.home import Home, Row
from cineloop.play.shelf import shelf
from cineloop.studio import Studio

ME = [play("me", f"film-{i}", 60 + i) for i in (0, 3, 6, 9)]  # comedies, liked on days 60 to 69


def page_of(studio: Studio, profile: str = "me", **asked: Any) -> Home:
    return home(studio, HomeRequest(profile=profile, **asked)).answer


def row_of(page: Home, kind: str) -> Row:
    return next(row for row in page.rows if row.kind == kind)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    half_watched = play("me", "film-1", 90, share=0.4)
    mid_series = [play("me", "show", 91, playable="show-1-1"), play("me", "show", 92, playable="show-1-2")]
    rating = {
        "account": "house-of-me",
        "profile": "me",
        "title": "film-12",
        "kind": "dislike",
        "happened_at": at(93),
        "known_at": at(93),
    }
    feedback = pl.DataFrame([rating])
    folder = tmp_path_factory.mktemp("home") / "studio"
    return studio_of(folder, [*crowd(), *ME, half_watched, *mid_series], make("ease"), {"feedback": feedback})


def test_a_series_is_continued_with_its_next_episode_and_a_film_where_it_was_left(studio: Studio) -> None:
    cards = row_of(page_of(studio), "continue-watching").cards
    assert [(c.title, c.play, c.play_name) for c in cards] == [
        ("show", "show-2-1", "Episode 2.1"),  # both episodes of season 1 are done; last touched first
        ("film-1", "film-1", "Film 1"),
    ]
    assert cards[0].reason.text == "the next episode is waiting"
    assert cards[1].reason.text == "you are 40% through"


def test_no_title_stands_twice_and_unseen_rows_hold_only_what_is_new_to_the_member(studio: Studio) -> None:
    page = page_of(studio)
    titles = [card.title for row in page.rows for card in row.cards]
    assert len(titles) == len(set(titles)) and len(titles) > 10
    touched = {"film-0", "film-3", "film-6", "film-9", "film-1", "show", "film-12"}
    for row in page.rows:
        if row.chooses == "unseen":
            assert not touched & {card.title for card in row.cards}, row.kind
    assert {card.title for card in row_of(page, "watch-again").cards} <= {
        "film-0",
        "film-3",
        "film-6",
        "film-9",
    }


def test_the_taste_of_the_member_leads_the_page(studio: Studio) -> None:
    comedies = {f"film-{i}" for i in range(0, 36, 3)}
    top = row_of(page_of(studio, row_length=4), "top-picks")
    assert {card.title for card in top.cards} <= comedies


def test_reasons_are_the_exact_parts_of_the_score(studio: Studio) -> None:
    ready = shelf(studio)
    page = home(studio, HomeRequest(profile="me", contributions=1000), ready).answer
    rows = ready.signals.interactions(ready.view)
    scores = ready.model.score(Histories.of(rows, ["me"]))[0]
    checked = 0
    for row in page.rows:
        for card in row.cards:
            if card.reason.kind in ("history", "genre") and card.reason.contributions:
                total = sum(part.value for part in card.reason.contributions)
                np.testing.assert_allclose(
                    total, scores[ready.column[ready.place[card.title]]], rtol=1e-4, atol=1e-5
                )
                checked += 1
    assert checked >= 5


def test_a_member_never_heard_of_gets_a_home(studio: Studio) -> None:
    page = page_of(studio, "nobody")
    assert page.rows[0].kind == "popular" and page.rows[0].cards[0].reason.kind == "popular"
    assert not any(row.kind in ("because", "continue-watching", "watch-again") for row in page.rows)


def test_without_profiling_any_two_histories_give_the_same_page(studio: Studio) -> None:
    pages = [page_of(studio, who, profiling=False).rows for who in ("me", "m1", "m2", "nobody")]
    assert pages[0] and all(page == pages[0] for page in pages)
    assert page_of(studio, "me").rows != page_of(studio, "m1").rows


def test_an_objection_to_profiling_is_honoured_by_page_and_training(tmp_path: Path) -> None:
    studio = studio_of(tmp_path / "studio", [*crowd(), *ME], make("ease"))
    studio.guard.object("house-of-me")  # an account speaks for its profiles
    with pytest.raises(Denied, match="objected"):
        page_of(studio)
    assert page_of(studio, profiling=False).rows
    view = studio.view()
    assert view.table("plays").filter(pl.col("profile") == "me").collect().is_empty()
    assert not view.table("plays").collect().is_empty()


def test_filters_hold_in_every_row(tmp_path: Path) -> None:
    releases = pl.DataFrame(
        [
            {
                "title": f"film-{i}",
                "territory": "FR" if i % 2 else None,
                "channel": "svod",
                "starts_at": at(-10),
                "ends_at": at(200 if i != 20 else 50),
                "known_at": at(-10),
            }
            for i in range(36)
        ]
    )
    studio = studio_of(tmp_path / "studio", [*crowd(), *ME], make("knn"), {"releases": releases})
    page = page_of(studio, territory="DE")
    shown = {card.title for row in page.rows for card in row.cards}
    assert shown and all(t == "show" or int(t.split("-")[1]) % 2 == 0 for t in shown)
    assert "film-20" not in shown  # its window has closed
    french = {card.title for row in page_of(studio, territory="FR").rows for card in row.cards}
    assert any(t != "show" and int(t.split("-")[1]) % 2 for t in french)
    horror = page_of(studio, genres=("Horror",))
    assert all(int(card.title.split("-")[1]) % 3 == 2 for row in horror.rows for card in row.cards)
    adults = page_of(studio, max_age=7)  # no certificate is known: nothing for a child
    assert adults.rows == ()


def test_two_ids_of_one_film_stand_on_the_page_once(tmp_path: Path) -> None:
    twin = {
        "title": "twin",
        "kind": "film",
        "name": "FILM 15",
        "genres": ["Comedy"],
        "year": 2020,
        "known_at": at(-1),
    }
    plays = [*crowd(), *ME, *(play(f"m{m}", "twin", 50) for m in range(0, 40, 3))]
    studio = studio_of(tmp_path / "studio", plays, make("popularity"))
    from cineloop.store import append

    append(studio.store, {"titles": pl.DataFrame([twin])}, "test")
    shown = [card.title for row in page_of(studio, row_length=40).rows for card in row.cards]
    assert len({"twin", "film-15"} & set(shown)) == 1


def test_every_home_is_decided_and_audited_without_the_members_name(studio: Studio) -> None:
    decision = home(studio, HomeRequest(profile="me"))
    (row,) = studio.guard.audit(last=1)
    assert row["decision"] == decision.id
    assert [r["titles"] for r in row["record"]] == [[c.title for c in r.cards] for r in decision.answer.rows]
    assert decision.made_by[0].ref == shelf(studio).run.id
    assert {e.ref for e in decision.evidence} <= {"film-0", "film-3", "film-6", "film-9", "show"}
    assert "'me'" not in str(row) and "house-of-me" not in str(row)


def test_a_page_of_an_earlier_day_knows_nothing_of_later_plays(studio: Studio) -> None:
    early = home(studio, HomeRequest(profile="me", as_of=at(62)))
    assert early.inputs.as_of == at(62)
    watched = {e.ref for e in early.evidence}
    assert watched <= {"film-0"}  # the only one of theirs by day 62 (film-3 was at 63)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(profile=st.text(min_size=1, max_size=30), row_length=st.integers(1, 100))
def test_any_profile_and_length_gives_a_page_without_repeats(
    studio: Studio, profile: str, row_length: int
) -> None:
    page = page_of(studio, profile, row_length=row_length)
    titles = [card.title for row in page.rows for card in row.cards]
    assert len(titles) == len(set(titles)) and all(len(row.cards) <= row_length for row in page.rows)
