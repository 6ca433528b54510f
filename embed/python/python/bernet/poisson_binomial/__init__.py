"""The number K of successes among independent trials of unequal probabilities.

`PoissonBinomial(p)` has the method names of the distributions in scipy.stats, in float64 and with all digits: tails to 1e-300, their
logarithms further. The functions of `float32` are the kernels of layers: many sums at once, right to 1e-6.

    >>> from bernet.poisson_binomial import PoissonBinomial
    >>> votes = PoissonBinomial([0.9, 0.6, 0.55, 0.2])
    >>> votes.sf(2)
    np.float64(0.3858)
    >>> votes.ppf([0.05, 0.95])
    array([1., 4.])
"""

from . import float32
from .distribution import PoissonBinomial

__all__ = ["PoissonBinomial", "float32"]
