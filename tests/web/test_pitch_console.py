"""The pitch page by HTTP: the form, its errors beside their fields, the answer, and a workspace without films."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from pitch_service import FORM, films, ready
from serving import TOKEN
from starlette.datastructures import QueryParams

from cineloop.pitch.predictive import Predictive
from cineloop.studio import Studio
from cineloop.web.app import create_app
from cineloop.web.console.pitch import _wilson
from cineloop.web.console.pitch_form import CHANGED, read, value_of
from cineloop.web.console.pitch_plots import DOTS, Beside, Scale, distribution, dots, money
from cineloop.web.desks import Desks
from cineloop.web.settings import Settings

HOSTILE = '"><script>alert(1)</script>'
TODAY = date(2012, 1, 10)
DONE = ("Judged on", "The same recipe")  # both are made after the forecaster


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    place: Path = tmp_path_factory.mktemp("pitch-console")
    films(place, hostile=HOSTILE).close()
    with TestClient(create_app(Settings(place / "studio", TOKEN, look_every=60))) as client:
        yield client


def address(*pairs: tuple[str, str], **fields: str) -> str:
    return "/console/pitch?" + urlencode([*(FORM | fields).items(), *pairs])


class Seen(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def sound(text: str) -> Seen:
    """One h1, every field with a label of its own, ids once, and nothing that the content policy would refuse."""
    seen = Seen(text)
    assert len(seen.of("h1")) == 1 and "<script>" not in text
    names = [name for _, attrs in seen.tags for name in attrs]
    assert "style" not in names and not any(name.startswith("on") for name in names)
    ids = [attrs["id"] for _, attrs in seen.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    labelled = {attrs.get("for") for attrs in seen.of("label")}
    fields = [a for tag in ("input", "textarea", "select") for a in seen.of(tag) if a.get("type") != "radio"]
    assert {a["id"] for a in fields if a.get("type") != "hidden"} <= labelled
    described = [a["aria-describedby"] for _, a in seen.tags if "aria-describedby" in a]
    assert set(described) <= set(ids)
    return seen


def test_the_form_offers_what_the_films_know(web: TestClient) -> None:
    said = web.get("/console/pitch")
    assert said.status_code == 200
    sound(said.text)
    assert 'aria-current="page">Pitch' in said.text and '<option value="Drama">' in said.text
    # the last film came out on 25 October 2010, and its gross counts as known a year later
    assert 'name="decided" type="date" value="2011-10-25"' in said.text


def test_the_answer_says_how_much_how_sure_why_and_what_else(web: TestClient) -> None:
    said = ready(
        web, address(("change", "budget"), ("to", "60M"), ("change", "cast"), ("to", "Star 1")), *DONE
    )
    assert said.status_code == 200 and "refresh" not in said.headers
    seen = sound(said.text)
    text = re.sub(r"<[^>]+>", "", said.text)
    found = re.search(
        r"take more than \$(\d+)M at cinemas worldwide. Eight in ten take between \$(\d+)M and \$(\d+)M", text
    )
    assert found is not None
    median, low, high = (float(part) for part in found.groups())
    assert low < median < high and 0.6 < median / 44 < 1.7  # the films take 2.2 times their budget
    assert "chance to break even, above $50M" in text and "chance of the top decile" in text
    assert "same director director 3" in text.casefold()  # why a comparable is one
    assert "budget $60M" in text and "nothing to say" in text  # a what-if of the cast moves nothing
    assert [a["role"] for a in seen.of("svg") if "aria-label" in a] == [
        "img"
    ] * 4  # two plots, each drawn twice
    assert re.search(r"/console/decisions/d-\w+", said.text)


def test_a_plain_answer_needs_no_drivers_and_no_scripts(web: TestClient) -> None:
    said = ready(web, address(), "Half of such titles")
    assert len(Seen(said.text).of("script")) == 2  # the console's own
    assert said.text.count('class="dot') == 2 * DOTS or "The same recipe" in said.text


def test_what_is_wrong_is_said_beside_its_field(web: TestClient) -> None:
    said = web.get(address(budget="lots", runtime="-4", release="soon", name=""))
    assert said.status_code == 422
    seen = sound(said.text)
    wrong = {a["id"] for _, a in seen.tags if a.get("aria-invalid") == "true"}
    assert wrong == {"budget", "runtime", "release", "name"}
    assert "4 fields can&#39;t be taken yet" in said.text or "4 fields can't be taken yet" in said.text
    assert 'value="lots"' in said.text  # what was typed stays


def test_a_release_before_the_decision_is_said_at_the_release(web: TestClient) -> None:
    said = web.get(address(release="2011-01-01"))
    assert said.status_code == 422 and "after the release 2011-01-01" in said.text
    assert [a["id"] for _, a in sound(said.text).tags if a.get("aria-invalid")] == ["release"]


def test_a_change_that_cannot_be_taken_leaves_the_answer(web: TestClient) -> None:
    said = ready(web, address(("change", "budget"), ("to", "lots")), "Half of such titles")
    assert 'id="to-1-said"' in said.text and "needs an amount" in said.text
    said = ready(web, address(("change", "release"), ("to", "2001-01-01")), "Half of such titles")
    assert "nothing to forecast" in said.text


def test_too_few_films_by_then_is_said_and_the_form_stays(web: TestClient) -> None:
    said = ready(web, address(decided="2000-06-01", release="2001-01-01"), "too few films")
    assert said.status_code == 200 and 'value="2000-06-01"' in said.text
    assert "pitch-console" not in said.text  # where the workspace lies


@pytest.mark.parametrize(
    "field", ["name", "synopsis", "genres", "companies", "directors", "country", "earlier"]
)
def test_hostile_words_stay_words(web: TestClient, field: str) -> None:
    said = ready(
        web, address(("change", "genres"), ("to", HOSTILE), **{field: HOSTILE}), "Half of such titles"
    )
    assert said.status_code == 200
    sound(said.text)


def test_without_films_it_kindly_says_how_to_get_them(tmp_path: Path) -> None:
    Studio(tmp_path / "new", create=True).close()
    with TestClient(create_app(Settings(tmp_path / "new", TOKEN, look_every=60))) as client:
        said = client.get("/console/pitch")
        again = client.get(address())
    for each in (said, again):
        assert each.status_code == 200 and "cineloop data ingest" in each.text
        sound(each.text)


@pytest.mark.parametrize(
    ("typed", "amount"),
    [
        ("60M", 6e7),
        ("$1.5 million", 1.5e6),
        ("1,500,000", 1.5e6),
        ("2bn", 2e9),
        ("750k USD", 7.5e5),
        ("0", 0.0),
    ],
)
def test_amounts_as_people_write_them(typed: str, amount: float) -> None:
    assert value_of("budget", typed) == pytest.approx(amount)


@given(st.floats(min_value=1.0, max_value=1e12))
def test_money_names_an_amount_to_within_its_digits(amount: float) -> None:
    text = money(amount)
    assert len(text) <= 6 and text[0] == "$"
    factor = {"B": 1e9, "M": 1e6, "k": 1e3}.get(text[-1], 1.0)
    assert float(text[1:].rstrip("BMk")) * factor == pytest.approx(amount, rel=0.06, abs=0.51)


@given(
    st.lists(
        st.tuples(st.sampled_from(["name", "budget", "release", "cast", "to", "change", "x"]), st.text())
    )
)
def test_any_address_is_read(pairs: list[tuple[str, str]]) -> None:
    form = read(QueryParams(pairs), TODAY)
    assert form.pitch is None or not form.wrong
    assert len(form.rows) == 3 and all(set(c) <= set(CHANGED) for c in form.changes)


def one(*amounts: float) -> Predictive:
    return Predictive(np.array([0.1, 0.5, 0.9]), np.log([amounts]))


def test_the_dots_are_twentieths() -> None:
    of = one(1e7, 5e7, 2e8)
    found = dots(of)
    assert len(found) == DOTS and found == sorted(found)
    # each dot is the middle of a twentieth: half of them lie above the median, and the chance says the same
    assert sum(a > 5e7 for a in found) == 10
    assert sum(a > 1e8 for a in found) / DOTS == pytest.approx(float(of.chance(1e8)[0]), abs=0.5 / DOTS)


def test_a_drawing_tells_in_words_what_it_shows() -> None:
    said = str(distribution(one(1e7, 5e7, 2e8), [Beside("A & <b>", 3e7)], line=("break-even", 5e7)))
    assert "The median is $50M; eight chances in ten lie between $10M and $200M" in said
    assert "10 of the twenty lie above break-even" in said and "A &amp; &lt;b&gt; $30M" in said
    assert said.count('class="dot"') == 10 and said.count('class="dot under"') == 10


def test_a_scale_shows_round_amounts_with_room_between() -> None:
    scale = Scale(3e6, 4e8, 0, 600)
    ticks = scale.ticks(50)
    assert 1e7 in ticks and 1e8 in ticks
    places = [scale.x(t) for t in ticks]
    assert min(b - a for a, b in pairwise(places)) >= 50


def test_wilson_by_its_paper() -> None:
    # Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I: 81 of 263, method 3
    share, low, high = _wilson(81, 263)
    assert (round(share, 4), round(low, 4), round(high, 4)) == (0.3080, 0.2553, 0.3662)


def test_the_audit_shows_what_a_pitch_was_answered(web: TestClient) -> None:
    said = ready(web, address(("change", "budget"), ("to", "60M")), "budget $60M")
    median = re.search(r"take more than <b>\$(\d+)M", said.text)
    forecast = re.search(r"/console/decisions/d-\w+", said.text)
    assert median is not None and forecast is not None
    text = web.get(forecast[0]).text
    sound(text)
    assert "pitch.forecast" in text and "break-even 0." in text
    written = re.search(r"<dt>median</dt><dd>([\d,]+)", text)
    assert written is not None and round(float(written[1].replace(",", "")) / 1e6) == int(median[1])
    for action in ("pitch.comparables", "pitch.whatif"):
        row = re.search(
            rf"(/console/decisions/d-\w+)(?:(?!/console/decisions/).)*?{action}",
            web.get("/console/decisions").text,
            re.S,
        )
        assert row is not None, action
        page = web.get(row[1]).text
        assert "<h3></h3>" not in page and "What was" in page


def test_a_page_that_waits_looks_again_and_a_form_being_filled_in_does_not(
    web: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Desks, "look", lambda *_, **__: None)  # as if the forecaster were never ready
    waiting, form = web.get(address()), web.get("/console/pitch")
    assert "being made" in waiting.text and int(waiting.headers["refresh"]) > 0
    assert "being made" in form.text and "refresh" not in form.headers
    for each in (waiting, form):
        sound(each.text)
