"""3×3 layers, bits in and bits out, against ONNX Runtime's own int8 and float convolutions: one thread, in turns, the best call of many."""

import sys
import time

import numpy as np
from graphs import Graph, pack, plus_minus
from onnx import TensorProto

# Calls in a row, and turns: the best call counts, so that what else the machine does matters least.
CALLS, TURNS = 5, 40
LAYERS = [(56, 64), (28, 128), (14, 256), (7, 512)]


class Timed:
    """A session with its input and output bound, so that nothing is copied."""

    def __init__(self, session, x, y):
        self.session, self.y, self.best = session, y, np.inf
        self.binding = session.io_binding()
        self.kept = x
        self.binding.bind_cpu_input("x", x)
        self.binding.bind_output(session.get_outputs()[0].name, "cpu", 0, y.dtype, y.shape, y.ctypes.data)

    def turn(self):
        for _ in range(CALLS):
            start = time.perf_counter()
            self.session.run_with_iobinding(self.binding)
            self.best = min(self.best, time.perf_counter() - start)


def layer(size, channels, padding_value, random):
    shape, packed = (1, channels, size, size), (1, size, size * channels // 64)
    x, w = plus_minus(random, *shape), plus_minus(random, channels, channels, 3, 3)
    window = dict(pads=[1, 1, 1, 1], strides=[1, 1])
    least = random.integers(-9, 10, channels).astype(np.int32)

    bits = pack((x >= 0).transpose(0, 2, 3, 1).reshape(1, size, size * channels))
    ours = Graph(packed, TensorProto.UINT64)
    ours.bernet("XnorConv2dSign", w, least, width=size, padding_value=padding_value, **window)
    timed = {"bernet": Timed(ours.session(TensorProto.UINT64), bits, np.empty(packed, np.uint64))}

    theirs = Graph(shape).node("Conv", w, kernel_shape=[3, 3], **window)
    timed["float"] = Timed(theirs.session(), x, np.empty(shape, np.float32))
    quantised = dict(zip(["xs", "xz", "w", "ws", "wz", "ys", "yz"],
                         [np.float32(1), np.uint8(1), w.astype(np.int8), np.float32(1), np.int8(0), np.float32(8), np.uint8(128)]))
    # Whichever layout is faster is its best.
    for name, where, extra in [("int8 NCHW", shape, {}), ("int8 NHWC", (1, size, size, channels), dict(domain="com.microsoft", channels_last=1))]:
        graph = Graph(where, TensorProto.UINT8).node("QLinearConv", *quantised.values(), kernel_shape=[3, 3], **window, **extra)
        pixels = random.choice([0, 2], where).astype(np.uint8)
        timed[name] = Timed(graph.session(TensorProto.UINT8), pixels, np.empty(where, np.uint8))

    for _ in range(TURNS):
        for one in timed.values():
            one.turn()
    if padding_value == 0:
        reached = timed["float"].y.transpose(0, 2, 3, 1) >= least
        assert (timed["bernet"].y == pack(reached.reshape(1, size, -1))).all(), "the answers differ"
    return {name: one.best for name, one in timed.items()}


def main():
    random = np.random.default_rng(0)
    print("layer, padding, bernet µs, GMAC/s, × float, × int8")
    worst = np.inf
    for size, channels in LAYERS:
        for padding_value in (-1, 0):
            best = layer(size, channels, padding_value, random)
            ours, int8 = best["bernet"], min(best["int8 NCHW"], best["int8 NHWC"])
            pace = size * size * channels * channels * 9 / ours / 1e9
            worst = min(worst, int8 / ours, best["float"] / ours)
            print(f"{size}×{size}×{channels}, {padding_value:2}, {1e6 * ours:6.0f}, {pace:5.0f}, {best['float'] / ours:5.1f}, {int8 / ours:5.1f}")
    sys.exit(worst <= 1)


main()
