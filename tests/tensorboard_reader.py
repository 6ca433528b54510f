"""Reads a folder of TensorBoard events with TensorBoard's own reader.

    python3 tests/tensorboard_reader.py FOLDER

writes {"TAG": [[STEP, VALUE], …], …} as JSON; exit code 3 where there is no tensorboard.
"""

import json
import sys

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError:
    sys.exit(3)

events = EventAccumulator(sys.argv[1], size_guidance={"tensors": 0, "scalars": 0})
events.Reload()
tags = events.Tags()
curves = {tag: [[event.step, event.value] for event in events.Scalars(tag)] for tag in tags["scalars"]}
# Newer versions keep scalars as tensors of rank 0.
for tag in tags["tensors"]:
    curves[tag] = [
        [event.step, event.tensor_proto.float_val[0]] for event in events.Tensors(tag)
    ]
json.dump(curves, sys.stdout)
