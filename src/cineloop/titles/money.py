"""What money was worth: the US consumer price index, and amounts in the money of one year.

The index is the CPI-U, US city average, all items, annual average, 1982-84 = 100, not seasonally adjusted: series
CUUR0000SA0 of the US Bureau of Labor Statistics (https://www.bls.gov/cpi/), a work of the US government.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

FIRST_YEAR = 1940
BASE_YEAR = 2016
# fmt: off
_CPI_U = np.array([
    14.0, 14.7, 16.3, 17.3, 17.6, 18.0, 19.5, 22.3, 24.1, 23.8,  # 1940 to 1949
    24.1, 26.0, 26.5, 26.7, 26.9, 26.8, 27.2, 28.1, 28.9, 29.1,  # 1950 to 1959
    29.6, 29.9, 30.2, 30.6, 31.0, 31.5, 32.4, 33.4, 34.8, 36.7,  # 1960 to 1969
    38.8, 40.5, 41.8, 44.4, 49.3, 53.8, 56.9, 60.6, 65.2, 72.6,  # 1970 to 1979
    82.4, 90.9, 96.5, 99.6, 103.9, 107.6, 109.6, 113.6, 118.3, 124.0,  # 1980 to 1989
    130.7, 136.2, 140.3, 144.5, 148.2, 152.4, 156.9, 160.5, 163.0, 166.6,  # 1990 to 1999
    172.2, 177.1, 179.9, 184.0, 188.9, 195.3, 201.6, 207.342, 215.303, 214.537,  # 2000 to 2009
    218.056, 224.939, 229.594, 232.957, 236.736, 237.017, 240.007, 245.120, 251.107, 255.657,  # 2010 to 2019
    258.811, 270.970, 292.655, 304.702, 313.689,  # 2020 to 2024
])
# fmt: on
LAST_YEAR = FIRST_YEAR + len(_CPI_U) - 1
_TREND = 5  # years whose mean growth goes on after the last known one


def price_level(years: ArrayLike, known_until: int = LAST_YEAR) -> Floats:
    """The level of prices in each year, as a multiple of that of BASE_YEAR; the shape of `years`.

    Of years after `known_until` nothing is known: prices go on growing by the mean of its last five years, so that a
    forecast made in a year does not look up the inflation of the next. Years before FIRST_YEAR take its level.

    >>> price_level([1980, 2016]).round(3).tolist()
    [0.343, 1.0]
    >>> round(float(price_level(2010, known_until=2005) / price_level(2005)), 3)  # 2.6% a year from 2000 to 2005
    1.134
    """
    asked = np.asarray(years, dtype=np.int64)
    last = int(np.clip(known_until, FIRST_YEAR + _TREND, LAST_YEAR)) - FIRST_YEAR
    growth = (_CPI_U[last] / _CPI_U[last - _TREND]) ** (1 / _TREND)
    place = np.maximum(asked - FIRST_YEAR, 0)
    level = _CPI_U[np.minimum(place, last)] * growth ** np.maximum(place - last, 0)
    return np.asarray(level / _CPI_U[BASE_YEAR - FIRST_YEAR], dtype=np.float64)
