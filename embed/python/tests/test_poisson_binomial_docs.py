"""The examples of docs/poisson-binomial.md: they run, and give what their comments say."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from bernet.poisson_binomial import PoissonBinomial

ROOT = Path(os.environ.get("BERNET_ROOT", Path(__file__).parents[3]))
PAGE = ROOT / "docs" / "poisson-binomial.md"


@pytest.fixture(scope="module")
def names():
    """What the blocks leave, run one after the other."""
    names = {}
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        exec(compile(block, PAGE.name, "exec"), names)
    return names


def test_figures(names):
    """Each line `expression   # = value` or `# ~ value`, as far as digits are shown."""
    lines = re.findall(r"^([a-z]+\..*?) +# ([=~]) ([-+.e0-9]+)", PAGE.read_text(), re.MULTILINE)
    assert len(lines) == 9
    for expression, sign, value in lines:
        found = eval(expression, names)
        digits = len(value.split("e")[0].replace(".", "").lstrip("-0"))
        tolerance = 1e-13 if sign == "=" else 0.5 * 10.0 ** (1 - digits)
        assert found == pytest.approx(float(value), rel=tolerance), expression


def test_reliability(names):
    """Birnbaum importance is how much the tail changes with one part."""
    p = np.arange(1, 1001) * 1e-6
    importance = names["importance"]
    assert -np.inf < names["failures"].logsf(600) < -2000
    for j in (0, 500, 999):
        without, broken = p.copy(), p.copy()
        without[j], broken[j] = 0, 1
        difference = PoissonBinomial(broken).sf(4) - PoissonBinomial(without).sf(4)
        assert importance[j] == pytest.approx(difference, rel=1e-9)


def test_elections(names):
    districts = names["districts"]
    assert names["season"].ppf([0.05, 0.95]).tolist() == [2, 7] and names["season"].interval(0.9) == (2, 7)
    assert names["seats"].mean() == pytest.approx(districts.sum(-1))
    assert names["seats"].rvs(random_state=1).shape == (2000,)


def test_genomics(names):
    reads, qualities = names["reads"], names["qualities"]
    masses = np.ones(1)
    for p in 10.0 ** (-qualities / 10):
        masses = np.convolve(masses, [1 - p, p])
    assert reads.pvalue(12, "greater") == pytest.approx(masses[12:].sum(), rel=1e-12)
    assert names["sites"].pvalue([12, 12], "greater") == pytest.approx([1.261355944084023e-10, 7.522679475877315e-16], rel=1e-12)


def test_links():
    for link in re.findall(r"\]\(([^)#]+)\)", PAGE.read_text()):
        assert (ROOT / "docs" / link).exists(), link
