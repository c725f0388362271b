"""Small pictures as inline SVG: strips of values, histograms, curves, stick figures.

Colours are classes of report.html, so that one picture serves its light and its dark page.

Shapes: J joints.
"""

import html
import math
from collections.abc import Sequence
from typing import Any

LEAST_SHARE = 0.01  # per cent: where the axis of a histogram begins
MARKS = {"system": "s", "real": "r", "mismatched_audio": "m", "mean_pose": "p", "time_shuffled": "t"}


def number(value: float | None) -> str:
    """Three or four digits for people; a dash for None."""
    if value is None:
        return "–"
    size = abs(value)
    if size < 1e-6:
        return "0"
    if size < 1e-3:
        shown = f"{value:.2g}"
    elif size >= 999.5:
        shown = f"{float(f'{value:.4g}'):,.0f}".replace(",", "\u202f")
    else:
        shown = f"{value:.{3 if size < 10 else 2 if size < 100 else 1}f}"
    return shown.replace("-", "\u2212")


def text(x: float, y: float, words: str, style: str = "", anchor: str = "start") -> str:
    """A line of words; they are escaped."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">{html.escape(words)}</text>'


def svg(width: float, height: float, body: Sequence[str], label: str) -> str:
    """The picture; `label` is read out to those who cannot see it."""
    inner = "".join(body)
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img"'
        f' aria-label="{html.escape(label)}">{inner}</svg>'
    )


def scale_ends(values: Sequence[float], others: Sequence[float]) -> tuple[float, float]:
    """Ends of an axis that shows `values` well, and those of the others that do not dwarf them."""
    low, high = min(values), max(values)
    for other in sorted(others, key=lambda x: max(low - x, x - high)):
        span = high - low
        reach = max(low - other, other - high)
        if span == 0 or reach <= 2.5 * span:
            low, high = min(low, other), max(high, other)
    if high == low:
        low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
    edge = 0.06 * (high - low)
    return low - edge, high + edge


def strip(row: dict[str, Any], width: float = 190, height: float = 26) -> str:
    """Where a system lies between the real motion and the controls, with its interval; what lies far outside is an arrow."""
    value = row["value"]
    near = [x for x in (value, row["low"], row["high"], row["ground_truth"]) if x is not None]
    controls = {name: x for name, x in row["controls"].items() if x is not None}
    low, high = scale_ends(near, list(controls.values()))
    pad, middle = 9, height / 2

    def at(x: float) -> float:
        return pad + (x - low) / (high - low) * (width - 2 * pad)

    body = [f'<line class="axis" x1="{pad}" x2="{width - pad}" y1="{middle}" y2="{middle}"/>']
    outside = {True: [], False: []}
    for name, x in controls.items():
        if low <= x <= high:
            title = f"<title>{name.replace('_', ' ')}: {number(x)}</title>"
            body.append(f'<circle class="mark {MARKS[name]}" cx="{at(x):.1f}" cy="{middle}" r="4.2">{title}</circle>')
        else:
            outside[x > high].append((name, x))
    for is_right, found in outside.items():
        edge, way = (width - 1, -7) if is_right else (1, 7)
        for place, (name, x) in enumerate(found):
            y = middle + (place - (len(found) - 1) / 2) * 8
            title = f"<title>{name.replace('_', ' ')}: {number(x)}, off this scale</title>"
            points = f"{edge},{y:.1f} {edge + way},{y - 4:.1f} {edge + way},{y + 4:.1f}"
            body.append(f'<polygon class="arrow {MARKS[name]}" points="{points}">{title}</polygon>')
    if row["ground_truth"] is not None:
        x, half = at(row["ground_truth"]), 7.0
        points = f"{x:.1f},{middle - half} {x + half:.1f},{middle} {x:.1f},{middle + half} {x - half:.1f},{middle}"
        body.append(
            f'<polygon class="mark r" points="{points}"><title>real: {number(row["ground_truth"])}</title></polygon>'
        )
    if row["low"] is not None:
        body.append(
            f'<line class="interval" x1="{at(row["low"]):.1f}" x2="{at(row["high"]):.1f}" y1="{middle}" y2="{middle}"/>'
        )
    body.append(
        f'<circle class="mark s" cx="{at(value):.1f}" cy="{middle}" r="4.6"><title>system: {number(value)}</title></circle>'
    )
    return svg(width, height, body, f"{row['label']}: {number(value)}")


def _nice_step(span: float, count: int) -> float:
    raw = span / max(count, 1)
    power = 10 ** math.floor(math.log10(raw))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= raw * 0.999)


def _ticks(low: float, high: float, count: int = 6) -> list[float]:
    if not high > low:
        return [low]
    step = _nice_step(high - low, count)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def histogram(
    edges: Sequence[float], sides: dict[str, Sequence[float]], *, unit: str, width: float = 1040, height: float = 250
) -> str:
    """Shares of the speeds of both sides as two outlines; logarithmic, so that the tails can be seen.

    The last half per cent of the real speeds is left off.
    """
    totals = {side: sum(counts) for side, counts in sides.items()}
    if not edges or not all(totals.values()):
        return ""
    reached, last = 0.0, len(edges) - 1
    for place, count in enumerate(sides["reference"]):
        reached += count
        if reached >= 0.995 * totals["reference"]:
            last = max(place, 8)
            break
    last = min(last, len(edges) - 2)
    bins = max((last + 1) // 60, 1)
    last = (last + 1) // bins * bins
    shares = {
        side: [100 * sum(counts[start : start + bins]) / totals[side] for start in range(0, last, bins)]
        for side, counts in sides.items()
    }
    left, right, top, bottom = 48, 12, 12, 40
    top_share = max(max(values) for values in shares.values()) * 1.4
    step = (width - left - right) / len(shares["reference"])

    def y(share: float) -> float:
        height_of = math.log(max(share, LEAST_SHARE) / LEAST_SHARE) / math.log(top_share / LEAST_SHARE)
        return top + (1 - height_of) * (height - top - bottom)

    body = []
    for tick in (tick for tick in (LEAST_SHARE, 0.1, 1, 10) if tick < top_share):
        body.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        body.append(text(left - 8, y(tick) + 4, f"{tick:g} %", "tick", "end"))
    for side, style in (("reference", "r"), ("generated", "s")):
        path = [f"M{left:.1f},{y(0):.1f}"]
        for place, share in enumerate(shares[side]):
            path.append(f"L{left + place * step:.1f},{y(share):.1f} L{left + (place + 1) * step:.1f},{y(share):.1f}")
        path.append(f"L{left + len(shares[side]) * step:.1f},{y(0):.1f}")
        body.append(f'<path class="area {style}" d="{" ".join(path)}"/>')
    end = edges[last] if last < len(edges) else edges[-1]
    for tick in _ticks(0, end, 8):
        x = left + tick / end * (width - left - right)
        body.append(text(x, height - bottom + 18, f"{tick:g}", "tick", "middle"))
    body.append(text((left + width - right) / 2, height - 5, f"speed of a joint, {unit}", "tick", "middle"))
    return svg(width, height, body, "histogram of joint speeds, generated and real")


def curves(
    sides: dict[str, dict[str, Sequence[float]]],
    *,
    label: str,
    onsets_s: Sequence[float] = (),
    width: float = 1040,
    height: float = 130,
) -> str:
    """Two curves over time, with ticks where the speech has its onsets."""
    left, right, top, bottom = 48, 12, 16, 26
    end = max(max(side["time_s"], default=0) for side in sides.values()) or 1.0
    values = [x for side in sides.values() for x in side["value"]]
    high, low = max(values, default=1.0), min([0.0, *values])
    high = high if high > low else low + 1.0

    def x(time_s: float) -> float:
        return left + time_s / end * (width - left - right)

    def y(value: float) -> float:
        return top + (1 - (value - low) / (high - low)) * (height - top - bottom)

    body = [text(left, 10, label, "tick")]
    for tick in _ticks(low, high, 3):
        body.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        body.append(text(left - 8, y(tick) + 4, f"{tick:g}", "tick", "end"))
    for onset in onsets_s:
        if onset <= end:
            body.append(
                f'<line class="onset" x1="{x(onset):.1f}" x2="{x(onset):.1f}" y1="{height - bottom}" y2="{height - bottom + 6}"/>'
            )
    for name, style in (("reference", "r"), ("generated", "s")):
        points = " ".join(
            f"{x(t):.1f},{y(v):.1f}" for t, v in zip(sides[name]["time_s"], sides[name]["value"], strict=True)
        )
        body.append(f'<polyline class="line {style}" points="{points}"/>')
    for tick in _ticks(0, end, 10):
        body.append(text(x(tick), height - 4, f"{tick:g} s", "tick", "middle"))
    return svg(width, height, body, label)


def figures(poses: dict[str, Any], parents: Sequence[int], width: float = 1040, height: float = 220) -> str:
    """Stick figures in a row: the real person behind, the generated one in front, at the same times."""
    count = len(poses["time_s"])
    everything = [point for side in ("reference", "generated") for pose in poses[side] for point in pose]
    ends = [(min(p[axis] for p in everything), max(p[axis] for p in everything)) for axis in (0, 1)]
    cell, room = width / count, height - 34
    size = min((cell - 16) / max(ends[0][1] - ends[0][0], 1), room / max(ends[1][1] - ends[1][0], 1))
    body = []
    for place in range(count):
        middle = (place + 0.5) * cell
        for side, style in (("reference", "r"), ("generated", "s")):
            pose = poses[side][place]
            points = [
                (middle + size * (x - (ends[0][0] + ends[0][1]) / 2), 8 + size * (ends[1][1] - y)) for x, y in pose
            ]
            lines = "".join(
                f"M{points[parent][0]:.1f},{points[parent][1]:.1f}L{points[joint][0]:.1f},{points[joint][1]:.1f}"
                for joint, parent in enumerate(parents)
                if parent >= 0
            )
            body.append(f'<path class="bone {style}" d="{lines}"/>')
        body.append(text(middle, height - 6, f"{poses['time_s'][place]:g} s", "tick", "middle"))
    return svg(width, height, body, "poses of the generated and the real person at the same times")


def body_map(
    pose: Sequence[Sequence[float]],
    parents: Sequence[int],
    joints: Sequence[str],
    table: dict[str, Any],
    size: float = 380,
) -> str:
    """The mean pose with a disc at each joint: how much slower or faster it moves than the real one."""
    ends = [(min(p[axis] for p in pose), max(p[axis] for p in pose)) for axis in (0, 1)]
    unit = min((size - 60) / max(ends[0][1] - ends[0][0], 1), (size - 40) / max(ends[1][1] - ends[1][0], 1))
    points = [(size / 2 + unit * (x - sum(ends[0]) / 2), 20 + unit * (ends[1][1] - y)) for x, y in pose]
    lines = "".join(
        f"M{points[parent][0]:.1f},{points[parent][1]:.1f}L{points[joint][0]:.1f},{points[joint][1]:.1f}"
        for joint, parent in enumerate(parents)
        if parent >= 0
    )
    body = [f'<path class="bone plain" d="{lines}"/>']
    for (x, y), joint in zip(points, joints, strict=True):
        generated, real = (table[joint].get(f"speed_{side}", 0.0) for side in ("generated", "reference"))
        radius = 2.6 if any(finger in joint for finger in ("Thumb", "Index", "Middle", "Ring", "Pinky")) else 7
        words = f"{joint}: {number(generated)} cm/s, real {number(real)} cm/s"
        body.append(
            f'<circle class="{ratio_class(generated, real)}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"><title>{words}</title></circle>'
        )
    return svg(size, size, body, "joints coloured by their speed against the real one")


def ratio_class(generated: float, real: float) -> str:
    """Class of a joint by how fast it moves against the real one, in steps of a factor 1.5."""
    if real <= 0 and generated <= 0:
        return "joint q3"
    if real <= 0 or generated <= 0:
        return "joint q6" if generated > 0 else "joint q0"
    steps = round(math.log(generated / real) / math.log(1.5))
    return f"joint q{min(max(steps, -3), 3) + 3}"


def dumbbells(rows: Sequence[tuple[str, float, float]], *, unit: str, width: float = 600) -> str:
    """One line a joint: the generated and the real value."""
    left, right, top, pitch = 150, 20, 8, 22
    height = top + pitch * len(rows) + 30
    end = max([max(generated, real) for _, generated, real in rows] + [1e-9]) * 1.04

    def x(value: float) -> float:
        return left + value / end * (width - left - right)

    body = []
    for tick in _ticks(0, end, 5):
        body.append(f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{top}" y2="{height - 28}"/>')
        body.append(text(x(tick), height - 12, f"{tick:g}", "tick", "middle"))
    body.append(text(width - right, height - 1, unit, "tick", "end"))
    for place, (name, generated, real) in enumerate(rows):
        y = top + pitch * (place + 0.5)
        body.append(text(left - 10, y + 4, name, "name", "end"))
        body.append(f'<line class="interval thin" x1="{x(generated):.1f}" x2="{x(real):.1f}" y1="{y}" y2="{y}"/>')
        body.append(
            f'<circle class="mark r" cx="{x(real):.1f}" cy="{y}" r="5"><title>real: {number(real)}</title></circle>'
        )
        body.append(
            f'<circle class="mark s" cx="{x(generated):.1f}" cy="{y}" r="5"><title>generated: {number(generated)}</title></circle>'
        )
    return svg(width, height, body, "speed of each joint, generated and real")


def swarm(
    values: dict[str, float], real: dict[str, float], *, chosen: dict[str, str], width: float = 520, height: float = 44
) -> str:
    """One dot a recording; the best and worst one stand out, the real ones lie below as small ticks."""
    shown = [*values.values(), *real.values()]
    low, high = min(shown), max(shown)
    if high == low:
        low, high = low - 0.5, high + 0.5
    pad = 10

    def x(value: float) -> float:
        return pad + (value - low) / (high - low) * (width - 2 * pad)

    body = [f'<line class="axis" x1="{pad}" x2="{width - pad}" y1="16" y2="16"/>']
    body += [f'<line class="realtick" x1="{x(v):.1f}" x2="{x(v):.1f}" y1="24" y2="30"/>' for v in real.values()]
    for key, value in sorted(values.items(), key=lambda item: item[0] in chosen):
        style = f"dot {chosen.get(key, '')}"
        radius = 5 if key in chosen else 3.4
        words = html.escape(f"{key}: {number(value)}")
        body.append(f'<circle class="{style}" cx="{x(value):.1f}" cy="16" r="{radius}"><title>{words}</title></circle>')
    body += [text(pad, height - 2, number(low), "tick"), text(width - pad, height - 2, number(high), "tick", "end")]
    return svg(width, height, body, "one dot a recording")
