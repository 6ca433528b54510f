"""What the Python peers share: a median of process CPU time, and one JSON object a line."""

import json
import statistics
import time

GEMM = ((1, 1024, 1024), (128, 128, 1024), (512, 512, 2048), (1024, 1024, 4096), (4096, 256, 2304))
FIRST_LAYER = ((224, 224, 3, 7), (224, 224, 3, 3))
CONV = ((56, 64), (28, 128), (14, 256), (7, 512))


def median_seconds(run, budget=0.8):
    run()
    seconds = []
    start = time.perf_counter()
    while (time.perf_counter() - start < budget or len(seconds) < 9) and len(seconds) < 20000:
        before = time.process_time_ns()
        run()
        seconds.append((time.process_time_ns() - before) / 1e9)
    return statistics.median(seconds)


def multiply_accumulates(peer, kernel, sizes, count, seconds):
    show(peer, kernel, "x".join(map(str, sizes)), gmac_per_s=round(count / seconds / 1e9, 1))


def show(peer, kernel, shape, **figure):
    print(json.dumps({"peer": peer, "kernel": kernel, "shape": shape, **figure}), flush=True)
