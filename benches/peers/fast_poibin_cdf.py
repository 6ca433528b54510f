"""fast_poibin: the whole distribution by FFT, f64."""

import sys

import numpy as np
from fast_poibin import PoiBin

from support import median_seconds, show

if sys.argv[1] == "poisson-binomial":
    for n in (36, 800, 4096):
        neurons = np.random.default_rng(0).random((20, n))
        seconds = median_seconds(lambda: [PoiBin(v).cdf[(n + 1) // 2 - 1] for v in neurons])
        show("fast_poibin 0.4 cdf", sys.argv[1], f"{n} forward", ns_per_neuron_sample=round(seconds / 20 * 1e9, 1))
