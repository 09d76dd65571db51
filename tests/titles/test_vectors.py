"""Vectors of titles: what two have in common, as of a day, saved and loaded; cosines worked out by hand."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from cineloop.errors import InputError, MissingExtra
from cineloop.lab.histories import Histories
from cineloop.titles.films import FILMS
from cineloop.titles.space import TitleSpace
from cineloop.titles.text import SentenceEncoder, TfIdf, truncated_svd, words
from cineloop.titles.vectors import PARTS, Audience, TitleVectors


def film(title: str, year: int = 2000, **facts: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(FILMS)
    return row | {"title": title, "name": title, "released": date(year, 6, 15), "genres": ["Drama"]} | facts


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=FILMS)


FILMS_SEEN = frame(
    film("a", overview="A shark hunts swimmers off the beach", directors=["s"], cast=["r"], budget=10e6),
    film("b", overview="The shark is back at the beach", directors=["s"], writers=["w"], budget=20e6),
    film(
        "c", 1990, overview="Two lawyers fall in love", genres=["Comedy"], directors=["x"], certificate="PG"
    ),
    film("d", 2010, overview="Lawyers and a shark", genres=["Comedy", "Drama"], writers=["s"], language="fr"),
)


def vectors(films: pl.DataFrame = FILMS_SEEN, **how: Any) -> TitleVectors:
    return TitleSpace.fit(films, **how).vectors(films)


def test_tfidf_is_the_textbook_one() -> None:
    bags = [["a", "a", "b"], ["b"], ["c", "b"]]
    weights = TfIdf.fit(bags, least=1, most=1.0)
    assert weights.vocabulary.tolist() == ["a", "b", "c"]
    # by hand: idf = log(4 / (1 + df)) + 1; the count 2 weighs 1 + log 2
    a, b = (1 + math.log(2)) * (math.log(2) + 1), math.log(4 / 4) + 1
    expected = [a / math.hypot(a, b), b / math.hypot(a, b), 0.0]
    assert weights.transform(bags).toarray()[0].tolist() == pytest.approx(expected, rel=1e-6)
    assert weights.transform([["never seen"]]).nnz == 0


@settings(deadline=None)
@given(st.text())
def test_words_are_of_letters_and_stable(text: str) -> None:
    found = words(text)
    assert all(w and not any(c.isdigit() or c.isspace() for c in w) for w in found)
    assert words(text.upper()) == found or text.upper().casefold() != text.casefold()


def test_svd_agrees_with_lapack_and_repeats() -> None:
    matrix = sparse.random_array((40, 25), density=0.3, rng=np.random.default_rng(1), format="csr")
    values, axes = truncated_svd(matrix, 5)
    _, full, rows = np.linalg.svd(matrix.toarray())
    assert values == pytest.approx(full[:5])
    assert np.abs((axes * rows[:5]).sum(axis=1)) == pytest.approx(np.ones(5))
    again = truncated_svd(matrix, 5)
    assert (again[1] == axes).all()
    assert truncated_svd(sparse.csr_array((3, 4)), 2)[1].shape == (0, 4)


def test_similarities_by_hand() -> None:
    v = vectors()
    assert v.parts == tuple(p for p in PARTS if p != "audience")
    people = v.similarity("people", v)
    # by hand: s is in 3 of 4 films, r and w in one; a director counts 1, a writer 0.7, the lead 0.8
    s, rare = math.log(5 / 4) + 1, math.log(5 / 2) + 1
    a, b = math.hypot(s, 0.8 * rare), math.hypot(s, 0.7 * rare)
    assert people[0, 1] == pytest.approx(s * s / (a * b), rel=1e-5)
    assert people[0, 3] == pytest.approx(s / a, rel=1e-5)  # who wrote the other
    assert people[0, 2] == 0
    # log(20M / 10M) = 0.693 against a bandwidth of 0.7; both of one year
    assert v.similarity("scale", v)[0, 1] == pytest.approx(
        math.exp(-0.5 * (math.log(2) / 0.7) ** 2), rel=1e-5
    )
    assert v.similarity("scale", v)[0, 2] == 0  # unknown
    assert v.similarity("era", v)[0].tolist() == pytest.approx(
        [1, 1, math.exp(-0.5 * (10 / 8) ** 2), math.exp(-0.5 * (10 / 8) ** 2)]
    )
    assert (
        v.similarity("terms", v)[0, 1] > v.similarity("terms", v)[0, 3] > 0 == v.similarity("terms", v)[0, 2]
    )
    both = TitleSpace.fit(FILMS_SEEN).shared("people", v.rows(np.array([0])), v.rows(np.array([1])))
    assert both == ["s"]


@settings(deadline=None, max_examples=15)
@given(st.permutations(range(4)))
def test_the_order_of_the_films_plays_no_part(order: list[int]) -> None:
    shuffled = FILMS_SEEN[order]
    ours, theirs = vectors(), vectors(shuffled)
    weights = dict.fromkeys(ours.parts, 1.0)
    expected = ours.kernel(weights, ours)[np.ix_(order, order)]
    assert theirs.kernel(weights, theirs) == pytest.approx(expected, abs=1e-5)


def test_similarity_is_of_one_with_itself_and_the_same_both_ways() -> None:
    v = vectors()
    for part in v.parts:
        likeness = v.similarity(part, v)
        assert likeness == pytest.approx(likeness.T)
        assert np.diag(likeness)[v.known(part)] == pytest.approx(1.0, abs=1e-6)
        assert (np.diag(likeness)[~v.known(part)] == 0).all()


def test_a_space_of_a_day_does_not_see_later_films() -> None:
    later = frame(
        film("z", 2020, overview="shark shark lawyer spaceship", directors=["s"], companies=["new"])
    )
    day = date(2012, 1, 1)
    before = TitleSpace.fit(FILMS_SEEN, day)
    after = TitleSpace.fit(pl.concat([FILMS_SEEN, later]), day)
    assert before.films == after.films == 4
    ours, theirs = before.vectors(FILMS_SEEN), after.vectors(FILMS_SEEN)
    for part in ours.parts:
        assert (ours.similarity(part, ours) == theirs.similarity(part, theirs)).all()
    with pytest.raises(InputError, match="no film is known by then"):
        TitleSpace.fit(FILMS_SEEN, date(1980, 1, 1))


def test_what_is_hidden_is_unknown() -> None:
    v = vectors().without(["genres", "scale", "themes"])
    assert not any(v.known(p).any() for p in ("genres", "scale", "themes"))
    assert v.known("people").any()
    with pytest.raises(InputError, match="no such part"):
        v.similarity("votes", v)


def test_who_is_on_the_exclusion_list_is_in_no_feature() -> None:
    space = TitleSpace.fit(FILMS_SEEN, absent=["S"])
    v = space.vectors(FILMS_SEEN)
    assert "s" not in space.weights["people"].vocabulary.tolist()
    assert v.similarity("people", v)[0, 1] == 0
    assert space.leaves_out("s") and not space.leaves_out("x")


def test_audience_is_the_cosine_of_plays() -> None:
    plays = {"m1": "abc", "m2": "ab", "m3": "bc", "m4": "d", "m5": "cd"}
    rows = [
        {"member": m, "title": t, "at": i, "confidence": 1.0}
        for m, ts in plays.items()
        for i, t in enumerate(ts)
    ]
    audience = Audience.of(Histories.of(pl.DataFrame(rows)), dimensions=3)
    v = vectors().with_audience(audience)
    near = v.similarity("audience", v)
    # by hand: a and b were played by {1,2} and {1,2,3}: 2 / sqrt(6); three of four axes come near it
    assert near[0, 1] == pytest.approx(2 / math.sqrt(6), abs=0.12)
    assert near[0, 1] > near[0, 2] > near[0, 3]
    cold = TitleSpace.fit(FILMS_SEEN).vectors(frame(film("cold"))).with_audience(audience)
    assert not cold.known("audience").any()


def test_saved_and_loaded_is_the_same(tmp_path: Path) -> None:
    space = TitleSpace.fit(FILMS_SEEN, date(2012, 1, 1), absent=["x"])
    v = space.vectors(FILMS_SEEN)
    space.save(tmp_path / "space.npz")
    v.save(tmp_path / "vectors.npz")
    told = TitleSpace.load(tmp_path / "space.npz")
    back = TitleVectors.load(tmp_path / "vectors.npz")
    assert (told.as_of, told.films, told.absent) == (space.as_of, space.films, space.absent)
    assert back.titles.tolist() == v.titles.tolist() and back.parts == v.parts
    again = told.vectors(FILMS_SEEN)
    for part in v.parts:
        assert (back.similarity(part, v) == v.similarity(part, v)).all()
        assert (again.similarity(part, v) == v.similarity(part, v)).all()
    told.save(tmp_path / "twice.npz")
    assert (tmp_path / "twice.npz").read_bytes() == (tmp_path / "space.npz").read_bytes()
    with pytest.raises(InputError, match="another kind"):
        TitleVectors.load(tmp_path / "space.npz")
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    with pytest.raises(InputError, match="can't be read"):
        TitleSpace.load(tmp_path / "broken.npz")


class Lengths:
    """An encoder of two numbers, for want of a real one."""

    name = "lengths"

    def encode(self, texts: Any) -> np.ndarray:
        return np.array([[len(t), t.count("shark")] for t in texts], np.float32)


def test_a_sentence_encoder_takes_the_place_of_the_themes() -> None:
    films = pl.concat([FILMS_SEEN, frame(film("silent"))])
    space = TitleSpace.fit(films, encoder=Lengths())
    v = space.vectors(films, Lengths())
    assert v.dense["themes"].shape == (5, 2) and not v.known("themes")[4]
    with pytest.raises(InputError, match="another encoder"):
        space.vectors(films)


def test_without_the_extra_the_encoder_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtra, match=r"cineloop\[text\]"):
        SentenceEncoder("folder").encode(["a"])
