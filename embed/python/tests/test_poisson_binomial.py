"""PoissonBinomial, against convolution in exact fractions and, where it is installed, scipy.stats."""

import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
from bernet.poisson_binomial import PoissonBinomial


def exact(p):
    """Masses as fractions."""
    masses = [Fraction(1)]
    for x in map(Fraction, map(float, p)):
        masses = [
            (1 - x) * (masses[k] if k < len(masses) else 0) + (x * masses[k - 1] if k else 0)
            for k in range(len(masses) + 1)
        ]
    return masses


CASES = {
    "one": [0.3],
    "three": [0.1, 0.2, 0.3],
    "ends": [0.0, 1.0, 1e-45, 1 - 2**-53, 0.5],
    "uniform": np.random.default_rng(1).random(40),
    "small": np.random.default_rng(2).random(60) * 1e-6,
    "many": np.random.default_rng(3).random(150),
}


@pytest.mark.parametrize("name", CASES)
def test_against_fractions(name):
    p = CASES[name]
    masses = exact(p)
    d = PoissonBinomial(p)
    k = np.arange(-1, len(p) + 2)
    mass = [0, *masses, 0]
    below = [sum(mass[: i + 1]) for i in range(len(mass))]
    above = [1 - x for x in below]
    for found, right in ((d.pmf(k), mass), (d.cdf(k), below), (d.sf(k), above)):
        right = np.array([float(x) for x in right])
        large = right > 1e-290
        assert found[large] == pytest.approx(right[large], rel=1e-13, abs=0)
        assert np.all(found[~large] <= 1e-289)
    mean = sum(i * x for i, x in enumerate(masses))
    variance = sum((i - mean) ** 2 * x for i, x in enumerate(masses))
    assert d.mean() == pytest.approx(float(mean)) and d.var() == pytest.approx(float(variance))
    assert d.std() == pytest.approx(math.sqrt(variance))
    entropy = -sum(float(x) * math.log(x) for x in masses if x > 1e-300)
    assert d.entropy() == pytest.approx(entropy, abs=1e-12)
    for q in (1e-9, 0.025, 0.5, 0.9):
        assert d.ppf(q) == next(i for i in range(len(masses)) if float(below[i + 1]) >= q)
        assert d.isf(q) == next(i for i in range(len(masses)) if float(above[i + 1]) <= q)


def test_names_and_conventions_of_scipy():
    d = PoissonBinomial([0.1, 0.2, 0.3])
    assert d.pmf(1.5) == 0 and d.logpmf(1.5) == -np.inf and d.cdf(1.5) == d.cdf(1) and d.sf(1.5) == d.sf(1)
    assert np.isnan(d.pmf(np.nan)) and np.isnan(d.cdf(np.nan))
    assert d.cdf([-np.inf, np.inf]).tolist() == [0, 1] and d.pmf(np.inf) == 0
    assert d.ppf([0, 1]).tolist() == [-1, 3] and d.isf([0, 1]).tolist() == [3, -1]
    assert np.isnan(d.ppf([-0.1, 1.1, np.nan])).all()
    assert d.support() == (0, 3) and d.median() == d.ppf(0.5) and d.interval(0.9) == (d.ppf(0.05), d.ppf(0.95))
    assert d.logcdf(0) == pytest.approx(math.log(0.504)) and d.logsf(2) == pytest.approx(math.log(0.006))
    mean, variance, skewness, kurtosis = d.stats("mvsk")
    assert (mean, variance) == d.stats() and d.stats("s") == skewness
    k, mass = np.arange(4), d.pmf(range(4))
    assert skewness == pytest.approx(((k - mean) ** 3 * mass).sum() / variance**1.5)
    assert kurtosis == pytest.approx(((k - mean) ** 4 * mass).sum() / variance**2 - 3)
    assert isinstance(d.pmf(1), np.float64) and d.pmf([1]).shape == (1,) and d.mode() == 0 and d.n == 3


def test_against_scipy():
    stats = pytest.importorskip("scipy.stats")
    if not hasattr(stats, "poisson_binom"):
        pytest.skip("this SciPy has no poisson_binom")
    p = np.random.default_rng(4).random(30)
    ours, theirs = PoissonBinomial(p), stats.poisson_binom(p)
    k = np.arange(-1, 32)
    assert ours.pmf(k) == pytest.approx(theirs.pmf(k), abs=1e-13)
    assert ours.cdf(k) == pytest.approx(theirs.cdf(k), abs=1e-13)
    assert ours.sf(k) == pytest.approx(theirs.sf(k), abs=1e-13)
    assert ours.mean() == pytest.approx(theirs.mean()) and ours.var() == pytest.approx(theirs.var())


def test_broadcasting():
    p = np.random.default_rng(5).random((3, 4, 6))
    d = PoissonBinomial(p)
    assert d.mean() == pytest.approx(p.sum(-1)) and d.pmf(2).shape == (3, 4)
    k = np.arange(7).reshape(7, 1, 1)
    table = d.pmf(k)
    assert table.shape == (7, 3, 4) and table.sum(0) == pytest.approx(np.ones((3, 4)))
    for i in range(3):
        for j in range(4):
            assert table[:, i, j] == pytest.approx(PoissonBinomial(p[i, j]).pmf(range(7)), rel=1e-13)
    assert PoissonBinomial(np.moveaxis(p, -1, 0), axis=0).pmf(k) == pytest.approx(table, rel=0)
    assert d.ppf([[0.5]]).shape == (3, 4) and d.ppf(np.full((2, 1, 1), 0.5)).shape == (2, 3, 4)
    with pytest.raises(ValueError):
        d.pmf([1, 2, 3])
    none = PoissonBinomial(np.zeros((0, 5)))
    assert none.pmf(1).shape == (0,) and none.rvs().shape == (0,) and none.entropy().shape == (0,)
    assert PoissonBinomial([]).pmf([0, 1]).tolist() == [1, 0]


def test_integers_of_any_type():
    d = PoissonBinomial([0.1, 0.2])
    for k in (np.uint8(5), np.int8(5), 5, np.uint64(2**64 - 1), 10**30, np.float16(5)):
        assert d.cdf(k) == 1 and d.sf(k) == 0 and d.pmf(k) == 0
    for k in (np.int8(-128), -(2**62), -(10**30)):
        assert d.cdf(k) == 0 and d.sf(k) == 1


def test_tails():
    d = PoissonBinomial(np.full(1000, 0.5))
    assert d.pmf(990) == pytest.approx(float(Fraction(math.comb(1000, 990), 2**1000)), rel=1e-13)
    assert d.logpmf(1000) == pytest.approx(-1000 * math.log(2), rel=1e-15)
    far = PoissonBinomial(np.full(5000, 1e-3))
    assert far.logsf(4000) == pytest.approx(far.logpmf(4001), rel=1e-3) and far.logsf(4000) < -20_000
    assert np.all(np.diff(far.logsf(range(5001))[:-1]) < 0)


def test_random_numbers():
    d = PoissonBinomial([[0.5] * 20, [0.1] * 20])
    drawn = d.rvs((5000, 2), random_state=1)
    assert drawn.shape == (5000, 2) and drawn.dtype == np.int64
    assert drawn.mean(0) == pytest.approx([10, 2], abs=0.15) and drawn.var(0) == pytest.approx([5, 1.8], abs=0.3)
    assert (d.rvs((5000, 2), random_state=1) == drawn).all() and d.rvs(random_state=1).shape == (2,)
    generator = np.random.default_rng(1)
    assert (d.rvs((9, 2), random_state=generator) != d.rvs((9, 2), random_state=generator)).any()
    assert np.ndim(PoissonBinomial([0.5]).rvs()) == 0 and PoissonBinomial([0.5]).rvs(3).shape == (3,)
    with pytest.raises(ValueError, match="size: expected a shape that ends with"):
        d.rvs(3)


def test_p_values():
    d = PoissonBinomial(np.full(10, 0.5))
    assert d.pvalue(9, "greater") == 11 / 1024 and d.pvalue(1, "less") == 11 / 1024 and d.pvalue(9) == 22 / 1024
    assert d.pvalue(5) == 1 and d.pvalue(8.5, "greater") == d.pvalue(9, "greater")
    with pytest.raises(ValueError, match="alternative: expected one of"):
        d.pvalue(1, "both")


@pytest.mark.parametrize("function", ["logpmf", "cdf", "sf"])
def test_gradients(function):
    p = np.random.default_rng(6).random((2, 5))
    value, slopes = PoissonBinomial(p).gradient(2, function)
    assert value == pytest.approx(getattr(PoissonBinomial(p), function)(2)) and slopes.shape == (2, 5)
    for s, j in np.ndindex(2, 5):
        step = np.zeros(5)
        step[j] = 1e-6
        above, below = (getattr(PoissonBinomial(p[s] + sign * step), function)(2) for sign in (1, -1))
        assert slopes[s, j] == pytest.approx((above - below) / 2e-6, abs=1e-7)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="probability 1 is 1.000000001, expected 0 to 1"):
        PoissonBinomial([0.5, 1 + 1e-9])
    with pytest.raises(ValueError, match="sum 1: probability 0 is NaN"):
        PoissonBinomial([[0.5], [np.nan]])
    with pytest.raises(ValueError, match="at least one axis"):
        PoissonBinomial(0.5)
    with pytest.raises(ValueError, match="axis: expected one of the 1 axes of p, found 1"):
        PoissonBinomial([0.5], axis=1)
    with pytest.raises(TypeError, match="p: expected real numbers"):
        PoissonBinomial(["a"])
    with pytest.raises(TypeError, match="k: expected real numbers"):
        PoissonBinomial([0.5]).pmf(1j)
    with pytest.raises(ValueError, match="moments: expected letters"):
        PoissonBinomial([0.5]).stats("x")


def test_pickle_plan_and_repr():
    d = PoissonBinomial(np.random.default_rng(7).random((2, 3)))
    again = pickle.loads(pickle.dumps(d))
    assert (again.p == d.p).all() and (again.pmf(1) == d.pmf(1)).all()
    assert "3 uncertain trials of 3" in d.plan() and "3 trials" in repr(d)
