"""Films stand alone; an episode belongs to a season, a season to a series. A series is recommended once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import polars as pl

_DEPTH = 4  # episode -> season -> series, and one to spare


def roots(titles: pl.DataFrame) -> pl.DataFrame:
    """Rows (title, root) for every title with a parent: the film or series at the top of its line.

    A line that never ends (a title among its own ancestors) is cut where it would repeat.

    >>> roots(pl.DataFrame({"title": ["e", "s", "show"], "parent": ["s", "show", None]})).rows()
    [('e', 'show'), ('s', 'show')]
    """
    parents = titles.select("title", "parent").drop_nulls().unique("title").sort("title")
    found = parents.rename({"parent": "root"})
    for _ in range(_DEPTH):
        up = parents.rename({"title": "root"})
        found = found.join(up, on="root", how="left").select(
            "title",
            pl.when(pl.col("parent").is_null() | (pl.col("parent") == pl.col("title")))
            .then("root")
            .otherwise("parent")
            .alias("root"),
        )
    return found.sort("title")


@dataclass(frozen=True)
class Catalogue:
    """The titles as known on a day, one row a title (the last known), in the order of their ids."""

    titles: pl.DataFrame

    @classmethod
    def of(cls, rows: pl.DataFrame) -> Catalogue:
        """From the rows of the table `titles`; of several rows about one title the last known counts."""
        return cls(rows.sort("known_at", "name").unique("title", keep="last").sort("title"))

    @cached_property
    def _row(self) -> dict[str, int]:
        return {title: i for i, title in enumerate(self.titles["title"])}

    @cached_property
    def _names(self) -> list[str]:
        return self.titles["name"].to_list()

    @cached_property
    def _years(self) -> list[int | None]:
        return self.titles["year"].to_list()

    @cached_property
    def _genres(self) -> list[list[str] | None]:
        return self.titles["genres"].to_list()

    @cached_property
    def _roots(self) -> dict[str, str]:
        return dict(roots(self.titles).rows())

    @cached_property
    def _episodes(self) -> dict[str, list[str]]:
        place = {t: (p, n) for t, p, n in self.titles.select("title", "parent", "number").rows()}
        made: dict[str, list[tuple[int, int, str]]] = {}
        for title, kind in self.titles.select("title", "kind").rows():
            if kind == "episode" and title in self._roots:
                season, number = place[title]
                of_season = place.get(season, (None, None))[1] if season != self._roots[title] else 0
                made.setdefault(self._roots[title], []).append((of_season or 0, number or 0, title))
        return {series: [title for *_, title in sorted(parts)] for series, parts in made.items()}

    def name(self, title: str) -> str:
        """As shown to members; the id itself where nothing is known of the title."""
        row = self._row.get(title)
        return title if row is None else self._names[row]

    def year(self, title: str) -> int | None:
        """Year of first release, where known."""
        row = self._row.get(title)
        return None if row is None else self._years[row]

    def known_as(self, title: str) -> tuple[str, int | None]:
        """Name and year, by which a person knows it: two ids of one film share them."""
        return self.name(title).casefold(), self.year(title)

    def genres(self, title: str) -> tuple[str, ...]:
        """Genres in the source's words; none where unknown."""
        row = self._row.get(title)
        return () if row is None else tuple(self._genres[row] or ())

    def root(self, title: str) -> str:
        """The film or series that a title belongs to; itself for a film, a series or an unknown title."""
        return self._roots.get(title, title)

    def rolled_up(self, column: str) -> pl.Expr:
        """A column of title ids, each replaced by its root."""
        return pl.col(column).replace(self._roots) if self._roots else pl.col(column)

    def episodes(self, series: str) -> list[str]:
        """A series' episodes by season and number; empty for a film."""
        return self._episodes.get(series, [])

    def next_to_play(self, title: str, watched: Mapping[str, float], finished: float) -> str:
        """What to start: the film itself; of a series the episode after the furthest one finished.

        `watched` maps playables to the share watched. An episode begun and not finished is itself the next.
        After the last episode it is the first again.
        """
        episodes = self.episodes(title)
        begun = [i for i, episode in enumerate(episodes) if episode in watched]
        if not begun:
            return episodes[0] if episodes else title
        last = begun[-1]
        if watched[episodes[last]] < finished:
            return episodes[last]
        return episodes[(last + 1) % len(episodes)]
