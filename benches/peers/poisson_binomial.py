"""Poisson-binomial distributions in f64 beside SciPy, fast_poibin and R's PoissonBinomial: errors and times, in one run.

    pip install bernet-*.whl numpy scipy fast_poibin mpmath gmpy2; apt-get install r-cran-poissonbinomial
    python benches/peers/poisson_binomial.py --record benches/record
    python benches/peers/poisson_binomial_page.py

Errors are relative, against exact arithmetic: kernels/tests/poisson_binomial_double/oracle.csv, its make.py for whole distributions, and mpmath
for equal probabilities. Times are seconds of CPU time of the thread that computes. The libraries take turns, and the least time of
all rounds counts, so that a busy machine disturbs the ratios little. A peer that is not installed is named and left out. With
--record, DIR/CPU/DATE gets poisson-binomial-double.csv (times), -errors.csv and -tail.csv, from which the second command writes the tables
and plots of docs/poisson-binomial.md.
"""

import argparse
import csv
import datetime
import os
import re
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
import make  # noqa: E402

BANDS = [1e-3, 1e-9, 1e-15, 1e-50, 1e-300]
KINDS = ["uniform", "tenth", "small", "ends"]
SIZES = [36, 100, 200, 500, 1000, 1024, 1025, 2000, 4096, 20_000]
EQUAL = [100_000, 1_000_000]
TAILS = [4096, 20_000]
# Convolutions take n² operations: R's up to, and SciPy's, which takes 15 s for 20 000.
QUADRATIC, SLOW = 20_000, 4096


def peers():
    """Names, and functions from probabilities to all masses."""
    found = {"bernet": lambda p: PoissonBinomial(p).pmf(np.arange(len(p) + 1))}
    try:
        import scipy
        from scipy.stats import poisson_binom

        found[f"SciPy {scipy.__version__}"] = lambda p: poisson_binom.pmf(np.arange(len(p) + 1), p)
    except ImportError as error:
        print(f"SciPy is left out: {error}")
    try:
        from importlib.metadata import version

        from fast_poibin import PoiBin

        found[f"fast_poibin {version('fast_poibin')}"] = lambda p: np.asarray(PoiBin(p).pmf)
    except ImportError as error:
        print(f"fast_poibin is left out: {error}")
    return found


class R:
    """R's PoissonBinomial in a process of its own."""

    def __init__(self):
        self.script = Path(__file__).with_suffix(".R")
        try:
            done = subprocess.run(["Rscript", self.script], capture_output=True, text=True, check=True)
            self.version = done.stdout.split()[-1]
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"R is left out: {getattr(error, 'stderr', '') or error}")
            self.version = None

    def name(self, method):
        return f"R {self.version} {method}"

    def masses(self, cases):
        """All masses by method and case."""
        found = {}
        if not self.version:
            return found
        with tempfile.TemporaryDirectory() as folder:
            for case, p in cases.items():
                np.asarray(p, np.float64).tofile(f"{folder}/p-{case}.bin")
            subprocess.run(["Rscript", self.script, "masses", folder, str(QUADRATIC)], check=True, stdout=subprocess.DEVNULL)
            for path in os.listdir(folder):
                if path.startswith("pmf-"):
                    case, method = path[4:-4].rsplit("-", 1)
                    found.setdefault(self.name(method), {})[case] = np.fromfile(f"{folder}/{path}")
        return found

    def times(self, speed):
        """Seconds by what is computed and method."""
        if not self.version:
            return {}
        with tempfile.TemporaryDirectory() as folder:
            for n, p in speed.items():
                p.tofile(f"{folder}/p-{n}.bin")
            done = subprocess.run(["Rscript", self.script, "times", folder], capture_output=True, text=True, check=True)
        lines = [line.split("\t") for line in done.stdout.splitlines()]
        return {(what, self.name(method)): float(seconds) for what, method, seconds in lines}


def equal(n):
    """Numbers and exact masses of n trials of 0.1, over everything that an f64 holds."""
    from mpmath import mp, mpf

    mp.dps = 40
    p = mpf(0.1)
    mean, deviation = n * 0.1, (n * 0.09) ** 0.5
    ks = sorted({round(mean + deviation * j / 2) for j in range(-73, 74)})
    log = lambda k: mp.loggamma(n + 1) - mp.loggamma(k + 1) - mp.loggamma(n - k + 1) + k * mp.log(p) + (n - k) * mp.log1p(-p)
    return [(k, float(mp.exp(log(k)))) for k in ks]


def errors(libraries, r):
    """Rows of n, lower end of the band, library, largest error; and of n, mass, library, error along one distribution's upper tail."""
    cases = {f"{kind}{n}": make.probabilities(kind, n) for kind in KINDS for n in SIZES}
    cases |= {f"tenth{n}": [0.1] * n for n in EQUAL}
    exact = {}
    with open(ORACLE / "oracle.csv") as file:
        for line in csv.DictReader(file):
            exact.setdefault(f"{line['kind']}{line['n']}", []).append((int(line["k"]), float(line["pmf"])))
    exact |= {f"tenth{n}": equal(n) for n in EQUAL}
    masses = {name: {} for name in libraries}
    for case, p in cases.items():
        for name, call in libraries.items():
            if len(p) <= SLOW or not name.startswith("SciPy"):
                masses[name][case] = call(p)
    masses |= r.masses(cases)
    bands = []
    for n in SIZES + EQUAL:
        for above, below in zip([2.0, *BANDS], BANDS):
            for name, found in masses.items():
                of = [abs(found[case][k] - x) / x for case in cases if case in found and len(cases[case]) == n for k, x in exact[case] if below <= x < above]
                if of:
                    bands.append([n, f"{below:.0e}", name, f"{max(of):.1e}"])
    tail = []
    for n in TAILS:
        exactly = make.distribution(cases[f"uniform{n}"])
        mode = max(range(n + 1), key=exactly.__getitem__)
        least = (1 << make.BITS) // 10**300
        last = next(k for k in range(mode, n + 1) if exactly[k] < least)
        for k in range(mode, last, max(1, (last - mode) // 70)):
            x = float(make.text(exactly[k]))
            for name, found in masses.items():
                if f"uniform{n}" in found:
                    tail.append([n, f"{x:.3e}", name, f"{abs(found[f'uniform{n}'][k] - x) / x:.1e}"])
    return bands, tail


def seconds(call, least=0.02):
    """Seconds of CPU time of one call, of as many as take a fiftieth of a second."""
    count = 1
    while True:
        start = time.thread_time()
        for _ in range(count):
            call()
        used = time.thread_time() - start
        if used > least:
            return used / count
        count *= 4


def times(libraries, r, rounds):
    """Seconds by what is computed and library, the least of all rounds."""
    rng = np.random.default_rng(1)
    speed = {n: rng.random(n) for n in (100, 1000, 100_000, 1_000_000)}
    sums = rng.random((1000, 1000))
    scipy, poibin = (next((name for name in libraries if name.startswith(start)), None) for start in ("SciPy", "fast_poibin"))
    calls = {("all masses, n = 100", name): lambda call=call: call(speed[100]) for name, call in libraries.items()}
    calls |= {("all masses, n = 100000", name): lambda call=call: call(speed[100_000]) for name, call in libraries.items() if name != scipy}
    one = "survival at one cut, n = 1000, a sum of 1000"
    calls[one, "bernet"] = lambda: PoissonBinomial(sums).sf(499)
    if scipy:
        from scipy.stats import poisson_binom

        calls[one, scipy] = lambda: [poisson_binom.sf(499, p) for p in sums[:10]]
    if poibin:
        from fast_poibin import PoiBin

        calls[one, poibin] = lambda: [1 - PoiBin(p).cdf[499] for p in sums[:100]]
    calls["ppf(0.5), n = 1000000", "bernet"] = lambda: PoissonBinomial(speed[1_000_000]).ppf(0.5)
    many = {(one, "bernet"): 1000, (one, scipy): 10, (one, poibin): 100}
    found = {}
    for _ in range(rounds):
        for key, call in calls.items():
            found.setdefault(key, []).append(seconds(call) / many.get(key, 1))
        for key, value in r.times({n: speed[n] for n in (100, 1000, 100_000)}).items():
            found.setdefault(key, []).append(value)
    return {key: min(values) for key, values in found.items()}


def cpu():
    """As `bernet bench --record` names it."""
    text = Path("/proc/cpuinfo").read_text()
    name, family, model = (re.search(rf"^{field}\s*: (.*)$", text, re.M)[1] for field in ("model name", "cpu family", "model"))
    return f"{name} (family {family}, model {model})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", type=Path, metavar="DIR", help="write DIR/CPU/DATE/poisson-binomial-*.csv")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", choices=["errors", "times"])
    options = parser.parse_args()
    libraries, r = peers(), R()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT).stdout.strip()
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    tables = {}
    if options.only != "times":
        bands, tail = errors(libraries, r)
        tables["errors"] = ["n", "masses from", "library", "largest relative error"], bands
        tables["tail"] = ["n", "mass", "library", "relative error"], tail
    if options.only != "errors":
        found = times(libraries, r, options.rounds)
        rows = [[what, name, f"{value:.3g}", f"{value / found[what, 'bernet']:.3g}"] for (what, name), value in sorted(found.items(), key=lambda item: item[0][0])]
        tables["double"] = ["what", "library", "seconds", "of bernet's time"], rows
    for name, (head, rows) in tables.items():
        target = sys.stdout
        if options.record:
            folder = options.record / "-".join(re.findall(r"[a-z0-9]+", cpu().lower())) / date
            folder.mkdir(parents=True, exist_ok=True)
            target = open(folder / f"poisson-binomial-{name}.csv", "w", newline="")
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow([*head, "cpu", "commit", "date"])
        writer.writerows([*row, cpu(), commit, date] for row in rows)
        if options.record:
            target.close()


if __name__ == "__main__":
    main()
