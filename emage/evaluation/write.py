"""An evaluation as files: metrics.json for programs, metrics.csv for tables, report.html for people."""

import csv
import io
import json
from pathlib import Path
from typing import Any

from emage.evaluation.controls import IMPOSTORS
from emage.motion.atomic import write_text_atomic
from emage.viewer.report import render_report

FILES = ("metrics.json", "metrics.csv", "report.html")


def write_evaluation(results: dict[str, Any], pictures: dict[str, Any], folder: Path) -> list[Path]:
    """Writes the three files; each is there whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = (json.dumps(results, indent=1) + "\n", csv_text(results), render_report(results, pictures))
    paths = [folder / name for name in FILES]
    for path, text in zip(paths, texts, strict=True):
        write_text_atomic(path, text)
    return paths


def csv_text(results: dict[str, Any]) -> str:
    """One row a measure: value, interval, controls, chance, flags, and the other systems with the differences to them."""
    others = sorted({name for row in results["measures"].values() for name in row["compare"]})
    head = ["measure", "label", "unit", "better", "value", "low", "high", "num_recordings", "ground_truth", *IMPOSTORS]
    head += ["chance_random", "chance_shifted", "flags", "reason"]
    head += [f"{name}: {column}" for name in others for column in ("value", "difference", "low", "high", "told_apart")]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    for key, row in results["measures"].items():
        chance = row.get("chance", {})
        flags = "; ".join(f"{flag['control']} {flag['how']}" for flag in row["flags"])
        cells = [
            key,
            row["label"],
            row["unit"],
            row["better"],
            row["value"],
            row["low"],
            row["high"],
            row["num_recordings"],
        ]
        cells += [row["ground_truth"], *(row["controls"].get(name) for name in IMPOSTORS)]
        cells += [chance.get("chance_random"), chance.get("chance_shifted"), flags, row["reason"]]
        for name in others:
            other = row["compare"].get(name, {})
            cells += [other.get(column) for column in ("value", "difference", "low", "high", "told_apart")]
        writer.writerow(["" if cell is None else cell for cell in cells])
    return text.getvalue()
