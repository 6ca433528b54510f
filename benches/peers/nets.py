"""A whole net in Larq Compute Engine, onnxruntime and OpenVINO: `nets.py FOLDER THREADS`.

FOLDER holds `x.npy` and `y.npy`, an input of batch 1 and bernet's output for it, `net.onnx`, and `net.tflite` if the net came from
such a file. Each peer is run on the same input; its largest difference, as a share of the largest output, is printed beside its
time. With one thread that is CPU time, as bernet's beside it, which others on a busy machine do not add to; with several it is of the
wall clock, since CPU time would count each of them.
"""

import os
import statistics
import sys
import time
from importlib.metadata import version

import numpy as np

from support import show


def timed(run, threads, budget=3.0):
    """Median milliseconds of a call."""
    clock = time.process_time_ns if threads == 1 else time.perf_counter_ns
    run()
    times = []
    start = time.perf_counter()
    while time.perf_counter() - start < budget or len(times) < 5:
        before = clock()
        run()
        times.append((clock() - before) / 1e6)
    return statistics.median(times)


def larq(folder, x, threads):
    path = os.path.join(folder, "net.tflite")
    if not os.path.exists(path):
        return
    import larq_compute_engine as lce

    with open(path, "rb") as file:
        interpreter = lce.testing.Interpreter(file.read(), num_threads=threads)
    yield f"Larq Compute Engine {version('larq-compute-engine')}", lambda: interpreter.predict(x)


def onnxruntime(folder, x, threads):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = ort.InferenceSession(os.path.join(folder, "net.onnx"), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    yield f"onnxruntime {ort.__version__} f32", lambda: session.run(None, {name: x})[0]


def openvino(folder, x, threads):
    import openvino as ov

    core = ov.Core()
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(os.path.join(folder, "net.onnx"), "CPU", settings).create_infer_request()
    version = ov.__version__.split("-")[0]
    yield f"OpenVINO {version} f32", lambda: request.infer([x])[0]


def main():
    folder, threads = sys.argv[1], int(sys.argv[2])
    x, y = (np.load(os.path.join(folder, name)) for name in ("x.npy", "y.npy"))
    for peer in (larq, onnxruntime, openvino):
        try:
            for name, run in peer(folder, x, threads):
                found = np.asarray(run()).reshape(y.shape)
                difference = float(np.abs(found - y).max() / max(np.abs(y).max(), 1e-30))
                show(name, "net", os.path.basename(os.path.abspath(folder)), ms=round(timed(run, threads), 3), difference=float(f"{difference:.2g}"))
        except Exception as error:  # one that is absent or fails does not end the others
            print(f"absent: {peer.__name__}: {type(error).__name__}: {error}", file=sys.stderr)


main()
