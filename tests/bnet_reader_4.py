"""A second implementation of docs/bnet-format-4.md, standard library only: prints a model's layers and hashes as JSON.

    python3 tests/bnet_reader_4.py MODEL.bnet
"""

import json
import struct
import sys
import zlib

MAGIC = b"\x89BNET\r\n\x1a"
SECTIONS = ("weights", "thresholds", "metadata")
KINDS = {2: "conv", 3: "expectation", 6: "real conv", 7: "real expectation", 8: "conv", 9: "real conv"}


def check(what, expected, found):
    if expected != found:
        raise ValueError(f"{what}: expected {expected}, found {found}")


def bits(data, count):
    """The first `count` bits of a stream as a string of 0 and 1; the rest must be unused."""
    text = "".join(f"{byte:08b}"[::-1] for byte in data)
    check("unused bits", "0" * (len(text) - count), text[count:])
    return text[:count]


def read_layer(number, row):
    kind, source = struct.unpack_from("<HH", row)
    check(f"source of layer {number}", number - 1, source)
    if kind == 1:
        names, end = ("top", "left", "height", "width"), 20
        layer = {"kind": "crop"} | dict(zip(names, struct.unpack_from("<4I", row, 4)))
    elif kind in (2, 6, 8, 9):
        channels, outputs, *sizes = struct.unpack_from("<2I8H", row, 4)
        value, width = row[28:30]
        layer = {
            "kind": KINDS[kind], "channels": channels, "outputs": outputs, "kernel": sizes[:2], "stride": sizes[2:4],
            "padding": sizes[4:], "padding_value": (-1, 0, 1)[value], "threshold_bytes": width, "dilation": [1, 1], "groups": 1,
        }
        check(f"bytes of a least sum of layer {number}", True, width in ((2, 4) if kind in (2, 8) else (8,)))
        end = 30
        if kind in (8, 9):
            layer |= {"kernel": list(row[12:14]), "dilation": list(row[14:16]), "groups": struct.unpack_from("<H", row, 30)[0]}
            check(f"dilation or groups of layer {number}", True, has_options(layer))
            divisible = layer["groups"] > 0 and channels % layer["groups"] == outputs % layer["groups"] == 0
            check(f"groups of layer {number} divide its channels", True, divisible)
            end = 32
    elif kind in (3, 7):
        columns, classes = struct.unpack_from("<2I", row, 4)
        layer, end = {"kind": KINDS[kind], "columns": columns, "classes": classes}, 12
    elif kind == 4:
        check(f"unused bytes of layer {number}", bytes(8), row[4:12])
        sizes = struct.unpack_from("<8H", row, 12)
        layer, end = {"kind": "max pool", "kernel": sizes[:2], "stride": sizes[2:4], "padding": sizes[4:]}, 28
    elif kind == 5:
        layer, end = {"kind": "affine", "classes": struct.unpack_from("<I", row, 4)[0]}, 8
    else:
        raise ValueError(f"kind of layer {number}: {kind}")
    check(f"unused bytes of layer {number}", bytes(32 - end), row[end:])
    return layer


def has_options(layer):
    return layer.get("dilation", [1, 1]) != [1, 1] or layer.get("groups", 1) != 1


def weight_shape(layer):
    if "conv" in layer["kind"]:
        height, width = layer["kernel"]
        return layer["outputs"], height * width * layer["channels"] // layer["groups"]
    if "expectation" in layer["kind"]:
        return layer["classes"], layer["columns"]
    return 0, 0


def oldest_version(layers, channels, grey):
    """The oldest that has all that the net needs."""
    if any(map(has_options, layers)):
        return 4
    if grey or any("real" in layer["kind"] for layer in layers):
        return 3
    for layer in layers:
        if layer["kind"] in ("max pool", "affine") or layer.get("columns", channels) != channels:
            return 2
        channels = layer.get("outputs", channels)
    return 1


def read_metadata(data):
    texts, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at)
        check("text", True, at + 4 + length <= len(data))
        texts.append(data[at + 4 : at + 4 + length].decode())
        at += 4 + length
    keys, values = texts[::2], texts[1::2]
    check("number of texts", 0, len(texts) % 2)
    check("keys", sorted(set(map(str.encode, keys))), list(map(str.encode, keys)))
    return dict(zip(keys, values))


def read(data):
    check("magic", MAGIC, data[:8])
    version, layer_count, section_count, height, width, channels, threshold, grey = struct.unpack_from("<6I2B", data, 8)
    check("version, 1 to 4", True, version in (1, 2, 3, 4))
    check("length", len(data), struct.unpack_from("<Q", data, 40)[0])
    (crc,) = struct.unpack("<I", data[-4:])
    check("checksum", zlib.crc32(data[:-4]), crc)
    check("sections", len(SECTIONS), section_count)
    check("unused bytes of the header", bytes(6 + 16), data[34:40] + data[48:64])

    check("whether grey values are read", True, grey in (0, 1))
    check("threshold of grey values", 0, grey * threshold)

    table = 64 + 32 * layer_count
    layers = [read_layer(n + 1, data[64 + 32 * n : 96 + 32 * n]) for n in range(layer_count)]
    check("version", oldest_version(layers, channels, grey), version)
    check("first layer on grey values", True, not grey or "conv" in layers[0]["kind"])
    check("real weights on bits", [], [layer for layer in layers[grey:] if layer["kind"] == "real conv"])
    sections, end = [], table + 24 * len(SECTIONS)
    for number, name in enumerate(SECTIONS):
        kind, offset, length = struct.unpack_from("<3Q", data, table + 24 * number)
        check(f"kind of {name}", number + 1, kind)
        check(f"offset of {name}", (end + 63) // 64 * 64, offset)
        check(f"bytes before {name}", bytes(offset - end), data[end:offset])
        end = offset + length
        check(f"end of {name}", True, end <= len(data) - 4)
        sections.append(data[offset:end])
    check("end of the sections", len(data) - 4, end)

    weights, thresholds, metadata = sections
    for layer in layers:
        rows, columns = weight_shape(layer)
        real = "real" in layer["kind"]
        size = 4 * rows * columns if real else (rows * columns + 7) // 8
        stream, weights = weights[:size], weights[size:]
        layer["weights_crc32"] = zlib.crc32(stream)
        if real:
            layer["weights"] = struct.unpack(f"<{rows * columns}f", stream)
        else:
            layer["weights"] = bits(stream, rows * columns)
            layer["plus_ones"] = layer["weights"].count("1")
        if "conv" in layer["kind"]:
            bytes_each = layer["threshold_bytes"]
            code = {2: "h", 4: "i", 8: "d"}[bytes_each]
            layer["at_least"] = list(struct.unpack_from(f"<{rows}{code}", thresholds))
            end = rows * bytes_each + (rows + 7) // 8
            layer["invert"] = bits(thresholds[rows * bytes_each : end], rows)
            thresholds = thresholds[end:]
        elif layer["kind"] == "affine":
            count = layer["classes"]
            reals = struct.unpack_from(f"<{2 * count}d", thresholds)
            layer["scale"], layer["bias"] = reals[:count], reals[count:]
            thresholds = thresholds[16 * count :]
    check("bytes after the last layer's", (b"", b""), (weights, thresholds))
    return {
        "input": {"height": height, "width": width, "channels": channels, "threshold": None if grey else threshold},
        "layers": layers,
        "metadata": read_metadata(metadata),
        "crc32": crc,
    }


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        print(json.dumps(read(file.read()), ensure_ascii=False, sort_keys=True, separators=(",", ":")))
