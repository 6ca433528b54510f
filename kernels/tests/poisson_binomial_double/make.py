"""Writes oracle.csv: masses and tails of Poisson-binomial distributions in exact arithmetic, to 20 digits.

    pip install gmpy2 && python kernels/tests/poisson_binomial_double/make.py > kernels/tests/poisson_binomial_double/oracle.csv

A probability, an f64, is a whole multiple of 2^-1074; a distribution is a polynomial whose coefficients are whole multiples of 2^-1400,
rounded down after each product: an error below n 2^-1400 (1e-417) each. Products of polynomials are products of large integers
(Kronecker), factors in a binary tree. Nothing here is shared with the crate but the list of probabilities, which both compute from the
same 64-bit words (splitmix64) with the same f64 operations.
"""

from fractions import Fraction

import gmpy2

BITS = 1400
MASK = (1 << 64) - 1


def words(seed):
    while True:
        seed = (seed + 0x9E3779B97F4A7C15) & MASK
        z = seed
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        yield z ^ (z >> 31)


def probabilities(kind, n):
    source = words(n)
    uniform = lambda: (next(source) >> 11) * 2.0**-53
    special = [0.0, 1.0, 1e-45, 1 - 2.0**-53, 0.5, 2.0**-53, 1e-300, 0.0]

    def one():
        u = uniform()
        if kind == "uniform":
            return u
        if kind == "small":
            return u * 1e-3
        if kind == "large":
            return 1 - u * 1e-3
        if kind == "tenth":
            return 0.1
        if kind == "tiny":
            return 1e-45 * (1 + u)
        if kind == "certain":
            return 1 - 2.0**-53
        if kind == "ends":
            u = u * u * u * u * u
            return u if next(source) & 1 else 1 - u
        special[7] = u
        return special[next(source) >> 61]

    return [one() for _ in range(n)]


def multiply(a, b):
    size = (2 * BITS + 64) // 8
    pack = lambda c: gmpy2.mpz(int.from_bytes(b"".join(int(x).to_bytes(size, "little") for x in c), "little"))
    product = int(pack(a) * pack(b))
    length = len(a) + len(b) - 1
    raw = product.to_bytes(length * size, "little")
    return [gmpy2.mpz(int.from_bytes(raw[i * size : (i + 1) * size], "little") >> BITS) for i in range(length)]


def distribution(p):
    level = []
    for x in p:
        x = Fraction(x)
        one = 1 << BITS
        q = (one * (x.denominator - x.numerator)) // x.denominator
        level.append([gmpy2.mpz(q), gmpy2.mpz((one * x.numerator) // x.denominator)])
    level = level or [[gmpy2.mpz(1 << BITS)]]
    while len(level) > 1:
        pairs = [multiply(a, b) for a, b in zip(level[::2], level[1::2])]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]


def text(x):
    with gmpy2.context(precision=200):
        return "{:.20e}".format(gmpy2.mpfr(x) / gmpy2.mpfr(2) ** BITS) if x else "0"


def main():
    print("kind,n,k,pmf,cdf,survival")
    for kind in ["uniform", "small", "large", "tenth", "tiny", "certain", "ends", "special"]:
        for n in [1, 2, 3, 5, 17, 36, 100, 128, 129, 200, 500, 1000, 1024, 1025, 2000, 4096, 20000]:
            masses = distribution(probabilities(kind, n))
            below = [gmpy2.mpz(0)]
            for mass in masses:
                below.append(below[-1] + mass)
            above = [gmpy2.mpz(0)]
            for mass in reversed(masses):
                above.append(above[-1] + mass)
            above.reverse()
            wanted = {0, n, max(range(n + 1), key=lambda k: masses[k])}
            for power in [2, 6, 12, 40, 120, 290]:
                least = gmpy2.mpz(1 << BITS) // gmpy2.mpz(10) ** power
                wanted.add(next((k for k in range(n + 1) if above[k] < least), n))
                wanted.add(next((k for k in range(n, -1, -1) if below[k + 1] < least), 0))
            for k in sorted(wanted):
                print(f"{kind},{n},{k},{text(masses[k])},{text(below[k + 1])},{text(above[k])}", flush=True)


if __name__ == "__main__":
    main()
