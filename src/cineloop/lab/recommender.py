"""What any wing may ask of the live recommender, whoever made it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cineloop.errors import InputError
from cineloop.lab.histories import Histories, Lists, Strings
from cineloop.lab.recipe import Model, Recipe, make, recipes


@runtime_checkable
class Recommender(Model, Protocol):
    """Ranks the titles it learned (`titles`, (m,) sorted ids) for any history, batch first.

    A member without history, or a history of unknown titles, is never an error: such a member gets what the
    model says of nobody in particular. A title it never saw is in no list.
    """

    titles: Strings

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """(n, m) scores of every title for every member."""

    def recommend(
        self,
        histories: Histories,
        k: int,
        *,
        allowed: NDArray[np.bool_] | None = None,
        seen: bool = False,
    ) -> Lists:
        """Top k a member, best first; `allowed` (m,) or (n, m) filters; titles in the history only if `seen`."""

    def similar(self, titles: list[str], k: int) -> Lists:
        """Top k titles nearest to each, itself left out; an unknown title gets an empty list."""

    def contributions(self, histories: Histories, items: NDArray[np.int32]) -> list[list[dict[str, float]]]:
        """For member i and each recommended column items[i, j]: what each past play added to its score.

        For a linear model the values sum to the score to float accuracy; a model without such a reading gives
        empty dicts.
        """


def recommenders() -> dict[str, type[Recipe]]:
    """The recipes that fit a recommender, by name: of all that installed packages offer, those that rank titles."""
    return {name: kind for name, kind in recipes().items() if hasattr(kind.model, "recommend")}


def rankers(asked: Mapping[str, dict[str, Any]] | None = None) -> list[Recipe]:
    """Recommenders' recipes by name, each with some knobs turned; without names every one.

    InputError for a name of no recipe, or of one whose model ranks no titles.
    """
    known = recommenders()
    named = asked if asked else {name: dict[str, Any]() for name in known}
    for name in named:
        if name not in known:
            raise InputError("ranks no titles", field="recipe", value=name, accepted=", ".join(known))
    return [make(name, values) for name, values in named.items()]
