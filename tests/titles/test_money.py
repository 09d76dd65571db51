"""The price index against published figures and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from cineloop.titles.money import BASE_YEAR, LAST_YEAR, price_level


def test_a_dollar_of_1980_is_what_the_bureau_says() -> None:
    # the Bureau of Labor Statistics' annual averages: 82.4 in 1980, 172.2 in 2000, 313.689 in 2024
    assert price_level(2000) / price_level(1980) == pytest.approx(172.2 / 82.4)
    assert price_level(2024) / price_level(2000) == pytest.approx(313.689 / 172.2)
    assert price_level(BASE_YEAR) == 1.0


def test_what_is_not_known_yet_goes_on_growing_as_before() -> None:
    # 2000 to 2005: 172.2 to 195.3, so a year more is (195.3 / 172.2) ** (1 / 5)
    grown = price_level(2007, known_until=2005) / price_level(2005)
    assert grown == pytest.approx((195.3 / 172.2) ** (2 / 5))
    assert price_level(2004, known_until=2005) == price_level(2004)


def test_no_later_year_is_looked_up() -> None:
    years = np.arange(1990, 2030)
    early = price_level(years, known_until=2005)
    assert (early[years <= 2005] == price_level(years)[years <= 2005]).all()
    assert early[-1] != price_level(years)[-1]
    assert np.isfinite(price_level(LAST_YEAR + 30))
