"""Poisson-binomial distributions in f64 beside SciPy, fast_poibin and R's PoissonBinomial: errors and times, in one run.

    pip install bernet-*.whl numpy scipy fast_poibin; apt-get install r-cran-poissonbinomial
    python benches/peers/poisson_binomial.py

Errors are relative, against kernels/tests/poisson_binomial_double/oracle.csv (exact arithmetic), the largest in a band of probabilities. Times are
seconds of CPU time of the thread that computes, the least of several runs, so that a busy machine disturbs them little. A peer
that is not installed is named and left out. Tables are written in Markdown.
"""

import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from bernet.poisson_binomial import PoissonBinomial

ROOT = Path(__file__).resolve().parents[2]
ORACLE = ROOT / "kernels/tests/poisson_binomial_double"
sys.path.insert(0, str(ORACLE))
from make import probabilities  # noqa: E402

BANDS = [1e-3, 1e-9, 1e-15, 1e-50, 1e-300]
KINDS = ["uniform", "tenth", "small", "ends"]
SIZES = [100, 1000, 4096]


def peers():
    """Names, and functions from probabilities to all masses."""
    found = {"bernet": lambda p: PoissonBinomial(p).pmf(np.arange(len(p) + 1))}
    try:
        from scipy.stats import poisson_binom

        found["SciPy"] = lambda p: poisson_binom.pmf(np.arange(len(p) + 1), p)
    except ImportError as error:
        print(f"SciPy is left out: {error}")
    try:
        from fast_poibin import PoiBin

        found["fast_poibin"] = lambda p: np.asarray(PoiBin(p).pmf)
    except ImportError as error:
        print(f"fast_poibin is left out: {error}")
    return found


def least(call, runs=7):
    """Seconds of CPU time of one call, of as many as take a hundredth of a second."""
    times, count = [], 1
    while True:
        start = time.thread_time()
        for _ in range(count):
            call()
        used = time.thread_time() - start
        if used > 0.01 or times:
            times.append(used / count)
        else:
            count *= 4
        if len(times) == runs or len(times) > 1 and used > 3:
            return min(times)


def from_r(cases):
    """All masses of each case by each method, and times; nothing where there is no R."""
    with tempfile.TemporaryDirectory() as folder:
        for name, p in cases.items():
            np.asarray(p, np.float64).tofile(f"{folder}/p-{name}.bin")
        try:
            script = Path(__file__).with_suffix(".R")
            done = subprocess.run(["Rscript", script, folder], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"R is left out: {getattr(error, 'stderr', '') or error}")
            return {}, {}
        print("R's PoissonBinomial", done.stdout.split()[1])
        masses = {}
        for path in os.listdir(folder):
            if path.startswith("pmf-"):
                masses[tuple(path[4:-4].rsplit("-", 1))] = np.fromfile(f"{folder}/{path}")
        lines = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("time")]
        return masses, {(what, method): float(seconds) for what, method, seconds in lines}


def main():
    libraries = peers()
    rng = np.random.default_rng(1)
    speed = {n: rng.random(n) for n in (100, 1000, 100_000)}
    cases = {f"{kind}{n}": probabilities(kind, n) for kind in KINDS for n in SIZES}
    by_r, r_times = from_r({**cases, **{f"speed{n}": p for n, p in speed.items()}})
    results = {name: {case: call(p) for case, p in cases.items()} for name, call in libraries.items()}
    for (case, method), masses in by_r.items():
        results.setdefault(f"R {method}", {})[case] = masses

    print("\n| n | masses from | " + " | ".join(results) + " |")
    print("|---|---|" + "---|" * len(results))
    with open(ORACLE / "oracle.csv") as file:
        lines = [line for line in csv.DictReader(file) if f"{line['kind']}{line['n']}" in cases]
    for n in SIZES:
        for above, below in zip([1.0, *BANDS], BANDS):
            row = []
            for masses in results.values():
                worst = 0.0
                for line in lines:
                    exact = float(line["pmf"])
                    if int(line["n"]) == n and below <= exact < above:
                        found = masses[f"{line['kind']}{n}"][int(line["k"])]
                        worst = max(worst, abs(found - exact) / exact)
                row.append(f"{worst:.0e}")
            print(f"| {n} | {above:.0e} to {below:.0e} | " + " | ".join(row) + " |")

    print("\n| | bernet | " + " | ".join(name for name in list(libraries)[1:]) + " | R Convolve | R DivideFFT |")
    print("|---|---|" + "---|" * (len(libraries) + 1))

    def show(what, name, calls):
        ours = least(calls["bernet"])
        row = [f"{ours * 1e6:.3g} µs"]
        for peer in list(libraries)[1:]:
            row.append(f"{least(calls[peer]) / ours:.1f}×" if peer in calls else "–")
        for method in ("Convolve", "DivideFFT"):
            seconds = r_times.get((name, method))
            row.append(f"{seconds / ours:.1f}×" if seconds else "–")
        print(f"| {what} | " + " | ".join(row) + " |", flush=True)

    small = speed[100]
    masses = {name: (lambda call: lambda: call(small))(call) for name, call in libraries.items()}
    show("n = 100, all masses", "pmf100", masses)
    medium = speed[1000]
    sums = np.tile(medium, (1000, 1))
    per_sum = {"bernet": lambda: PoissonBinomial(sums).sf(499)}
    ours = least(per_sum["bernet"], 3) / 1000
    row = [f"{ours * 1e6:.3g} µs a sum"]
    if "SciPy" in libraries:
        from scipy.stats import poisson_binom

        row.append(f"{least(lambda: poisson_binom.sf(499, medium), 3) / ours:.1f}×")
    if "fast_poibin" in libraries:
        from fast_poibin import PoiBin

        row.append(f"{least(lambda: 1 - PoiBin(medium).cdf[499], 3) / ours:.1f}×")
    for method in ("Convolve", "DivideFFT"):
        row.append(f"{r_times[('survival1000', method)] / ours:.1f}×" if r_times else "–")
    print("| n = 1000, 1000 sums, survival at one cut | " + " | ".join(row) + " |", flush=True)
    large = speed[100_000]
    show(
        "n = 100 000, all masses",
        "pmf100000",
        {name: (lambda call: lambda: call(large))(call) for name, call in libraries.items() if name != "SciPy"},
    )
    huge = np.random.default_rng(2).random(1_000_000)
    seconds = least(lambda: PoissonBinomial(huge).ppf(0.5), 3)
    print(f"| n = 1 000 000, `ppf(.5)`, with making the distribution | {seconds:.3g} s | " + " | ".join("–" * (len(libraries) + 1)) + " |")


if __name__ == "__main__":
    main()
