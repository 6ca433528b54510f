"""Writes the golden vectors, kernels.txt and models.txt, from the definitions in plain Python, standard library only: a second
implementation, which shares no code with the first.

    python3 tests/golden/make.py
"""

import operator
import random
import sys
from fractions import Fraction
from functools import reduce
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
import bnet_reader_4 as bnet_reader  # noqa: E402


def signs(count):
    return [random.choice((-1, 1)) for _ in range(count)]


def add(terms):
    """One after the other, each sum rounded once; Python's own sum is more exact than that."""
    return reduce(operator.add, terms, 0)


def hexadecimal(row):
    """A row of signs: +1 is a set bit, the first in the lowest bit of the first byte."""
    values = [sum((row[at + bit] > 0) << bit for bit in range(min(8, len(row) - at))) for at in range(0, len(row), 8)]
    return bytes(values).hex()


def thresholds(count, depth):
    spread = int(depth**0.5) + 2
    extreme = (-(2**31), 2**31 - 1, depth, 1 - depth)
    return [
        (random.choice(extreme) if random.random() < 0.2 else random.randint(-spread, spread), random.randint(0, 1))
        for _ in range(count)
    ]


def activation(total, threshold):
    at_least, invert = threshold
    return 1 if (total >= at_least) != bool(invert) else -1


def write_outputs(out, sums, depth):
    """Rows of sums, their thresholds, and the signs that follow."""
    limits = thresholds(len(sums[0]), depth)
    out(*["sums"] + [total for row in sums for total in row])
    out(*["at_least"] + [at_least for at_least, _ in limits])
    out(*["invert"] + [invert for _, invert in limits])
    out(*["bits"] + [hexadecimal([activation(*pair) for pair in zip(row, limits)]) for row in sums])


def product(out, rows, columns, depth):
    a, w = ([signs(depth) for _ in range(count)] for count in (rows, columns))
    out("product", rows, columns, depth)
    out("a", *map(hexadecimal, a))
    out("w", *map(hexadecimal, w))
    write_outputs(out, [[sum(x * y for x, y in zip(left, right)) for right in w] for left in a], depth)
    out()


def convolve(image, weights, kernel, stride, padding, value, dilation=(1, 1), groups=1):
    """image[y][x][channel], weights[output][tap] in the order kernel line, kernel column, channel of the group."""
    height, width, channels = len(image), len(image[0]), len(image[0][0])
    top, left, bottom, right = padding
    lines = (height + top + bottom - (kernel[0] - 1) * dilation[0] - 1) // stride[0] + 1
    pixels = (width + left + right - (kernel[1] - 1) * dilation[1] - 1) // stride[1] + 1
    each, outputs = channels // groups, len(weights) // groups

    def at(y, x, channel):
        inside = 0 <= y < height and 0 <= x < width
        return image[y][x][channel] if inside else value

    def total(y, x, output):
        taps = iter(weights[output])
        return add(
            next(taps) * at(
                y * stride[0] + ky * dilation[0] - top, x * stride[1] + kx * dilation[1] - left, output // outputs * each + c
            )
            for ky in range(kernel[0]) for kx in range(kernel[1]) for c in range(each)
        )

    return [[[total(y, x, output) for output in range(len(weights))] for x in range(pixels)] for y in range(lines)]


def convolution(out, size, channels, outputs, kernel, stride, padding, value, dilation=(1, 1), groups=1):
    height, width = size
    image = [[signs(channels) for _ in range(width)] for _ in range(height)]
    depth = kernel[0] * kernel[1] * channels // groups
    weights = [signs(depth) for _ in range(outputs)]
    out("convolution", *size, channels, outputs, *kernel, *stride, *padding, value, *dilation, groups)
    out("x", *(hexadecimal(sum(line, [])) for line in image))
    out("w", *map(hexadecimal, weights))
    sums = convolve(image, weights, kernel, stride, padding, value, dilation, groups)
    write_outputs(out, [pixel for line in sums for pixel in line], depth)
    out()


def distribution(factors):
    chances = [Fraction(1)]
    for v in factors:
        longer = [Fraction(0)] * (len(chances) + 1)
        for successes, chance in enumerate(chances):
            longer[successes] += chance * (1 - v)
            longer[successes + 1] += chance * v
        chances = longer
    return chances


def mass(chances, cut):
    return chances[cut] if 0 <= cut < len(chances) else Fraction(0)


def poisson_binomial(out, factors, cut):
    """Exact, in fractions; d survival/d v_j is the mass of the others at cut − 1."""
    v = [Fraction(factor, 64) for factor in factors]
    chances = distribution(v)
    out("poisson-binomial", len(v), cut)
    out("v", *map(float, v))
    out("survival", float(sum(chances[max(cut, 0) :])))
    out("mass", float(mass(chances, cut)))
    out("gradient", *(float(mass(distribution(v[:j] + v[j + 1 :]), cut - 1)) for j in range(len(v))))
    out()


def kernels(out):
    for shape in [
        (1, 1, 1), (1, 3, 7), (2, 5, 8), (3, 4, 31), (3, 4, 33), (4, 5, 63), (5, 4, 64), (2, 17, 65), (6, 3, 100), (7, 9, 127),
        (13, 2, 129), (1, 33, 250), (16, 5, 40), (3, 3, 577),
    ]:
        product(out, *shape)
    none, one = (0, 0, 0, 0), (1, 1, 1, 1)
    convolution(out, (6, 6), 1, 8, (6, 6), (2, 2), none, -1)
    convolution(out, (7, 5), 1, 3, (3, 3), (1, 1), one, 0)
    convolution(out, (4, 5), 3, 4, (3, 2), (1, 2), (1, 0, 2, 1), -1)
    convolution(out, (4, 5), 3, 4, (2, 3), (2, 1), (0, 1, 1, 2), 1)
    convolution(out, (3, 4), 64, 5, (1, 1), (1, 1), none, -1)
    convolution(out, (3, 3), 65, 3, (3, 3), (1, 1), one, 0)
    convolution(out, (5, 6), 33, 66, (2, 2), (2, 2), none, -1, groups=33)
    convolution(out, (6, 5), 8, 6, (2, 2), (1, 1), one, 0, dilation=(2, 3), groups=2)
    for count, cut in [(0, 0), (0, 1), (1, 1), (5, -1), (5, 0), (5, 3), (5, 6), (17, 9), (36, 18), (36, 30), (90, 45)]:
        poisson_binomial(out, [random.choice((0, 32, 64) + 3 * tuple(range(65))) for _ in range(count)], cut)


def run(model, image):
    """The logits of an image[y][x][channel] of signs or grey values, by the definition."""
    logits = None
    for layer in model["layers"]:
        rows, columns = bnet_reader.weight_shape(layer)
        weights = layer["weights"] if "real" in layer["kind"] else [1 if bit == "1" else -1 for bit in layer["weights"]]
        weights = [weights[row * columns : (row + 1) * columns] for row in range(rows)]
        if layer["kind"] == "crop":
            lines = image[layer["top"] : layer["top"] + layer["height"]]
            image = [line[layer["left"] : layer["left"] + layer["width"]] for line in lines]
        elif "conv" in layer["kind"]:
            sums = convolve(image, weights, layer["kernel"], layer["stride"], layer["padding"], layer["padding_value"])
            limits = list(zip(layer["at_least"], map(int, layer["invert"])))
            image = [[[activation(*pair) for pair in zip(pixel, limits)] for pixel in line] for line in sums]
        elif layer["kind"] == "max pool":
            image = max_pool(image, layer["kernel"], layer["stride"], layer["padding"])
        elif "expectation" in layer["kind"]:
            pixels = [pixel for line in image for pixel in line]
            whole = sum(pixels, [])
            if columns == len(pixels[0]):
                logits = [add(x * y for pixel in pixels for x, y in zip(pixel, row)) for row in weights]
            else:
                logits = [add(x * y for x, y in zip(whole, row)) for row in weights]
        else:
            logits = [scale * total + bias for scale, total, bias in zip(layer["scale"], logits, layer["bias"])]
    return logits


def max_pool(image, kernel, stride, padding):
    top, left, bottom, right = padding
    lines = (len(image) + top + bottom - kernel[0]) // stride[0] + 1
    pixels = (len(image[0]) + left + right - kernel[1]) // stride[1] + 1

    def largest(y, x, channel):
        return max(
            image[line][pixel][channel]
            for line in range(max(0, y * stride[0] - top), min(len(image), y * stride[0] - top + kernel[0]))
            for pixel in range(max(0, x * stride[1] - left), min(len(image[0]), x * stride[1] - left + kernel[1]))
        )

    return [[[largest(y, x, c) for c in range(len(image[0][0]))] for x in range(pixels)] for y in range(lines)]


def models(out):
    root = HERE.parent.parent
    for path in [root / "models/mnist.bnet", *sorted(HERE.glob("*.bnet"))]:
        model = bnet_reader.read(path.read_bytes())
        height, width, channels = (model["input"][name] for name in ("height", "width", "channels"))
        for _ in range(3):
            grey = model["input"]["threshold"] is None
            values = (lambda count: [random.choice((0, random.randrange(256))) for _ in range(count)]) if grey else signs
            image = [[values(channels) for _ in range(width)] for _ in range(height)]
            out("model", path.relative_to(root))
            out("image", *((bytes(sum(line, [])).hex() if grey else hexadecimal(sum(line, []))) for line in image))
            out("logits", *run(model, image))
            out()


if __name__ == "__main__":
    for name, vectors in (("kernels.txt", kernels), ("models.txt", models)):
        random.seed(name)
        with open(HERE / name, "w") as file:
            vectors(lambda *words: print(*words, file=file))
