"""A second implementation of docs/bnet-format.md, version 5, standard library only.

    python3 tests/bnet_reader.py NET.bnet             prints the graph as JSON
    python3 tests/bnet_reader.py NET.bnet INPUTS …    computes it; INPUTS has a line of numbers for each input of each item

Any number of such pairs may follow. The outputs are lines: type, height, width, channels, elements. Versions 1 to 4: bnet_reader_4.py.
"""

import itertools
import json
import math
import struct
import sys
import zlib

MAGIC = b"\x89BNET\r\n\x1a"
BIT, U8, I32, F32 = KINDS = ("bit", "u8", "i32", "f32")
NUMBERS = (U8, I32, F32)
INFINITY = math.inf


def check(what, expected, found):
    if expected != found:
        raise ValueError(f"{what}: expected {expected}, found {found}")


class Source:
    """The bytes of a file and a place in them."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def bytes(self, count):
        check("bytes that are there", True, count <= len(self.data) - self.at)
        self.at += count
        return self.data[self.at - count : self.at]

    def byte(self):
        return self.bytes(1)[0]

    def choice(self, names):
        number = self.byte()
        check("choice", True, number < len(names))
        return names[number]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                check("shortest number", True, byte > 0 or shift == 0)
                check("number of 64 bits", True, value < 1 << 64)
                return value
            shift += 7

    def sizes(self, count):
        return [self.varint() for _ in range(count)]

    def float(self):
        return struct.unpack("<f", self.bytes(4))[0]

    def text(self):
        return self.bytes(self.varint()).decode()

    def stream(self, count, width=1):
        """Numbers of `width` bits; the bits after the last are 0."""
        bits = count * width
        number = int.from_bytes(self.bytes((bits + 7) // 8), "little")
        check("bits after the last", 0, number >> bits)
        return [number >> at & (1 << width) - 1 for at in range(0, bits, width)] if width else [0] * count

    def integers(self, count):
        """The integers, and the high bits of their form."""
        zigzag = self.varint()
        least = zigzag >> 1 if zigzag % 2 == 0 else -(zigzag >> 1) - 1
        form = self.byte()
        width = form & 0x3F
        values = self.stream(count, width)
        check("bits of a difference", max(values, default=0).bit_length(), width)
        check("least difference", 0, min(values, default=0))
        return [least + value for value in values], form >> 6

    def floats(self, count):
        """The floats, and the high bits of their form."""
        form = self.byte()
        once, half = form & 1, form >> 1 & 1
        check("form of floats", 0, form >> 2 & 0xF)
        stored = 1 if once else count
        size, code = (2, "e") if half else (4, "f")
        data = self.bytes(stored * size)
        values = list(struct.unpack(f"<{stored}{code}", data))
        equal = len({data[at : at + size] for at in range(0, len(data), size)}) == 1
        check("whether all floats are equal", bool(once), equal)
        check("whether half precision is enough", bool(half), count > 0 and all(map(fits_half, values)))
        return values * count if once else values, form >> 6

    def plain_floats(self, count):
        values, flags = self.floats(count)
        check("flags of floats", 0, flags)
        return values

    def runs(self, count):
        """Bytes as runs of equal ones."""
        values = []
        while len(values) < count:
            length, value = self.varint(), self.byte()
            check("length of a run", True, 0 < length <= count - len(values))
            check("whether runs differ", True, not values or values[-1] != value)
            values += [value] * length
        return values

    def counted(self):
        count = self.varint()
        return self.plain_floats(count) if count else []

    def thresholds(self, real):
        count = self.varint()
        values, flags = self.floats(count) if real else self.integers(count)
        check("flags of inversions", True, flags < 3)
        inverted = self.stream(count) if flags == 2 else [flags] * count
        check("flags of inversions", [0, 1, 2][flags], 0 if not any(inverted) else 1 if all(inverted) else 2)
        return list(zip(values, map(bool, inverted)))

    def matrix(self, rows, columns):
        signs = [2 * bit - 1 for bit in self.stream(rows * columns)]
        return [signs[at : at + columns] for at in range(0, rows * columns, columns)]


def fits_half(number):
    try:
        return struct.unpack("<e", struct.pack("<e", number))[0] == number
    except OverflowError:
        return False


def single(number):
    """Rounds to single precision."""
    try:
        return struct.unpack("<f", struct.pack("<f", number))[0]
    except OverflowError:
        return math.copysign(INFINITY, number)


def size(shape):
    return math.prod(shape)


def places(shape):
    return itertools.product(*map(range, shape))


def at(shape, place):
    (_, width, channels), (y, x, c) = shape, place
    return (y * width + x) * channels + c


def wrap(number):
    return (number + (1 << 31)) % (1 << 32) - (1 << 31)


# Reading.


def read_layout(source, shape):
    form = source.byte()
    check("form of a layout", True, form < 8)
    height, width, channels = shape
    known = [[[height, width, channels], [0, 1, 2]], [[channels, height, width], [1, 2, 0]], [[size(shape)], [0]]]
    if form % 4 < 3:
        layout = known[form % 4]
    else:
        count = source.varint()
        layout = [source.sizes(count), source.sizes(count)]
    check("form of a layout", form % 4, known.index(layout) if layout in known else 3)
    check("values of a layout", size(shape), size(layout[0]))
    check("permutation of a layout", list(range(len(layout[0]))), sorted(layout[1]))
    return {"dims": layout[0], "perm": layout[1], "batch": form < 4}


def read_pixels(source):
    form = source.byte()
    if form == 3:
        return {"scale": source.counted(), "bias": source.counted()}
    check("pixels", True, form < 3)
    return {"at least": source.byte()} if form == 1 else [None, None, "bytes"][form]


def read_conv(source, shape):
    flags = source.byte()
    check("flags of a convolution", True, flags < 64 and flags & 3 < 3)
    conv = {"kernel": source.sizes(2), "outside": (flags & 3) - 1}
    for bit, name, count, default in [(4, "stride", 2, [1, 1]), (8, "dilation", 2, [1, 1]), (16, "padding", 4, [0] * 4)]:
        conv[name] = source.sizes(count) if flags & bit else default
        check(name, bool(flags & bit), conv[name] != default)
    conv["groups"] = source.varint() if flags & 32 else 1
    check("groups", bool(flags & 32), conv["groups"] != 1)
    check("groups", 0, shape[2] % conv["groups"])
    conv["columns"] = size(conv["kernel"]) * shape[2] // conv["groups"]
    return conv


FUNCTIONS = (
    "relu clip leaky elu sigmoid hard_sigmoid tanh sign abs neg exp log sqrt reciprocal floor ceil round erf".split()
)
FLOATS = {"clip": 2, "leaky": 1, "elu": 1, "hard_sigmoid": 2}
OPERATIONS = ("add", "sub", "mul", "div", "min", "max", "greater", "greater_or_equal", "equal")
OPERATORS = (
    "constant sign threshold real_threshold cast binary_conv binary_dense conv dense affine binary select unary prelu quantize pool reduce "
    "softmax log_softmax argmax concat slice pad reshape transpose pixel_bias"
).split()
ARITY = {"constant": 0, "binary": 2, "select": 3}


def read_op(source, name, inputs):
    """Options and weights of an operator."""
    shape = inputs[0][1] if inputs else None
    if name == "constant":
        kind, shape = source.choice(KINDS), source.sizes(3)
        count = size(shape)
        if kind == BIT:
            data = source.stream(count)
        elif kind == U8:
            data = list(source.bytes(count))
        elif kind == I32:
            data, flags = source.integers(count)
            check("flags of integers", 0, flags)
        else:
            data = source.plain_floats(count)
        return {"kind": kind, "shape": shape, "data": data}
    if name in ("threshold", "real_threshold"):
        return {"thresholds": source.thresholds(name != "threshold")}
    if name == "cast":
        return {"to": source.choice(KINDS)}
    if name in ("binary_conv", "conv"):
        op = read_conv(source, shape)
        op["outputs"] = source.varint()
    elif name in ("binary_dense", "dense"):
        op = {"outputs": source.varint(), "columns": size(shape)}
    elif name == "affine":
        return {"scale": source.counted(), "bias": source.counted()}
    elif name == "pixel_bias":
        lines, pixels = source.runs(shape[0]), source.runs(shape[1])
        bias = source.counted()
        check("number of terms", ((max(lines) + 1) * (max(pixels) + 1) - 1) * shape[2], len(bias))
        return {"lines": lines, "pixels": pixels, "bias": bias}
    elif name == "binary":
        return {"operation": source.choice(OPERATIONS)}
    elif name == "unary":
        function = source.choice(FUNCTIONS)
        return {"function": function, "floats": [source.float() for _ in range(FLOATS.get(function, 0))]}
    elif name == "prelu":
        return {"before": source.counted(), "slope": source.counted(), "after": source.counted()}
    elif name == "quantize":
        op = {"scale": source.counted(), "zero": source.counted(), "low": source.float(), "high": source.float()}
        return op | {"rounding": source.choice(("even", "away", "floor", "ceil", "truncate"))}
    elif name == "pool":
        kind = source.choice(("max", "sum", "mean", "padded mean"))
        return {"of": kind, "kernel": source.sizes(2), "stride": source.sizes(2), "padding": source.sizes(4)}
    elif name == "reduce":
        of, axes = source.choice(("mean", "sum", "max", "min")), source.byte()
        check("axes", True, axes < 8)
        return {"of": of, "axes": [axes >> axis & 1 for axis in range(3)]}
    elif name == "concat":
        return {"axis": source.choice((0, 1, 2))}
    elif name == "slice":
        return {"axis": source.choice((0, 1, 2)), "start": source.varint(), "length": source.varint(), "step": source.varint()}
    elif name == "pad":
        return {"before": source.sizes(3), "after": source.sizes(3), "value": source.float()}
    elif name == "reshape":
        return {"shape": source.sizes(3)}
    elif name == "transpose":
        count = source.varint()
        return {"dims": source.sizes(count), "perm": source.sizes(count), "shape": source.sizes(3)}
    else:
        return {}
    rows, columns = op["outputs"], op["columns"]
    if "binary" in name:
        return op | {"weights": source.matrix(rows, columns)}
    weights = source.plain_floats(rows * columns)
    return op | {"weights": [weights[at : at + columns] for at in range(0, rows * columns, columns)], "bias": source.counted()}


def positions(op, shape):
    """Height and width of what windows give."""
    dilation = op.get("dilation", [1, 1])
    spans = [(kernel - 1) * dilation + 1 for kernel, dilation in zip(op["kernel"], dilation)]
    top, left, bottom, right = op["padding"]
    padded = [shape[0] + top + bottom, shape[1] + left + right]
    check("window", True, all(0 < span <= size for span, size in zip(spans, padded)))
    return [(size - span) // stride + 1 for size, span, stride in zip(padded, spans, op["stride"])]


def broadcast(shapes):
    result = [max(sizes) for sizes in zip(*shapes)]
    check("shapes", True, all(size in (1, whole) for shape in shapes for size, whole in zip(shape, result)))
    return result


def infer(name, op, inputs):
    """Type and shape of the result."""
    if name == "constant":
        return op["kind"], op["shape"]
    kind, shape = inputs[0]
    if name in ("sign", "threshold", "real_threshold"):
        return BIT, shape
    if name == "cast":
        return op["to"], shape
    if name in ("binary_conv", "conv"):
        return I32 if name == "binary_conv" else F32, positions(op, shape) + [op["outputs"]]
    if name in ("binary_dense", "dense"):
        return I32 if name == "binary_dense" else F32, [1, 1, op["outputs"]]
    if name == "binary":
        check("types", 1, len({kind for kind, _ in inputs}))
        return BIT if "eq" in op["operation"] or "greater" in op["operation"] else kind, broadcast([s for _, s in inputs])
    if name == "select":
        check("types", (BIT, inputs[1][0]), (kind, inputs[2][0]))
        return inputs[1][0], broadcast([shape for _, shape in inputs])
    summed = F32 if kind == F32 else I32
    if name == "pool":
        return {"max": kind, "sum": summed}.get(op["of"], F32), positions(op, shape) + [shape[2]]
    if name == "reduce":
        kept = [1 if axis else size for axis, size in zip(op["axes"], shape)]
        return {"mean": F32, "sum": summed}.get(op["of"], kind), kept
    if name == "argmax":
        return I32, [*shape[:2], 1]
    if name == "concat":
        axis = op["axis"]
        return kind, [sum(s[axis] for _, s in inputs) if axis == other else shape[other] for other in range(3)]
    if name == "slice":
        return kind, [op["length"] if axis == op["axis"] else size for axis, size in enumerate(shape)]
    if name == "pad":
        return kind, [sum(sizes) for sizes in zip(op["before"], shape, op["after"])]
    if name in ("reshape", "transpose"):
        check("values", size(shape), size(op["shape"]))
        return kind, op["shape"]
    return F32, shape


def read_metadata(source):
    length = source.varint()
    if length == 0:
        return {}
    stored = source.varint()
    check("metadata that are shorter deflated", True, stored < length <= 1 << 20)
    data = source.bytes(stored or length)
    if stored:
        inflate = zlib.decompressobj(-15)
        data = inflate.decompress(data, length + 1)
        check("end of the deflated metadata", (True, b"", b""), (inflate.eof, inflate.unused_data, inflate.unconsumed_tail))
    check("length of the metadata", length, len(data))
    texts, inner = [], Source(data)
    while inner.at < length:
        texts.append(inner.text())
    keys, values = texts[::2], texts[1::2]
    check("number of texts", 0, len(texts) % 2)
    check("keys", sorted(set(map(str.encode, keys))), list(map(str.encode, keys)))
    return dict(zip(keys, values))


def read(data):
    check("magic", MAGIC, data[:8])
    check("version", 5, struct.unpack_from("<I", data, 8)[0])
    source = Source(data, 12)
    length = source.varint()
    check("length", len(data), source.at + length)
    check("checksum", zlib.crc32(data[:-4]), struct.unpack("<I", data[-4:])[0])
    source.data = data[:-4]
    types, inputs, nodes, outputs = [], [], [], []

    def value():
        back = source.varint()
        check("value that is made", True, back < len(types))
        return len(types) - 1 - back

    for _ in range(source.varint()):
        name, kind, shape = source.text(), source.choice(KINDS), source.sizes(3)
        layout, pixels = read_layout(source, shape), read_pixels(source)
        inputs.append({"name": name, "kind": kind, "shape": shape, "layout": layout, "pixels": pixels})
        types.append((kind, shape))
    for _ in range(source.varint()):
        number = source.byte()
        name = source.text() if number & 0x80 else ""
        check("name that is there", bool(number & 0x80), name != "")
        check("operator", True, number & 0x7F < len(OPERATORS))
        op = OPERATORS[number & 0x7F]
        arity = source.varint() if op == "concat" else ARITY.get(op, 1)
        ids = [value() for _ in range(arity)]
        options = read_op(source, op, [types[id] for id in ids])
        types.append(infer(op, options, [types[id] for id in ids]))
        check("values of an item", True, 0 < size(types[-1][1]) <= 1 << 28)
        nodes.append({"name": name, "op": op, "inputs": ids, "kind": types[-1][0], "shape": types[-1][1]} | {"options": options})
    for _ in range(source.varint()):
        name, id = source.text(), value()
        outputs.append({"name": name, "value": id, "layout": read_layout(source, types[id][1])})
    for what, items in [("inputs", inputs), ("outputs", outputs)]:
        names = [item["name"] for item in items]
        check(f"names of {what}", True, len(set(names)) == len(names) > 0 and "" not in names)
    metadata = read_metadata(source)
    check("bytes after the metadata", len(source.data), source.at)
    return {"inputs": inputs, "nodes": nodes, "outputs": outputs, "metadata": metadata}


# Computing: a value is its type, its shape and the elements of one item; bits are −1 or 1.


def number_of(values, channel, absent):
    return absent if not values else values[channel % len(values)]


def product(name, op, kind, shape, data, result):
    real = name in ("conv", "dense")
    sums = []
    for place in places(result):
        row = op["weights"][place[2]]
        if name in ("dense", "binary_dense"):
            taps = data
        else:
            depth = shape[2] // op["groups"]
            group = place[2] * op["groups"] // op["outputs"]
            taps = []
            for ky, kx, channel in places((*op["kernel"], depth)):
                y = place[0] * op["stride"][0] + ky * op["dilation"][0] - op["padding"][0]
                x = place[1] * op["stride"][1] + kx * op["dilation"][1] - op["padding"][1]
                inside = 0 <= y < shape[0] and 0 <= x < shape[1]
                taps.append(data[at(shape, (y, x, group * depth + channel))] if inside else op["outside"])
        total = sum(a * b for a, b in zip(taps, row))
        sums.append(single(total + number_of(op["bias"], place[2], 0.0)) if real else total)
    return sums


def clip(x, low, high):
    return low if x < low else high if x > high else x


def function(name, floats, x):
    if name == "relu":
        return clip(x, 0.0, INFINITY)
    if name == "clip":
        return clip(x, *floats)
    if name == "leaky":
        return x if x >= 0 else single(floats[0] * x)
    if name == "elu":
        return x if x >= 0 else single(floats[0] * single(math.expm1(x)))
    if name == "sigmoid":
        return single(1 / single(1 + single(math.exp(-x))))
    if name == "hard_sigmoid":
        return clip(single(single(floats[0] * x) + floats[1]), 0.0, 1.0)
    if name == "sign":
        return float((x > 0) - (x < 0))
    if name == "neg":
        return -x
    if name == "reciprocal":
        return single(1 / x)
    if name in ("floor", "ceil", "round"):
        return float({"floor": math.floor, "ceil": math.ceil, "round": round}[name](x))
    return single({"abs": abs}.get(name, getattr(math, name, None))(x))


def operation(name, kind, a, b):
    if name in ("greater", "greater_or_equal", "equal"):
        return 2 * {"greater": a > b, "greater_or_equal": a >= b, "equal": a == b}[name] - 1
    result = {"add": a + b, "sub": a - b, "mul": a * b, "min": min(a, b), "max": max(a, b)}.get(name)
    if name == "div":
        result = a / b
    return single(result) if kind == F32 else wrap(result)


ROUND = {
    "even": lambda x: float(round(x)),
    "away": lambda x: math.copysign(math.floor(abs(x) + 0.5), x),
    "floor": math.floor,
    "ceil": math.ceil,
    "truncate": math.trunc,
}


def quantize(op, x, channel):
    scale, zero = number_of(op["scale"], channel, 1.0), number_of(op["zero"], channel, 0.0)
    level = ROUND[op["rounding"]](single(single(x / scale) + zero))
    return single(single(clip(level, op["low"], op["high"]) - zero) * scale)


def gather(of, kind, values, count):
    """The largest, smallest, sum or mean."""
    if of in ("max", "min"):
        return (max if of == "max" else min)(values)
    total = sum(values)
    if of == "sum":
        return single(total) if kind == F32 else wrap(total)
    return single(total / count)


def compute(node, inputs):
    name, op, result = node["op"], node["options"], node["shape"]
    if name == "constant":
        return [2 * bit - 1 for bit in op["data"]] if op["kind"] == BIT else op["data"]
    kind, shape, data = inputs[0]
    channels = [(x, index % shape[2]) for index, x in enumerate(data)]
    if name == "sign":
        return [1 if x >= 0 else -1 for x in data]
    if name in ("threshold", "real_threshold"):
        limits = op["thresholds"]
        pairs = [(x, *limits[channel % len(limits)]) for x, channel in channels]
        return [1 if (x >= limit) != inverted else -1 for x, limit, inverted in pairs]
    if name == "cast":
        if op["to"] == F32:
            return [single(x) for x in data]
        return [clip(math.trunc(x), -(1 << 31), (1 << 31) - 1) for x in data] if kind == F32 else data
    if name in ("binary_conv", "binary_dense", "conv", "dense"):
        return product(name, op, kind, shape, data, result)
    if name == "affine":
        pairs = [(single(x), number_of(op["scale"], c, 1.0), number_of(op["bias"], c, 0.0)) for x, c in channels]
        return [single(single(x * scale) + bias) for x, scale, bias in pairs]
    if name == "pixel_bias":
        (height, width, count), across = shape, max(op["pixels"]) + 1
        kinds = [line * across + pixel for line in op["lines"] for pixel in op["pixels"]]
        return [
            single(x + op["bias"][(kinds[at // count] - 1) * count + at % count]) if kinds[at // count] else x
            for at, x in enumerate(data)
        ]
    if name in ("binary", "select"):
        index = lambda shape, place: at(shape, [0 if size == 1 else at for size, at in zip(shape, place)])
        rows = [[data[index(shape, place)] for _, shape, data in inputs] for place in places(result)]
        if name == "select":
            return [a if condition > 0 else b for condition, a, b in rows]
        return [operation(op["operation"], kind, a, b) for a, b in rows]
    if name == "unary":
        return [function(op["function"], op["floats"], x) for x in data]
    if name == "prelu":
        results = []
        for x, channel in channels:
            x = single(x + number_of(op["before"], channel, 0.0))
            x = x if x >= 0 else single(x * number_of(op["slope"], channel, 1.0))
            results.append(single(x + number_of(op["after"], channel, 0.0)))
        return results
    if name == "quantize":
        return [quantize(op, x, channel) for x, channel in channels]
    if name == "pool":
        results = []
        for y, x, channel in places(result):
            lines = range(y * op["stride"][0] - op["padding"][0], y * op["stride"][0] - op["padding"][0] + op["kernel"][0])
            pixels = range(x * op["stride"][1] - op["padding"][1], x * op["stride"][1] - op["padding"][1] + op["kernel"][1])
            inside = [(line, pixel) for line in lines for pixel in pixels if 0 <= line < shape[0] and 0 <= pixel < shape[1]]
            count = size(op["kernel"]) if op["of"] == "padded mean" else len(inside)
            results.append(gather(op["of"], kind, [data[at(shape, (*place, channel))] for place in inside], count))
        return results
    if name == "reduce":
        counts = [size if axis else 1 for axis, size in zip(op["axes"], shape)]
        group = lambda place: [data[at(shape, [a + b for a, b in zip(place, step)])] for step in places(counts)]
        return [gather(op["of"], kind, group(place), size(counts)) for place in places(result)]
    rows = [data[start : start + shape[2]] for start in range(0, len(data), shape[2])]
    if name in ("softmax", "log_softmax"):
        results = []
        for row in rows:
            powers = [math.exp(x - max(row)) for x in row]
            logs = [x - max(row) - math.log(sum(powers)) for x in row]
            results += logs if name == "log_softmax" else [power / sum(powers) for power in powers]
        return [single(x) for x in results]
    if name == "argmax":
        return [row.index(max(row)) for row in rows]
    if name == "concat":
        results, axis = [], op["axis"]
        for place in places(result):
            place = list(place)
            for _, shape, data in inputs:
                if place[axis] < shape[axis]:
                    results.append(data[at(shape, place)])
                    break
                place[axis] -= shape[axis]
        return results
    if name == "slice":
        move = lambda place: [op["start"] + x * op["step"] if axis == op["axis"] else x for axis, x in enumerate(place)]
        return [data[at(shape, move(place))] for place in places(result)]
    if name == "pad":
        border = {BIT: 1 if op["value"] >= 0 else -1, F32: op["value"], U8: clip(math.trunc(op["value"]), 0, 255)}
        border = border.get(kind, math.trunc(op["value"]))
        results = []
        for place in places(result):
            place = [x - before for x, before in zip(place, op["before"])]
            inside = all(0 <= x < size for x, size in zip(place, shape))
            results.append(data[at(shape, place)] if inside else border)
        return results
    if name == "transpose":
        dims, perm = op["dims"], op["perm"]
        strides = [size(dims[axis + 1 :]) for axis in range(len(dims))]
        steps = itertools.product(*(range(dims[axis]) for axis in perm))
        return [data[sum(x * strides[axis] for x, axis in zip(step, perm))] for step in steps]
    check("operator", "reshape", name)
    return data


def run(graph, items):
    """The outputs of one item: type, shape, elements of each."""
    values = [(value["kind"], value["shape"], item) for value, item in zip(graph["inputs"], items)]
    for value in values:
        check("values of an input", size(value[1]), len(value[2]))
    for node in graph["nodes"]:
        data = compute(node, [values[id] for id in node["inputs"]])
        check(f"values of {node['op']}", size(node["shape"]), len(data))
        values.append((node["kind"], node["shape"], data))
    return [values[output["value"]] for output in graph["outputs"]]


def main(files):
    for net, inputs in zip(files[::2], files[1::2]):
        with open(net, "rb") as file:
            graph = read(file.read())
        with open(inputs) as file:
            lines = [line.split() for line in file]
        parsers = [float if value["kind"] == F32 else int for value in graph["inputs"]]
        for start in range(0, len(lines), len(parsers)):
            items = [list(map(parser, line)) for parser, line in zip(parsers, lines[start:])]
            for kind, shape, data in run(graph, items):
                print(kind, *shape, *data)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        with open(sys.argv[1], "rb") as file:
            print(json.dumps(read(file.read()), ensure_ascii=False, sort_keys=True, separators=(",", ":")))
    else:
        main(sys.argv[1:])
