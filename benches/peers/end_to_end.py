"""Whole nets, end to end, against onnxruntime: one thread, CPU time, in turns, after the logits have been compared.

    pip install onnx onnxruntime numpy bernet-*.whl          # the wheel of embed/python
    python end_to_end.py PROGRAM ROOT                        # bernet's command line; the repository

ours: bytes of grey values in, labels out, through the Python package. onnxruntime: its own input in place, logits out.
"""

import csv
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bernet
import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

TURNS = 25
LIMIT = np.float32(127.5 / 255)


def session(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class Dense:
    """784 pixels, three layers of 1024, ten classes, random weights; as float32, and as bytes in the way that is fastest there."""

    def __init__(self, random):
        sizes = [784, 1024, 1024, 1024, 10]
        self.weights = [random.choice([-1, 1], pair) for pair in zip(sizes, sizes[1:])]
        self.least = [random.integers(-20, 21, size) for size in sizes[1:-1]]

    def model(self, nodes, constants, kind):
        info = helper.make_tensor_value_info
        image, logits = info("image", kind, ["batch", 1, 28, 28]), info("y3", self.sums, ["batch", 10])
        constants = [numpy_helper.from_array(value, name) for name, value in constants.items()]
        graph = helper.make_graph(nodes, "dense", [image], [logits], constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()

    def float32(self):
        self.sums = TensorProto.FLOAT
        node = helper.make_node
        constants = {"plus": np.float32(1), "minus": np.float32(-1), "limit": LIMIT}
        constants = {name: np.asarray(value) for name, value in constants.items()}
        nodes = [node("GreaterOrEqual", ["image", "limit"], ["r"]), node("Where", ["r", "plus", "minus"], ["w"]), node("Flatten", ["w"], ["b0"])]
        for at, weights in enumerate(self.weights):
            constants[f"w{at}"] = weights.astype(np.float32)
            nodes.append(node("MatMul", [f"b{at}", f"w{at}"], [f"y{at}"]))
            if at < 3:
                constants[f"t{at}"] = self.least[at].astype(np.float32)
                nodes.append(node("GreaterOrEqual", [f"y{at}", f"t{at}"], [f"r{at}"]))
                nodes.append(node("Where", [f"r{at}", "plus", "minus"], [f"b{at + 1}"]))
        return self.model(nodes, constants, TensorProto.FLOAT)

    def int8(self):
        """Activations 0 and 1: with b = (x + 1)/2, Σ x w ≥ t is Σ b w ≥ (t + Σ w)/2. Logits are (Σ x w + Σ w)/2."""
        self.sums = TensorProto.INT32
        node = helper.make_node
        constants = {}
        nodes = [node("Flatten", ["image"], ["b0"])]
        for at, weights in enumerate(self.weights):
            constants[f"w{at}"] = weights.astype(np.int8)
            nodes.append(node("MatMulInteger", [f"b{at}", f"w{at}"], [f"y{at}"]))
            if at < 3:
                constants[f"t{at}"] = -(-(self.least[at] + weights.sum(0)) // 2).astype(np.int32)
                nodes.append(node("GreaterOrEqual", [f"y{at}", f"t{at}"], [f"r{at}"]))
                nodes.append(node("Cast", [f"r{at}"], [f"b{at + 1}"], to=TensorProto.UINT8))
        return self.model(nodes, constants, TensorProto.UINT8)


def seconds(runs):
    """The CPU time of each, in turns: the best of many groups of calls, each of a millisecond or of one call."""
    calls, best = {}, {}
    for name, run in runs.items():
        run()
        start = time.process_time()
        run()
        calls[name] = max(1, int(0.001 / max(time.process_time() - start, 1e-6)))
    for _ in range(TURNS):
        for name, run in runs.items():
            end = time.perf_counter() + 0.05
            while time.perf_counter() < end:
                start = time.process_time()
                for _ in range(calls[name]):
                    run()
                best[name] = min(best.get(name, np.inf), (time.process_time() - start) / calls[name])
    return best


def bound(session, x):
    """A run with input and output in place, so that nothing is copied."""
    binding = session.io_binding()
    binding.bind_cpu_input("image", x)
    binding.bind_output(session.get_outputs()[0].name)
    return lambda: session.run_with_iobinding(binding)


def main(program, root):
    random = np.random.default_rng(3)
    pixels = bernet.mnist()[1][0]
    folder = Path(tempfile.mkdtemp())
    dense = Dense(random)
    (folder / "dense.onnx").write_bytes(dense.float32())
    subprocess.run([program, "import", folder / "dense.onnx", "-o", folder / "dense.bnet", "--pixels", "0..1"], check=True, stdout=sys.stderr)
    seed = root / "models" / "mnist.bnet"
    subprocess.run([program, "export", seed, "--onnx", folder / "seed.onnx"], check=True, stdout=sys.stderr)
    nets = {
        "seed net": (seed, {"float32": folder / "seed.onnx"}),
        "dense 3×1024": (folder / "dense.bnet", {"float32": folder / "dense.onnx", "int8": None}),
    }
    lines = (line.split(":") for line in open("/proc/cpuinfo") if ":" in line)
    about = {name.strip(): value.strip() for name, value in reversed(list(lines))}
    cpu = f"{about['model name']} (family {about['cpu family']}, model {about['model']})"
    commit = subprocess.run(["git", "-C", root, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    out = csv.writer(sys.stdout)
    out.writerow(["cpu", "level", "commit", "date", "net", "batch", "bernet µs", "onnxruntime", "its µs", "times faster"])
    for net, (path, files) in nets.items():
        model = bernet.load(path)
        about = [cpu, model.level, commit, time.strftime("%Y-%m-%d"), net]
        for batch in (1, 1000):
            grey = np.ascontiguousarray(pixels[:batch])
            reals = (grey / np.float32(255)).astype(np.float32)[:, None]
            runs = {"bernet": lambda: model.predict(grey)}
            for kind, file in files.items():
                peer = session(str(file)) if file else session(dense.int8())
                x = reals if kind == "float32" else (grey >= 128).astype(np.uint8)[:, None]
                logits = peer.run(None, {"image": x})[0]
                if kind == "int8":
                    logits = 2 * logits - dense.weights[3].sum(0)
                assert (logits == model.logits(grey)).all(), f"{net}, {kind}: the logits differ"
                runs[kind] = bound(peer, x)
            best = seconds(runs)
            for kind in files:
                row = [f"{1e6 * best['bernet']:.1f}", kind, f"{1e6 * best[kind]:.1f}", f"{best[kind] / best['bernet']:.1f}"]
                out.writerow([*about, batch, *row])
        data, file = path.read_bytes(), files["float32"].read_bytes()
        best = seconds({"bernet": lambda: bernet.load(data), "onnxruntime": lambda: session(file)})
        row = [f"{1e6 * best['bernet']:.1f}", "float32", f"{1e6 * best['onnxruntime']:.1f}", f"{best['onnxruntime'] / best['bernet']:.1f}"]
        out.writerow([*about, "session", *row])


main(sys.argv[1], Path(sys.argv[2]))
