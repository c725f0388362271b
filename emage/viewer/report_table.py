"""The tables of a report: every measure beside its controls, and beside other systems."""

import html
from itertools import groupby
from typing import Any

from emage.viewer import charts

WAYS = {
    "down": ("↓", "lower is better"),
    "up": ("↑", "higher is better"),
    "real": ("≈ real", "the real motion's value is the goal; beyond it is not better"),
    "one": ("→ 1", "1 is best"),
    "zero": ("→ 0", "0 is best"),
    "none": ("", ""),
}
CONTROLS = {"mismatched_audio": "mismatched audio", "mean_pose": "mean pose", "time_shuffled": "time shuffled"}
MEANINGS = {
    "mismatched_audio": "the measure does not tell whether the motion belongs to the speech",
    "mean_pose": "the measure does not tell the system from a person who stands still",
    "time_shuffled": "the measure does not tell the system from real frames in random order",
}
SHORT = {"mismatched_audio": "deaf to speech", "mean_pose": "as if still", "time_shuffled": "as if shuffled"}


def way(row: dict[str, Any]) -> str:
    """Where a value should lie, as a sign that explains itself."""
    sign, words = WAYS[row["better"]]
    return f'<span class="way" title="{words}">{sign}</span>' if sign else ""


def legend(results: dict[str, Any]) -> str:
    """What the marks of a strip mean."""
    shapes = {
        "system": '<circle class="mark s" cx="7" cy="7" r="5"/>',
        "real motion": '<polygon class="mark r" points="7,1.5 12.5,7 7,12.5 1.5,7"/>',
    }
    if any(row["controls"] for row in results["measures"].values()):
        shapes |= {
            shown: f'<circle class="mark {charts.MARKS[name]}" cx="7" cy="7" r="4.4"/>'
            for name, shown in CONTROLS.items()
        }
        shapes["off the scale"] = '<polygon class="arrow sample" points="13,7 5,2.5 5,11.5"/>'
    rows = "".join(f'<span><svg width="14" height="14">{shape}</svg>{name}</span>' for name, shape in shapes.items())
    return f'<div class="legend">{rows}</div>'


def measure_table(results: dict[str, Any]) -> str:
    """Every measure that has a value."""
    rows = [row for row in results["measures"].values() if row["value"] is not None]
    controls = [name for name in CONTROLS if any(row["controls"].get(name) is not None for row in rows)]
    head = ["", "system", "", "real", *(CONTROLS[name] for name in controls), ""]
    lines = ["<thead><tr>" + "".join(f"<th>{cell}</th>" for cell in head) + "</tr></thead><tbody>"]
    for group, members in groupby(rows, key=lambda row: row["group"]):
        lines.append(f'<tr class="group"><td colspan="{len(head)}">{html.escape(group)}</td></tr>')
        lines += [_measure_row(row, controls) for row in members]
    return f"<table>{''.join(lines)}</tbody></table>"


def _measure_row(row: dict[str, Any], controls: list[str]) -> str:
    unit = f' <span class="unit">{html.escape(row["unit"])}</span>' if row["unit"] else ""
    interval = ""
    if row["low"] is not None:
        interval = f'<span class="ci">{charts.number(row["low"])} to {charts.number(row["high"])}</span>'
    if row.get("chance", {}).get("chance_shifted") is not None and row["better"] == "real":
        interval += f'<span class="ci">chance {charts.number(row["chance"]["chance_shifted"])}</span>'
    flags = "".join(_flag(flag) for flag in row["flags"])
    cells = [
        f"<td>{html.escape(row['label'])}{unit}{way(row)}</td>",
        f"<td><b>{charts.number(row['value'])}</b>{interval}</td>",
        f"<td>{charts.strip(row)}</td>",
        f"<td>{charts.number(row['ground_truth'])}</td>",
        *(f"<td>{charts.number(row['controls'].get(name))}</td>" for name in controls),
    ]
    return f'<tr>{"".join(cells)}<td class="flags">{flags}</td></tr>'


def _flag(flag: dict[str, str]) -> str:
    name = flag["control"]
    words = f"{CONTROLS[name]} {flag['how']}: {MEANINGS[name]}"
    return f'<span class="flag {charts.MARKS[name]}" title="{html.escape(words)}">{SHORT[name]}</span>'


def compare_table(results: dict[str, Any]) -> str:
    """Values of other systems and the differences to them; "" without any."""
    rows = [row for row in results["measures"].values() if row["value"] is not None and row["compare"]]
    names = sorted({name for row in rows for name in row["compare"]})
    if not names:
        return ""
    head = "<th></th><th>system</th>" + "".join(f"<th>{html.escape(name)}</th><th>difference</th>" for name in names)
    lines = [f"<thead><tr>{head}</tr></thead><tbody>"]
    group = ""
    for row in rows:
        if row["group"] != group:
            group = row["group"]
            lines.append(f'<tr class="group"><td colspan="{2 + 2 * len(names)}">{html.escape(group)}</td></tr>')
        cells = [f"<td>{html.escape(row['label'])}{way(row)}</td><td><b>{charts.number(row['value'])}</b></td>"]
        for name in names:
            other = row["compare"].get(name, {})
            cells.append(f"<td>{charts.number(other.get('value'))}</td><td>{_difference(other)}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table>{''.join(lines)}</tbody></table>"


def _difference(other: dict[str, Any]) -> str:
    if other.get("difference") is None:
        return "–"
    shown = f"{'+' if other['difference'] > 0 else ''}{charts.number(other['difference'])}"
    if other.get("low") is None:
        return shown
    interval = f'<span class="ci">{charts.number(other["low"])} to {charts.number(other["high"])}</span>'
    return (f"<b>{shown}</b>" if other["told_apart"] else shown) + interval
