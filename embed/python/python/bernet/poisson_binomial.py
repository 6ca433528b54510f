"""The number K of successes among independent trials of unequal probabilities.

Probabilities are arrays of shape (factors, ...): the first axis counts the trials of one sum, the others are many sums that are
worked on together. Results have the shape of those others; for one sum they are numbers. Values are float32; float32 arrays that are
contiguous are read where they lie.

    >>> from bernet.poisson_binomial import survival
    >>> survival([0.1, 0.2, 0.3], 2)
    np.float32(0.098)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import _native

__all__ = ["cdf", "distribution", "gradient", "mass", "survival"]


def survival(probabilities: ArrayLike, cut: int, *, form: str = "fastest") -> Any:
    """P(K >= cut).

    `form` is "full", "undecided", "banded" (6 standard deviations), "spectral", "normal" (an approximation), or "fastest", the cheapest of those that
    are right to 1e-6. ValueError for a probability that is not in [0, 1].
    """
    columns, sums = _columns(probabilities)
    return _native.survival_and_mass(columns, cut, form)[0].reshape(sums)[()]


def mass(probabilities: ArrayLike, k: int, *, form: str = "fastest") -> Any:
    """P(K = k); see `survival`."""
    columns, sums = _columns(probabilities)
    return _native.survival_and_mass(columns, k, form)[1].reshape(sums)[()]


def cdf(probabilities: ArrayLike, k: int, *, form: str = "fastest") -> Any:
    """P(K <= k): that at least as many trials as are left fail, so that small results keep their digits. See `survival`."""
    columns, sums = _columns(probabilities)
    failures = np.float32(1) - columns
    return _native.survival_and_mass(failures, len(columns) - k, form)[0].reshape(sums)[()]


def distribution(probabilities: ArrayLike) -> Any:
    """P(K = k) for k = 0 ... factors, of shape (factors + 1, ...), in float64 and exact; its time grows with factors squared."""
    columns, sums = _columns(probabilities)
    return _native.distribution(columns).reshape(len(columns) + 1, *sums)


def gradient(probabilities: ArrayLike, cut: int, *, method: str = "fastest") -> tuple[Any, Any]:
    """P(K >= cut), and its derivative by each probability, which has the shape of the probabilities.

    `method` is "precise", "thomas", "autograd" or "spectral", which are exact; "three", "five", "extended" or "normal", which are not; or
    "fastest", the cheapest of the exact ones.
    """
    columns, sums = _columns(probabilities)
    survival, dz_dv = _native.gradient(columns, cut, method)
    return survival.reshape(sums)[()], dz_dv.reshape(len(columns), *sums)


def _columns(probabilities: ArrayLike) -> tuple[Any, tuple[int, ...]]:
    """Probabilities as (factors, sums), and the shape of the sums."""
    array = np.asarray(probabilities, dtype=np.float32)
    if array.ndim == 0:
        raise ValueError("probabilities: expected at least one axis, the factors, found a number")
    return array.reshape(len(array), -1 if array.size else int(np.prod(array.shape[1:]))), array.shape[1:]
