"""The float32 kernels of layers, against convolution in float64."""

import numpy as np
import pytest
from bernet.poisson_binomial import PoissonBinomial
from bernet.poisson_binomial import float32 as pb


def reference(column):
    masses = np.ones(1)
    for p in column.astype(np.float64):
        masses = np.convolve(masses, [1 - p, p])
    return masses


@pytest.fixture(scope="module", params=[1, 7, 36, 200])
def probabilities(request):
    return np.random.default_rng(1).random((request.param, 5), dtype=np.float32)


def test_against_convolution(probabilities):
    factors = len(probabilities)
    masses = np.stack([reference(column) for column in probabilities.T], axis=1)
    assert pb.distribution(probabilities, axis=0) == pytest.approx(masses, abs=1e-14)
    for cut in {-1, 0, 1, factors // 2, factors, factors + 1}:
        after = masses[max(cut, 0) :].sum(0)
        for form in ["full", "undecided", "banded", "fastest"]:
            assert pb.survival(probabilities, cut, form=form, axis=0) == pytest.approx(after, abs=2e-6)
        assert pb.cdf(probabilities, cut - 1, axis=0) == pytest.approx(1 - after, abs=2e-6)
        mass = masses[cut] if 0 <= cut <= factors else np.zeros(5)
        assert pb.mass(probabilities, cut, axis=0) == pytest.approx(mass, abs=2e-6)


def test_gradient_is_the_distribution_of_the_others(probabilities):
    factors = len(probabilities)
    cut = factors // 2 + 1
    for method in ["precise", "autograd", "fastest"]:
        survival, gradient = pb.gradient(probabilities, cut, method=method, axis=0)
        assert survival == pytest.approx(pb.survival(probabilities, cut, axis=0), abs=2e-6)
        assert gradient.shape == probabilities.shape
        for factor in {0, factors // 2, factors - 1}:
            others = np.delete(probabilities, factor, axis=0)
            for sum in range(5):
                assert gradient[factor, sum] == pytest.approx(reference(others[:, sum])[cut - 1], abs=1e-5)


def test_one_sum_gives_numbers():
    assert pb.survival([0.5, 0.5], 1) == np.float32(0.75)
    assert pb.mass([0.5, 0.5], 1) == np.float32(0.5)
    assert pb.cdf([0.5, 0.5], 0) == np.float32(0.25)
    survival, gradient = pb.gradient([0.1, 0.2, 0.3], 2)
    assert survival == pytest.approx(0.098) and gradient == pytest.approx([0.38, 0.34, 0.26])
    assert pb.distribution([0.5, 0.5]).tolist() == [0.25, 0.5, 0.25]


def test_more_axes_keep_their_shape():
    probabilities = np.random.default_rng(2).random((9, 3, 4))
    assert pb.survival(probabilities, 4, axis=0).shape == (3, 4)
    assert pb.gradient(probabilities, 4, axis=0)[1].shape == (9, 3, 4)
    assert pb.distribution(probabilities, axis=0).shape == (10, 3, 4)


def test_the_axis_must_be_named_where_there_are_several():
    square = np.random.default_rng(3).random((6, 6))
    with pytest.raises(ValueError, match="say which axis counts the factors, axis=0 or axis=1"):
        pb.survival(square, 3)
    for axis, turned in ((0, square), (1, square.T), (-1, square.T)):
        exact = np.array([reference(column)[3:].sum() for column in turned.T])
        assert pb.survival(square, 3, axis=axis) == pytest.approx(exact, abs=2e-6)
        survival, slopes = pb.gradient(square, 3, axis=axis)
        assert slopes.shape == (6, 6) and survival == pytest.approx(exact, abs=2e-6)
        first = np.moveaxis(slopes, axis, 0)[0]
        others = [reference(column[1:])[2] for column in turned.T]
        assert first == pytest.approx(np.array(others), abs=1e-5)


def test_no_sums():
    none = np.zeros((3, 0))
    assert pb.survival(none, 1, axis=0).shape == pb.cdf(none, 1, axis=0).shape == (0,)
    assert pb.gradient(none, 1, axis=0)[1].shape == (3, 0)
    assert pb.distribution(none, axis=0).shape == (4, 0)


def test_cuts_of_any_integer_type():
    for cut in (np.uint8(5), np.int8(5), 5, 2**40):
        assert pb.cdf([0.1, 0.2], cut) == 1 and pb.survival([0.1, 0.2], cut) == 0
    assert pb.survival([0.1, 0.2], -(2**40)) == 1 and pb.cdf([0.1, 0.2], -(2**40)) == 0
    assert pb.cdf(np.full(300, 0.5), np.uint8(5)) == pytest.approx(PoissonBinomial(np.full(300, 0.5)).cdf(5))
    with pytest.raises(TypeError):
        pb.survival([0.5], 1.5)


def test_cdf_rounds_no_complement():
    p = np.full(20_000, 2.9e-8, np.float32)
    for found in (pb.cdf(p, 0), pb.mass(p, 0), 1 - pb.survival(p, 1)):
        assert found == pytest.approx(0.99942016815, abs=1e-6)
    p = np.full(20_000, 1e-3, np.float32)
    assert pb.cdf(p, 0) == pytest.approx(2.04063e-9, rel=1e-4)
    assert pb.cdf(np.full(100, 1e-3, np.float32), 0) == pytest.approx(0.904792142811875, abs=1e-6)


def test_tails():
    """Right to 1e-6 absolutely; `full`, `mass` and `autograd` keep their digits; nothing is negative or contradicts itself."""
    for n, tail, mass in ((128, 3.71280351672e-13, 2.92296788859e-13), (129, 5.02813906441e-13, 3.94600664307e-13)):
        p = np.full(n, 0.1, np.float32)
        assert pb.survival(p, 43, form="full") == pytest.approx(tail, rel=1e-5)
        assert pb.survival(p, 43) == pytest.approx(tail, abs=1e-6) and pb.mass(p, 43) == pytest.approx(mass, abs=1e-6)
        assert 0 <= pb.mass(p, 43) <= pb.survival(p, 43)
    for n, slope in ((72, 7.12319762464e-7), (73, 9.23166410625e-7)):
        p = np.full(n, 0.1, np.float32)
        assert pb.gradient(p, 23, method="autograd")[1] == pytest.approx(np.full(n, slope), rel=1e-5)
        for method in ("fastest", "precise"):
            found = pb.gradient(p, 23, method=method)[1]
            assert found == pytest.approx(np.full(n, slope), abs=5e-7) and found.min() >= 0
    p = np.random.default_rng(3).random(73).astype(np.float32)
    d = PoissonBinomial(p)
    cut = int(d.isf(1e-12)) + 1
    exact = d.gradient(cut - 1, "sf")[1]
    assert exact.min() > 0
    assert pb.gradient(p, cut, method="autograd")[1] == pytest.approx(exact, rel=1e-4)
    assert pb.gradient(p, cut, method="precise")[1].min() >= 0
    coins = np.full(1000, 0.5, np.float32)
    assert 0 <= pb.mass(coins, 990) <= pb.survival(coins, 990)


def test_many_factors():
    assert pb.survival(np.full(131_072, 0.999, np.float32), 130_940) == pytest.approx(0.555, abs=1e-3)
    assert pb.survival(np.full(200_000, 0.99, np.float32), 198_000) == pytest.approx(0.50596, abs=1e-4)
    assert pb.cdf(np.full(200_000, 0.01, np.float32), 2_000) == pytest.approx(0.5059, abs=1e-4)
    assert pb.survival(np.full(90_000, 0.9985, np.float32), 89_864) == pytest.approx(0.55692406, abs=1e-4)
    for form, p, cut in (("undecided", np.full(90_000, 0.9985), 89_864), ("full", np.full(131_072, 0.999), 130_940)):
        with pytest.raises(ValueError, match=f"factors is {len(p)}, expected at most 4096 for this form"):
            pb.survival(p.astype(np.float32), cut, form=form)
    with pytest.raises(ValueError, match="factors is 200000, expected at most 4096 for this form"):
        pb.survival(np.full(200_000, 0.99, np.float32), 198_000, form="spectral")


def test_wrong_arguments():
    for call in (
        lambda: pb.survival([0.5, 1.5], 1),
        lambda: pb.gradient([0.5, float("nan")], 1),
        lambda: pb.distribution([-0.1]),
    ):
        with pytest.raises(ValueError, match="probability . is .*, expected 0 to 1"):
            call()
    with pytest.raises(ValueError, match="form: expected one of full"):
        pb.survival([0.5], 1, form="best")
    with pytest.raises(ValueError, match="method: expected one of precise"):
        pb.gradient([0.5], 1, method="best")
    with pytest.raises(ValueError, match="at least one axis"):
        pb.survival(0.5, 1)
    with pytest.raises(ValueError, match="probability 1 is 1.000000001, expected 0 to 1"):
        pb.survival([0.5, 1 + 1e-9], 1)
