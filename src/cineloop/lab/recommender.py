"""What any wing may ask of the live recommender, whoever made it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cineloop.lab.histories import Histories, Lists, Strings
from cineloop.lab.recipe import Model


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
