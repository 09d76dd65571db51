"""The desks at which a worker judges pitches: laid in the background, with what is slow on them made after.

A desk belongs to a day and a moment; see `pitch.desk`. What is known of it is kept under everything it is made from:
snapshot, exclusions and live run, so that new films or a newly excluded person make a new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from string import capwords

import polars as pl
from fastapi import Request

from cineloop.errors import InputError
from cineloop.pitch import evaluate as judging
from cineloop.pitch.brief import Moment, Pitch
from cineloop.pitch.desk import Desk, desk, end_of
from cineloop.pitch.drivers import Drivers
from cineloop.pitch.forecast import forecast
from cineloop.pitch.models.past import years_before
from cineloop.studio import Studio
from cineloop.titles.from_store import films_of
from cineloop.web.making import Making

JUDGED = (8, 5, 3)  # years before the day, on which the same recipe is judged: as many as the films allow


@dataclass(frozen=True)
class Shelf:
    """What the form offers: the last day on which something became known, and known values by field."""

    day: date
    films: int
    values: dict[str, tuple[str, ...]]


class Desks:
    """What a worker has made for pitches."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._making = Making()

    def look(self, day: date, moment: Moment, wait: float = 0.0) -> Desk | None:
        """The desk, or None while it is laid. InputError where there are too few films."""
        return self._making.look(
            (*self._key(), "desk", day, moment, self._live(moment)), lambda: self._lay(day, moment), wait
        )

    def drivers(self, of: Desk, wait: float = 0.0) -> tuple[Drivers | None] | None:
        """The drivers of a desk, (None,) where it can have none; None while they are made."""
        return self._making.look((*self._of(of), "drivers"), lambda: (of.drivers,), wait)

    def judged(self, of: Desk, wait: float = 0.0) -> pl.DataFrame | None:
        """How the same recipe, made years earlier, forecast the films since: as `Evaluation.forecasts`.

        No rows where it can't be judged; None while it is.
        """
        return self._making.look((*self._of(of), "judged"), lambda: _judged(of), wait)

    def shelf(self, wait: float = 0.0) -> Shelf | None:
        """What the workspace's films know today; InputError where it has none."""
        return self._making.look((*self._key(), "shelf"), self._shelf, wait)

    def _key(self) -> tuple[str, str]:
        return self._studio.store.head_id(), self._studio.guard.exclusions().digest()

    def _of(self, of: Desk) -> tuple[object, ...]:
        return (*self._key(), of.day, of.moment, of.run.id)

    def _live(self, moment: Moment) -> str:
        live = self._studio.lab.live(f"pitch/audience-{moment}")
        return "" if live is None else live.id

    def _lay(self, day: date, moment: Moment) -> Desk:
        laid = desk(self._studio, day, moment)
        # what is made at first use is made now: the first who asks shall not wait for it
        forecast(laid.model, Pitch(name="nothing", decided=day, moment=moment), laid.known)
        _ = laid.reference
        return laid

    def _shelf(self) -> Shelf:
        if not self._studio.store.head_id():
            raise _nothing()
        films = films_of(self._studio.view(end_of(date.today())))
        films = films.filter(pl.col("worldwide").is_not_null() | pl.col("domestic").is_not_null())
        last = films["known"].max()
        if not isinstance(last, date):
            raise _nothing()
        lists = {"genres": 40, "companies": 60}
        plain = {"certificate": "certificates", "country": "countries", "language": "languages"}
        values = {name: _common(films[name].explode(), most) for name, most in lists.items()}
        values["companies"] = tuple(capwords(name) for name in values["companies"])
        values |= {many: _common(films[one], 60) for one, many in plain.items()}
        return Shelf(min(last, date.today()), len(films), values)


def desks_of(request: Request) -> Desks:
    """The desks of this worker."""
    found: Desks = request.app.state.desks
    return found


def _common(values: pl.Series, most: int) -> tuple[str, ...]:
    """The most frequent values, in their order."""
    counted = values.drop_nulls().value_counts(name="n")
    kept = counted.sort("n", values.name, descending=[True, False])[values.name][:most]
    return tuple(sorted(kept.to_list()))


def _judged(of: Desk) -> pl.DataFrame:
    for years in JUDGED if of.reads_budgets else ():
        try:
            return judging.evaluate(
                of.films.filter(pl.col("known") <= of.day),
                years_before(of.day, years),
                moments=[of.moment],
                target=of.model.target,
                settled=True,
                contenders={judging.OURS: judging.hierarchical()},
            ).forecasts
        except InputError:  # too few films so long ago
            continue
    return pl.DataFrame()


def _nothing() -> InputError:
    return InputError("no films with a gross", accepted="film facts: cineloop data ingest FILE")
