"""Writes the test images and labels of `mnist.bin.gz` as IDX files, for hosts that read those: `python3 data/to_idx.py DIR`.

`src/data/packed.rs` describes the packed file.
"""

import gzip
import struct
import sys
from pathlib import Path

data = gzip.decompress(Path(__file__).with_name("mnist.bin.gz").read_bytes())
magic, version, train, test, height, width, _ = struct.unpack_from("<8s6I", data)
assert (magic, version) == (b"bernbits", 1)
labels = data[32:][: train + test]

# Runs of paper and ink in turn, from a byte each; after 255 pixels a run goes on.
parts, ink = [], False
shades = [[shade * length for length in range(256)] for shade in (b"\0", b"\xff")]
for length in data[32 + train + test :]:
    parts.append(shades[ink][length])
    ink ^= length < 255
images = b"".join(parts)[train * height * width :]
assert len(images) == test * height * width

out = Path(sys.argv[1])
(out / "t10k-images-idx3-ubyte").write_bytes(struct.pack(">4I", 0x803, test, height, width) + images)
(out / "t10k-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, test) + labels[train:])
