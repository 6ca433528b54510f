"""Binary neural nets: trained through exact Bernoulli distributions, run on XNOR-popcount kernels.

    import bernet
    model = bernet.load("mnist.bnet")
    _, (images, labels) = bernet.mnist()
    print((model.predict(images) == labels).mean())
"""

from . import poisson_binomial
from ._native import Epoch, Model, load, mnist, train

__all__ = ["Epoch", "Model", "load", "mnist", "poisson_binomial", "train"]
