"""The kernels of layers: many sums at once, in float32, right to 1e-6 absolutely.

Probabilities are arrays with the trials ("factors") on one axis, the first where there is only one; where there are more, `axis`
must say which (0 is read in place, and is the fastest). Results have the shape of the other axes; for one sum they are numbers.
For tails with all their digits, logarithms and quantiles see `PoissonBinomial`.

    >>> from bernet.poisson_binomial.float32 import survival
    >>> survival([0.1, 0.2, 0.3], 2)
    np.float32(0.098)
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _native

__all__ = ["cdf", "distribution", "gradient", "mass", "survival"]


def survival(probabilities: ArrayLike, cut: int, *, form: str = "fastest", axis: int | None = None) -> Any:
    """P(K >= cut), with the cut itself.

    `form` is "full", "undecided", "banded" (6 standard deviations), "spectral", "normal" (an approximation), or "fastest", the
    cheapest of those that are right to 1e-6. ValueError for a probability that is not in [0, 1], and for a form that
    does not keep its promise for so many factors.
    """
    columns, sums = _columns(probabilities, axis)
    return _both(columns, cut, form)[0].reshape(sums)[()]


def mass(probabilities: ArrayLike, k: int, *, form: str = "fastest", axis: int | None = None) -> Any:
    """P(K = k); see `survival`."""
    columns, sums = _columns(probabilities, axis)
    return _both(columns, k, form)[1].reshape(sums)[()]


def cdf(probabilities: ArrayLike, k: int, *, form: str = "fastest", axis: int | None = None) -> Any:
    """P(K <= k); see `survival`. The fastest form is computed in float64, so that small results keep their digits."""
    columns, sums = _columns(probabilities, axis)
    k = operator.index(k)
    if form == "fastest":
        rows = np.arange(columns.shape[1])
        of = _native.PoissonBinomialSums(np.ascontiguousarray(columns.T, np.float64))
        found = of.evaluate("cdf", rows, np.full(len(rows), _int32(k), np.int64)).astype(np.float32)
    else:
        found = np.float32(1) - _both(columns, k + 1, form)[0]
    return found.reshape(sums)[()]


def distribution(probabilities: ArrayLike, *, axis: int | None = None) -> Any:
    """P(K = k) for k = 0 ... factors, on the first axis, in float64 and to all digits."""
    columns, sums = _columns(probabilities, axis)
    count, trials = columns.shape[1], len(columns)
    of = _native.PoissonBinomialSums(np.ascontiguousarray(columns.T, np.float64))
    rows = np.repeat(np.arange(count), trials + 1)
    found = of.evaluate("pmf", rows, np.tile(np.arange(trials + 1), count)).reshape(count, trials + 1)
    return np.ascontiguousarray(found.T).reshape(trials + 1, *sums)


def gradient(
    probabilities: ArrayLike, cut: int, *, method: str = "fastest", axis: int | None = None
) -> tuple[Any, Any]:
    """P(K >= cut), and its derivative by each probability, which has the shape of the probabilities.

    `method` is "precise", "thomas", "autograd" or "spectral", which are exact; "three", "five", "extended" or "normal", which are not; or
    "fastest", the cheapest of the exact ones: to 1e-5 of the largest derivative, or 5e-7 where all are below 0.05.
    """
    columns, sums = _columns(probabilities, axis)
    cut = _int32(operator.index(cut))
    if columns.shape[1] == 0:
        return np.zeros(sums, np.float32), np.zeros(np.shape(probabilities), np.float32)
    values, slopes = _native.gradient(columns, cut, method)
    moved = slopes.reshape(len(columns), *sums)
    return values.reshape(sums)[()], np.moveaxis(moved, 0, axis or 0)


def _both(columns: NDArray[np.float32], cut: int, form: str) -> tuple[Any, Any]:
    """Survival and mass of each column."""
    cut = _int32(operator.index(cut))
    if columns.shape[1] == 0:
        none = np.zeros(0, np.float32)
        return none, none
    return _native.survival_and_mass(columns, cut, form)


def _int32(number: int) -> int:
    """Beyond the factors all cuts are alike."""
    return max(-(2**31), min(number, 2**31 - 1))


def _columns(probabilities: ArrayLike, axis: int | None) -> tuple[Any, tuple[int, ...]]:
    """Probabilities as (factors, sums), and the shape of the sums."""
    array = np.asarray(probabilities)
    if array.ndim == 0:
        raise ValueError("probabilities: expected at least one axis, the factors, found a number")
    if axis is None:
        if array.ndim > 1:
            raise ValueError(
                f"probabilities of shape {array.shape}: say which axis counts the factors, axis=0 or axis={array.ndim - 1}"
            )
        axis = 0
    array = np.moveaxis(array, axis, 0)
    # Before rounding: 1 + 1e-9 is 1 in float32.
    wrong = ~((array >= 0) & (array <= 1))
    if wrong.any():
        index = int(np.argmax(wrong))
        raise ValueError(f"probability {index} is {array.ravel()[index]}, expected 0 to 1")
    array = array.astype(np.float32, copy=False)
    sums = array.shape[1:]
    return np.ascontiguousarray(array.reshape(len(array), int(np.prod(sums)))), sums
