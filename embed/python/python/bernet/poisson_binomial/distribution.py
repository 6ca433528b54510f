"""The class PoissonBinomial: distributions in float64."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _native

__all__ = ["PoissonBinomial"]


class PoissonBinomial:
    """The distribution of the number of successes among independent trials with probabilities `p`.

    One axis of `p`, the last unless `axis` says otherwise, counts the trials; the others are many sums, and what the methods
    take is broadcast against them. All is float64, with a relative error of at most 1e-12 (1e-9 above 4096 trials) down to 1e-300.
    Method names and their meaning are those of scipy.stats. ValueError for a probability that is not in [0, 1].

        >>> from bernet.poisson_binomial import PoissonBinomial
        >>> PoissonBinomial([0.1, 0.2, 0.3]).pmf([0, 1, 2, 3])
        array([0.504, 0.398, 0.092, 0.006])
    """

    def __init__(self, p: ArrayLike, axis: int = -1) -> None:
        array = np.asarray(p)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"p: expected real numbers, found {array.dtype}")
        if array.ndim == 0:
            raise ValueError("p: expected at least one axis, the trials, found a number")
        axis = operator.index(axis)
        if not -array.ndim <= axis < array.ndim:
            raise ValueError(f"axis: expected one of the {array.ndim} axes of p, found {axis}")
        moved = array if array.ndim == 1 else np.moveaxis(array, axis, -1)
        self._shape: tuple[int, ...] = moved.shape[:-1]
        self._trials: int = moved.shape[-1]
        self._count = math.prod(self._shape)
        rows = moved.reshape(self._count, self._trials).astype(np.float64, copy=False)
        self._sums = _native.PoissonBinomialSums(rows)

    def __reduce__(self) -> tuple[Any, ...]:
        return PoissonBinomial, (self.p,)

    def __repr__(self) -> str:
        return f"<PoissonBinomial of {self._trials} trials, sums of shape {self._shape}>"

    @property
    def n(self) -> int:
        """The number of trials of each sum."""
        return self._trials

    @property
    def p(self) -> NDArray[np.float64]:
        """The probabilities, trials last, as a copy."""
        return self._sums.probabilities().reshape(*self._shape, self._trials)

    def pmf(self, k: ArrayLike) -> Any:
        """P(K = k); 0 where k is not a whole number."""
        return self._evaluate("pmf", k, 0.0, whole=True)

    def logpmf(self, k: ArrayLike) -> Any:
        """ln P(K = k)."""
        return self._evaluate("log_pmf", k, -np.inf, whole=True)

    def cdf(self, k: ArrayLike) -> Any:
        """P(K <= k)."""
        return self._evaluate("cdf", k)

    def logcdf(self, k: ArrayLike) -> Any:
        """ln P(K <= k)."""
        return self._evaluate("log_cdf", k)

    def sf(self, k: ArrayLike) -> Any:
        """P(K > k), without k itself: 1 - cdf(k), with all its digits."""
        return self._evaluate("survival", k, after=1)

    def logsf(self, k: ArrayLike) -> Any:
        """ln P(K > k)."""
        return self._evaluate("log_survival", k, after=1)

    def ppf(self, q: ArrayLike) -> Any:
        """The least k with cdf(k) >= q; -1 for q = 0, nan for q outside [0, 1]."""
        return self._quantile(q, upper=False)

    def isf(self, q: ArrayLike) -> Any:
        """The least k with sf(k) <= q; -1 for q = 1, nan for q outside [0, 1]."""
        return self._quantile(q, upper=True)

    def pvalue(self, k: ArrayLike, alternative: str = "two-sided") -> Any:
        """How surprising an observed k is, itself included.

        "greater" is P(K >= k), "less" is P(K <= k), "two-sided" is twice the smaller of the two, at most 1.
        """
        if alternative == "less":
            return self.cdf(k)
        greater = self._evaluate("survival", k, ceil=True)
        if alternative == "greater":
            return greater
        if alternative != "two-sided":
            raise ValueError(f"alternative: expected one of two-sided, greater, less, found {alternative!r}")
        return np.minimum(1.0, 2 * np.minimum(greater, self.cdf(k)))

    def mean(self) -> Any:
        """The sum of the probabilities."""
        return self._moment(0)

    def var(self) -> Any:
        """The variance, the sum of p (1 - p)."""
        return self._moment(1)

    def std(self) -> Any:
        """The standard deviation."""
        return np.sqrt(self._moment(1))

    def mode(self) -> Any:
        """The most probable number, the smaller one of two."""
        return self._moment(4)

    def median(self) -> Any:
        """ppf(0.5)."""
        return self.ppf(0.5)

    def stats(self, moments: str = "mv") -> Any:
        """Mean (m), variance (v), skewness (s) and excess kurtosis (k), those that are named, in this order."""
        unknown = set(moments) - set("mvsk")
        if unknown or not moments:
            raise ValueError(f"moments: expected letters of 'mvsk', found {moments!r}")
        found = tuple(self._moment("mvsk".index(letter)) for letter in "mvsk" if letter in moments)
        return found if len(found) > 1 else found[0]

    def entropy(self) -> Any:
        """- sum P ln P, in nats."""
        return self._sums.entropy().reshape(self._shape)[()]

    def support(self) -> tuple[Any, Any]:
        """0 and the number of trials."""
        return np.zeros(self._shape, int)[()], np.full(self._shape, self._trials)[()]

    def interval(self, confidence: ArrayLike) -> tuple[Any, Any]:
        """ppf of (1 - confidence)/2 and of (1 + confidence)/2."""
        confidence = np.asarray(confidence, np.float64)
        return self.ppf((1 - confidence) / 2), self.ppf((1 + confidence) / 2)

    def rvs(self, size: int | tuple[int, ...] | None = None, random_state: Any = None) -> Any:
        """Random numbers of successes, int64.

        `size` ends with the shape of the sums; without it there is one number of each. `random_state` is None, a seed, or a
        numpy.random.Generator; the same seed gives the same numbers on every machine.
        """
        shape = self._shape if size is None else (size,) if isinstance(size, (int, np.integer)) else tuple(size)
        lead = shape[: len(shape) - len(self._shape)]
        if shape != (*lead, *self._shape) or any(length < 0 for length in shape):
            raise ValueError(f"size: expected a shape that ends with that of the sums, {self._shape}, found {size}")
        if isinstance(random_state, np.random.Generator):
            random_state = int(random_state.integers(1 << 63))
        seeds = np.random.SeedSequence(random_state).generate_state(self._count, np.uint64)
        drawn = self._sums.sample(seeds.tolist(), math.prod(lead))
        axes = len(self._shape)
        return np.moveaxis(drawn.reshape((*self._shape, *lead)), range(axes), range(-axes, 0))[()]

    def gradient(self, k: ArrayLike, function: str = "logpmf") -> tuple[Any, NDArray[np.float64]]:
        """A function at k, and its derivatives by the probabilities, trials on the last axis.

        `function` is "logpmf", "cdf" or "sf". nan where logpmf is minus infinity.
        """
        names = {"logpmf": ("log_pmf", 0), "cdf": ("cdf", 0), "sf": ("survival", 1)}
        if function not in names:
            raise ValueError(f"function: expected one of logpmf, cdf, sf, found {function!r}")
        name, after = names[function]
        numbers, whole, _ = self._numbers(k)
        if whole is not None and not whole.all():
            raise ValueError("k: expected whole numbers")
        shape = np.broadcast_shapes(numbers.shape, self._shape)
        asked = np.broadcast_to(np.minimum(numbers, self._trials) + after, shape).ravel()
        values, slopes = self._sums.gradient(name, self._rows(shape), asked)
        return values.reshape(shape)[()], slopes.reshape(*shape, self._trials)

    def plan(self) -> str:
        """How numbers of the first sum are computed, and why."""
        return self._sums.plan(0)

    def _moment(self, which: int) -> Any:
        return self._sums.moments()[which].reshape(self._shape)[()]

    def _rows(self, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """The number of the sum that each result of a shape is of."""
        return np.broadcast_to(np.arange(self._count).reshape(self._shape), shape).ravel()

    def _numbers(self, k: ArrayLike, ceil: bool = False) -> tuple[NDArray[np.int64], Any, Any]:
        """k as int64, rounded down (nan as 0); where it was whole and where it was nan, or None for integers."""
        array = np.asarray(k)
        if array.dtype == object:
            array = array.astype(np.float64)
        kind = array.dtype.kind
        if kind in "ib":
            return array.astype(np.int64, copy=False), None, None
        if kind == "u":
            return np.minimum(array, np.uint64(2**62)).astype(np.int64), None, None
        if kind != "f":
            raise TypeError(f"k: expected real numbers, found {array.dtype}")
        array = array.astype(np.float64)
        none = np.isnan(array)
        rounded = np.clip(np.ceil(array) if ceil else np.floor(array), -1, self._trials + 1)
        return np.where(none, 0, rounded).astype(np.int64), np.isinf(array) | (array == np.floor(array)), none

    def _evaluate(
        self, name: str, k: ArrayLike, none: float = 0.0, *, whole: bool = False, after: int = 0, ceil: bool = False
    ) -> Any:
        numbers, is_whole, is_nan = self._numbers(k, ceil)
        # An operation on an array without axes gives a number, which is not an array.
        numbers = np.asarray(np.minimum(numbers, self._trials) + after if after else numbers)
        if not self._shape:
            found = self._sums.evaluate_first(name, numbers).reshape(numbers.shape)
        else:
            shape = np.broadcast_shapes(numbers.shape, self._shape)
            rows, asked = self._rows(shape), np.broadcast_to(numbers, shape).ravel()
            if rows.size > self._count:
                # Those of one sum together: then all of them come from one table.
                order = np.argsort(rows, kind="stable")
                found = np.empty(rows.shape)
                found[order] = self._sums.evaluate(name, rows[order], asked[order])
            else:
                found = self._sums.evaluate(name, rows, asked)
            found = found.reshape(shape)
        if is_whole is not None:
            if whole:
                found = np.where(is_whole, found, none)
            found = np.where(is_nan, np.nan, found)
        return found[()]

    def _quantile(self, q: ArrayLike, upper: bool) -> Any:
        array = np.asarray(q, np.float64)
        shape = np.broadcast_shapes(array.shape, self._shape)
        asked = np.broadcast_to(array, shape)
        inside = (asked >= 0) & (asked <= 1)
        found = self._sums.quantile(self._rows(shape), np.where(inside, asked, 0.5).ravel(), upper)
        found = np.where(inside, found.reshape(shape).astype(np.float64), np.nan)
        before, last = (1.0, 0.0) if upper else (0.0, 1.0)
        found = np.where(asked == before, -1.0, found)
        return np.where(asked == last, float(self._trials), found)[()]
