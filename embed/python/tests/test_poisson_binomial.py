"""Poisson-binomial distributions, against convolution in float64."""

import numpy as np
import pytest
from bernet import poisson_binomial as pb


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
    assert pb.distribution(probabilities) == pytest.approx(masses, abs=1e-14)
    for cut in {-1, 0, 1, factors // 2, factors, factors + 1}:
        after = masses[max(cut, 0) :].sum(0)
        for form in ["full", "undecided", "banded", "fastest"]:
            assert pb.survival(probabilities, cut, form=form) == pytest.approx(after, abs=2e-6)
        assert pb.cdf(probabilities, cut - 1) == pytest.approx(1 - after, abs=2e-6)
        mass = masses[cut] if 0 <= cut <= factors else np.zeros(5)
        assert pb.mass(probabilities, cut) == pytest.approx(mass, abs=2e-6)


def test_gradient_is_the_distribution_of_the_others(probabilities):
    factors = len(probabilities)
    cut = factors // 2 + 1
    for method in ["precise", "autograd", "fastest"]:
        survival, gradient = pb.gradient(probabilities, cut, method=method)
        assert survival == pytest.approx(pb.survival(probabilities, cut), abs=2e-6)
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
    assert pb.survival(probabilities, 4).shape == (3, 4)
    assert pb.gradient(probabilities, 4)[1].shape == (9, 3, 4)
    assert pb.distribution(probabilities).shape == (10, 3, 4)


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
    with pytest.raises(ValueError, match="sums is 0"):
        pb.survival(np.zeros((3, 0)), 1)
