#!/usr/bin/env python3
"""Accuracy against bytes, instructions and RAM, beside BitNetMCU's, as an SVG.

picture.py firmware.csv models/README.md >small-devices.svg
"""

import csv
import math
import re
import sys

# As BitNetMCU states them: accuracy, bytes, cycles of a CH32V003 or CH32V002, RAM where it is stated.
BITNETMCU = [
    (94.22, 1_100, 99_783, None),
    (98.92, 3_200, 686_490, 4_000),
    (99.02, 12_300, 528_377, None),
    (99.55, 11_000, 2_736_250, None),
]
PANELS = [
    ("bytes of weights and thresholds", 1_000, 100_000),
    ("instructions an image (BitNetMCU: cycles)", 30_000, 3_000_000),
    ("bytes of RAM", 300, 10_000),
]
WIDTH, HEIGHT, LEFT, TOP, GAP = 300, 240, 50, 40, 60
LOW, HIGH = 94, 100
OURS, THEIRS = "#1b6ca8", "#c2571a"


def ours(record, models):
    """Name, accuracy, bytes, instructions on a Cortex-M4, RAM of each net."""
    with open(models, encoding="utf-8") as file:
        accuracies = dict(re.findall(r"^\| `([\w-]+)\.bnet` .*?\| ([\d.]+) %", file.read(), re.M))
    with open(record, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["core"] == "cortex-m4":
                instructions = int(row["instructions_of_bits"] or row["instructions_of_bytes"])
                accuracy = float(accuracies[row["net"]])
                yield row["net"], accuracy, int(row["constants"]), instructions, int(row["ram"])


def panel(index, points):
    """One plot: points are (label, accuracy, number, ours)."""
    title, low, high = PANELS[index]
    left = LEFT + index * (WIDTH + GAP)

    def x(number):
        return left + WIDTH * math.log(number / low) / math.log(high / low)

    def y(accuracy):
        return TOP + HEIGHT * (HIGH - accuracy) / (HIGH - LOW)

    yield f'<rect x="{left}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#888"/>'
    yield f'<text x="{left + WIDTH / 2}" y="{TOP + HEIGHT + 36}" text-anchor="middle">{title}</text>'
    for accuracy in range(LOW, HIGH + 1):
        at = y(accuracy)
        yield f'<line x1="{left}" x2="{left + WIDTH}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>'
        if index == 0:
            yield f'<text x="{left - 6}" y="{at + 4:.1f}" text-anchor="end">{accuracy} %</text>'
    ticks = [m * 10**e for e in range(2, 7) for m in (1, 3) if low <= m * 10**e <= high]
    for number in ticks:
        at = x(number)
        yield f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{TOP + HEIGHT}" stroke="#ddd"/>'
        yield f'<text x="{at:.1f}" y="{TOP + HEIGHT + 16}" text-anchor="middle">{number:,}</text>'
    for label, accuracy, number, own in points:
        colour = OURS if own else THEIRS
        shape = f'cx="{x(number):.1f}" cy="{y(accuracy):.1f}" r="5" fill="{colour}"'
        yield f"<circle {shape}><title>{label}: {accuracy} %, {number:,}</title></circle>"


def main():
    nets = list(ours(sys.argv[1], sys.argv[2]))
    width, height = LEFT + 3 * WIDTH + 3 * GAP, TOP + HEIGHT + 50
    print(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="12">'
    )
    print(f'<rect width="{width}" height="{height}" fill="#fff"/>')
    print(f'<text x="{LEFT}" y="22" fill="{OURS}">● bernet, Cortex-M4</text>')
    print(f'<text x="{LEFT + 160}" y="22" fill="{THEIRS}">● BitNetMCU, CH32V00x</text>')
    for index in range(3):
        points = [(f"BitNetMCU {t[0]}", t[0], t[1 + index], False) for t in BITNETMCU if t[1 + index]]
        points += [(net[0], net[1], net[2 + index], True) for net in nets]
        print("\n".join(panel(index, points)))
    print("</svg>")


if __name__ == "__main__":
    main()
