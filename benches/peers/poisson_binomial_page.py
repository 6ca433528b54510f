"""Writes the tables and plots of docs/poisson-binomial.md from the latest record of poisson_binomial.py; --check compares instead.

    python benches/peers/poisson_binomial_page.py [--check]
"""

import csv
import math
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/poisson-binomial.md"
COLOURS = {"bernet": "#1b6ca8", "SciPy": "#2e8b57", "fast_poibin": "#c2571a", "Convolve": "#8a4fbe", "DivideFFT": "#b8860b"}
SHAPES = {"bernet": "●", "SciPy": "▲", "fast_poibin": "■", "Convolve": "◆", "DivideFFT": "✚"}
# Errors below are drawn there; those above have no digit that is right.
LEAST, MOST = -17, 0
WIDTH, HEIGHT, LEFT, TOP, GAP = 420, 270, 56, 62, 70


def of(table, name):
    return next(value for key, value in table.items() if key in name)


def latest(name):
    return max((ROOT / "benches/record").glob(f"*/*/poisson-binomial-{name}.csv"), key=lambda path: path.parent.name)


def rows(name):
    with open(latest(name)) as file:
        return list(csv.DictReader(file))


def source(name):
    """The line below a table."""
    cpu, date, commit = (rows(name)[0][field] for field in ("cpu", "date", "commit"))
    return f"{cpu}, {date}, commit {commit} ([record](../{latest(name).parent.relative_to(ROOT)}))."


def superscript(power):
    return "1" if power == 0 else "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def picture(names, panels):
    """Panels of (title, label of x, ticks of x, x from 0 to 1, promise, points by name), each point a pair of x and error."""
    width = LEFT + len(panels) * (WIDTH + GAP) - GAP + 16
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {TOP + HEIGHT + 46}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{TOP + HEIGHT + 46}" fill="#fff"/>',
    ]
    for i, name in enumerate(names):
        out.append(f'<text x="{LEFT + i * 165}" y="20" fill="{of(COLOURS, name)}">{of(SHAPES, name)} {name}</text>')
    for i, (title, label, ticks, place, promise, points) in enumerate(panels):
        left = LEFT + i * (WIDTH + GAP)
        x_of = lambda x: left + WIDTH * place(x)
        y_of = lambda power: TOP + HEIGHT * (MOST - power) / (MOST - LEAST)
        out.append(f'<text x="{left + WIDTH / 2}" y="{TOP - 14}" text-anchor="middle" font-weight="bold">{title}</text>')
        for power in range(LEAST + 1, MOST + 1, 2):
            y = y_of(power)
            out.append(f'<line x1="{left}" x2="{left + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
            out.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{superscript(power)}</text>')
        for x, text in ticks:
            out.append(f'<line x1="{x_of(x):.1f}" x2="{x_of(x):.1f}" y1="{TOP}" y2="{TOP + HEIGHT}" stroke="#ddd"/>')
            out.append(f'<text x="{x_of(x):.1f}" y="{TOP + HEIGHT + 17}" text-anchor="middle">{text}</text>')
        out.append(f'<text x="{left + WIDTH / 2}" y="{TOP + HEIGHT + 37}" text-anchor="middle">{label}</text>')
        out.append(f'<text x="{left + 5}" y="{y_of(MOST) + 14:.1f}" fill="#777">no digit is right</text>')
        line = " ".join(f"{x_of(x):.1f},{y_of(power):.1f}" for x, power in promise)
        out.append(f'<polyline points="{line}" fill="none" stroke="#777" stroke-dasharray="5 4"/>')
        x, power = promise[0]
        out.append(f'<text x="{x_of(x) + 5:.1f}" y="{y_of(power) - 5:.1f}" fill="#777">promised</text>')
        # Ours last, on top.
        for name in reversed(names):
            colour, shape = of(COLOURS, name), of(SHAPES, name)
            dots = [(x_of(x), y_of(min(MOST, max(LEAST, math.log10(error) if error else LEAST)))) for x, error in points.get(name, [])]
            line = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
            out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.3"/>')
            step = max(1, len(dots) // 14)
            for x, y in dots[::step]:
                out.append(f'<text x="{x:.1f}" y="{y + 3.5:.1f}" text-anchor="middle" font-size="10" fill="{colour}">{shape}</text>')
        out.append(f'<rect x="{left}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#888"/>')
    return "\n".join([*out, "</svg>", ""])


def by_n(errors, names):
    """The largest error against the number of trials."""
    panels = []
    place = lambda n: (math.log10(n) - 1.5) / 4.5
    ticks = [(10**power, superscript(power)) for power in range(2, 7)]
    promise = [(36, -12), (4096, -12), (4096, -9), (1_000_000, -9)]
    for title, least in (("all masses above 10⁻⁹", 1e-9), ("all masses above 10⁻³⁰⁰", 1e-300)):
        points = {name: {} for name in names}
        for row in errors:
            if float(row["masses from"]) >= least:
                n, found = int(row["n"]), points[row["library"]]
                found[n] = max(found.get(n, 0.0), float(row["largest relative error"]))
        panels.append((title, "trials", ticks, place, promise, {name: sorted(found.items()) for name, found in points.items()}))
    return picture(names, panels)


def by_tail(tail, names):
    """The error of each mass of one distribution, from its mode upwards."""
    panels = []
    for n in sorted({int(row["n"]) for row in tail}):
        points = {name: [] for name in names}
        for row in tail:
            if int(row["n"]) == n:
                points[row["library"]].append((math.log10(float(row["mass"])), float(row["relative error"])))
        power = -12 if n <= 4096 else -9
        ticks = [(-x, superscript(-x)) for x in range(0, 301, 50)]
        panels.append((f"{n:,} trials".replace(",", " "), "mass, from the mode into the upper tail", ticks, lambda x: -x / 300, [(0, power), (-300, power)], points))
    return picture(names, panels)


def error_table(errors, names):
    lines = ["| n | masses from | " + " | ".join(names) + " |", "|---|---|" + "---|" * len(names)]
    bands = ["1e+00", *dict.fromkeys(row["masses from"] for row in errors)]
    for n in (1000, 4096, 20_000):
        for above, below in zip(bands, bands[1:]):
            found = {row["library"]: float(row["largest relative error"]) for row in errors if int(row["n"]) == n and row["masses from"] == below}
            cells = [f"{found[name]:.0e}" if name in found else "–" for name in names]
            lines.append(f"| {n} | {above} to {below} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", source("errors")])


def span(seconds):
    unit, per = next((unit, per) for unit, per in (("µs", 1e-6), ("ms", 1e-3), ("s", 1)) if seconds < 1000 * per)
    return f"{seconds / per:.3g} {unit}"


def speed_table(speed, names):
    lines = ["| | bernet | " + " | ".join(names[1:]) + " |", "|---|---|" + "---|" * (len(names) - 1)]
    for what in dict.fromkeys(row["what"] for row in speed):
        found = {row["library"]: row for row in speed if row["what"] == what}
        cells = [f"{float(found[name]['of bernet' + chr(39) + 's time']):.3g}×" if name in found else "–" for name in names[1:]]
        lines.append(f"| {what} | {span(float(found['bernet']['seconds']))} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", source("double")])


def main():
    speed, errors, tail = (rows(name) for name in ("double", "errors", "tail"))
    names = sorted({row["library"] for row in errors}, key=lambda name: next(i for i, key in enumerate(COLOURS) if key in name))
    page = PAGE.read_text()
    for name, table in (("errors", error_table(errors, names)), ("speed", speed_table(speed, names))):
        begin = f"<!-- {name}: written by benches/peers/poisson_binomial_page.py -->\n"
        page, count = re.subn(f"({re.escape(begin)}).*?(<!-- end -->)", lambda found: f"{found[1]}{table}\n{found[2]}", page, flags=re.DOTALL)
        if count != 1:
            sys.exit(f"{PAGE}: expected the line {begin.strip()!r} and <!-- end --> once, found {count}")
    files = {PAGE: page, PAGE.with_name("poisson-binomial-n.svg"): by_n(errors, names), PAGE.with_name("poisson-binomial-tail.svg"): by_tail(tail, names)}
    for path, text in files.items():
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            sys.exit(f"{path} is not what the records say: run benches/peers/poisson_binomial_page.py")


if __name__ == "__main__":
    main()
