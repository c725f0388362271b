"""The results of an evaluation as one page for people: no script, no request, light and dark.

What stands in it is in metrics.json too, but for the pictures of single recordings.
"""

import html
from typing import Any

from markupsafe import Markup

from emage.viewer import charts
from emage.viewer.html_page import encodable, render_page, viewer_text
from emage.viewer.report_table import compare_table, legend, measure_table, way

# Headlines, as far as they were taken: the first of each that has a value.
HEADLINES = (
    ("fgd_network", "fgd_rot6d", "fgd_raw"),
    ("hellinger",),
    ("beat_align_excess",),
    ("jaw_open_correlation", "face_mae_all"),
)
SHOWN_JOINTS = {
    "Head": "head", "Neck": "neck", "LeftArm": "left shoulder", "RightArm": "right shoulder", "LeftForeArm": "left elbow",
    "RightForeArm": "right elbow", "LeftHand": "left wrist", "RightHand": "right wrist", "Hips": "hips", "LeftLeg": "left knee",
    "RightLeg": "right knee", "LeftFoot": "left ankle", "RightFoot": "right ankle",
}  # fmt: skip
EXAMPLE_NAMES = {"best": "best", "worst": "worst", "only": "the recording"}
MAX_LISTED = 40


def render_report(results: dict[str, Any], pictures: dict[str, Any]) -> str:
    """The page.

    Args:
        results: what metrics.json holds (`emage.evaluation`).
        pictures: histograms, skeleton, ranking and examples, plain values.
    """
    sections = [
        _head(results),
        _headlines(results),
        _measures(results),
        _comparison(results),
        _speeds(pictures),
        _joints(results, pictures),
        _recordings(results, pictures),
        _missing(results),
        _how_to_read(results),
    ]
    title = f"Evaluation of {_name(results)}"
    return render_page(
        "report.html",
        style=viewer_text("report.css"),
        sources=("img-src data:",),
        title=encodable(title),
        body=Markup(encodable("\n".join(sections))),  # every section escapes what it was given
    )


def _name(results: dict[str, Any]) -> str:
    return str(results.get("generated") or "generated motion")


def _head(results: dict[str, Any]) -> str:
    counts, joints = results["counts"], len(results["joints"])
    facts = [
        ("recordings", f"{counts['recordings']}"),
        (
            "of motion",
            f"{counts['motion_s'] / 60:.1f} min" if counts["motion_s"] >= 90 else f"{counts['motion_s']:.1f} s",
        ),
        ("frame rate", f"{results['fps']:g} fps"),
        ("joints", f"{joints}" if joints else "no body"),
    ]
    if results["num_seeds"] > 1:
        facts.append(("seeds", str(results["num_seeds"])))
    if counts["recordings"] == 1:
        facts.append(("intervals", "none: one recording"))
    rows = "".join(f"<li>{html.escape(name)} <b>{html.escape(value)}</b></li>" for name, value in facts)
    against = results.get("reference")
    return (
        f"<h1>Evaluation of {html.escape(_name(results))}</h1>"
        + (f'<p class="soft">against the real motion in {html.escape(str(against))}</p>' if against else "")
        + f'<ul class="facts">{rows}</ul>'
    )


def _headlines(results: dict[str, Any]) -> str:
    cards = []
    for choices in HEADLINES:
        key = next((key for key in choices if results["measures"][key]["value"] is not None), None)
        if key is None:
            continue
        row = results["measures"][key]
        if row["low"] is not None:
            note = f"95 %: {charts.number(row['low'])} to {charts.number(row['high'])}"
        else:
            note = f"real motion: {charts.number(row['ground_truth'])}"
        cards.append(
            f'<div class="card"><div class="name">{html.escape(row["label"])}{way(row)}</div>'
            f'<div class="big">{charts.number(row["value"])}</div>'
            f'<div class="note">{note}</div>{charts.strip(row)}</div>'
        )
    taken = [row for row in results["measures"].values() if row["value"] is not None]
    flags = [{flag["control"] for flag in row["flags"]} for row in taken]
    idle = sum(bool(found & {"mean_pose", "time_shuffled"}) for found in flags)
    deaf = sum(found == {"mismatched_audio"} for found in flags)
    note = f"and {deaf} more are deaf to the speech" if deaf else "none of the others is deaf to the speech"
    cards.append(
        '<div class="card"><div class="name">measures in which a still or a shuffled person does as well</div>'
        f'<div class="big">{idle} of {len(taken)}</div><div class="note">{note}</div></div>'
    )
    return f'<div class="cards">{"".join(cards)}</div>{legend(results)}'


def _measures(results: dict[str, Any]) -> str:
    return (
        "<h2>All measures</h2>"
        '<p class="soft">The blue dot is the system with its 95 % interval, the green diamond the real motion; the rings are '
        "controls. Where one of them does as well as the system, the measure says nothing about what the control lacks, and "
        "carries its flag.</p>"
        f'<div class="card"><div class="scroll">{measure_table(results)}</div></div>'
    )


def _comparison(results: dict[str, Any]) -> str:
    table = compare_table(results)
    if not table:
        return ""
    return (
        "<h2>Beside other systems</h2>"
        '<p class="soft">Differences are this system minus the other one, on the same recordings drawn together; bold where '
        "the interval excludes zero, so that the two can be told apart.</p>"
        f'<div class="card"><div class="scroll">{table}</div></div>'
    )


def _speeds(pictures: dict[str, Any]) -> str:
    found = pictures["histograms"]
    if not found.get("edges_cm_s"):
        return ""
    sides = {side: found[side] for side in ("generated", "reference")}
    picture = charts.histogram(found["edges_cm_s"], sides, unit="cm/s")
    if not picture:
        return ""
    return (
        "<h2>How fast joints move</h2>"
        '<p class="soft">Share of all frames and joints by speed. A system that smooths lies to the left of the real motion, '
        "one that trembles to the right.</p>"
        f'<div class="card"><div class="scroll wide">{picture}</div>{_sides()}</div>'
    )


def _sides() -> str:
    dot = '<svg width="12" height="12"><circle class="mark {}" cx="6" cy="6" r="5"/></svg>'
    return f'<div class="legend"><span>{dot.format("s")} generated</span><span>{dot.format("r")} real</span></div>'


def _joints(results: dict[str, Any], pictures: dict[str, Any]) -> str:
    table, skeleton = results["per_joint"], pictures["skeleton"]
    if not table or not skeleton:
        return ""
    rows = [
        (shown, table[joint]["speed_generated"], table[joint]["speed_reference"])
        for joint, shown in SHOWN_JOINTS.items()
        if table.get(joint, {}).get("speed_reference") is not None
    ]
    picture = charts.body_map(skeleton["points"], skeleton["parents"], results["joints"], table)
    words = ("a third or less", "", "slower", "alike", "faster", "", "three times or more")
    marks = "".join(
        f'<span><svg width="14" height="14"><circle class="joint q{k}" cx="7" cy="7" r="6.5"/></svg>{word}</span>'
        for k, word in enumerate(words)
    )
    return (
        "<h2>Joint by joint</h2>"
        '<p class="soft">Mean speed of each joint against that of the same joint of the real person, seen from the front.</p>'
        f'<div class="card"><div class="two"><div>{picture}<div class="legend">{marks}</div></div>'
        f'<div class="scroll">{charts.dumbbells(rows, unit="mean speed, cm/s")}{_sides()}</div></div></div>'
    )


def _recordings(results: dict[str, Any], pictures: dict[str, Any]) -> str:
    table, ranking, examples = results["per_recording"], pictures["ranking"], pictures["examples"]
    parts = ["<h2>Recording by recording</h2>"]
    if len(ranking) > 1:
        chosen = {ranking[0]["id"]: "best", ranking[-1]["id"]: "worst"}
        shown = ", ".join(results["measures"][key]["label"] for key in pictures["ranked_by"])
        parts.append(
            f'<p class="soft">One dot a recording, the real motion as green ticks. The best (green) and the worst (red) recording '
            f"have the lowest and highest mean rank in: {html.escape(shown)}.</p>"
        )
        swarms = []
        for key in pictures["ranked_by"]:
            values = {name: row[key] for name, row in table.items() if row.get(key) is not None}
            if len(values) > 1:
                real = {name: value for name, value in pictures["real"].get(key, {}).items() if name in values}
                row = results["measures"][key]
                label = f'<h3>{html.escape(row["label"])} <span class="soft">{html.escape(row["unit"])}</span>{way(row)}</h3>'
                swarms.append(f"<div>{label}{charts.swarm(values, real, chosen=chosen)}</div>")
        parts.append(f'<div class="card"><div class="swarms">{"".join(swarms)}</div></div>')
    parts += [_example(example, pictures["skeleton"]) for example in examples]
    return "".join(parts) if len(parts) > 1 else ""


def _example(example: dict[str, Any], skeleton: dict[str, Any] | None) -> str:
    pieces = []
    if example["poses"] and skeleton:
        pieces.append(charts.figures(example["poses"], skeleton["parents"]))
    if example["wrist_speed"]:
        label = "mean speed of the wrists against the hips, cm/s" + (
            "; ticks: onsets of the speech" if example["onsets_s"] else ""
        )
        pieces.append(charts.curves(example["wrist_speed"], label=label, onsets_s=example["onsets_s"]))
    if example["jaw"]:
        pieces.append(charts.curves(example["jaw"], label="jawOpen", height=100))
    if not pieces:
        return ""
    name = example["name"]
    badge = f'<span class="badge {name}">{EXAMPLE_NAMES[name]}</span>'
    return (
        f'<div class="card"><h3 class="first">{badge}{html.escape(example["id"])}</h3>'
        f'<div class="scroll wide">{"".join(pieces)}</div>{_sides()}</div>'
    )


def _missing(results: dict[str, Any]) -> str:
    parts = ["<h2>What is not here, and why</h2>"]
    by_reason: dict[str, list[str]] = {}
    for key, reason in results["reasons"].items():
        by_reason.setdefault(reason, []).append(results["measures"][key]["label"])
    rows = [
        f"<li><b>{html.escape(', '.join(names))}</b>: {html.escape(reason)}</li>" for reason, names in by_reason.items()
    ]
    left_out = [
        f"<li><b>{html.escape(r['id'])}</b> ({html.escape(r['metric'])}): {html.escape(r['reason'])}</li>"
        for r in results["not_scored"]
    ]
    notices = [f"<li>{html.escape(notice)}</li>" for notice in results.get("notices", [])]
    for title, lines, empty in (
        ("Measures without a value", rows, "Every measure has a value."),
        ("Recordings and parts left out", left_out, "Nothing was left out."),
        ("Noticed", notices, ""),
    ):
        if lines or empty:
            body = f'<ul class="plain">{"".join(lines[:MAX_LISTED])}</ul>' if lines else f'<p class="soft">{empty}</p>'
            more = (
                f'<p class="soft">and {len(lines) - MAX_LISTED} more in metrics.json</p>'
                if len(lines) > MAX_LISTED
                else ""
            )
            parts.append(f"<h3>{title}</h3>{body}{more}")
    return f'{parts[0]}<div class="card">{"".join(parts[1:])}</div>'


GUIDE = {
    "real": "the real motion against itself: what a perfect system would reach; where its value is the goal, more is not better",
    "mismatched audio": "the system's motion to other speech (with one recording: its own speech moved by half its length). Where it "
    "does as well, the measure is deaf to the speech: it tells how the system moves, not whether that belongs to what is said",
    "mean pose": "the mean of all real frames, standing still. Where it does as well, the measure rewards doing nothing",
    "time shuffled": "the real frames in random order. Where they do as well, the measure does not see movement",
    "chance": "beat alignment of the motion's own beats moved in time: what their rhythm alone is worth",
    "interval": "95 %, from recordings drawn again and again; shifted so that its median is the value",
}


def _how_to_read(results: dict[str, Any]) -> str:
    guide = "".join(f"<dt>{name}</dt><dd>{words}</dd>" for name, words in GUIDE.items())
    notes = []
    for name in ("fgd_rot6d", "fgd_raw"):
        space = results["details"].get(name, {}).get("space")
        if space:
            kept = f"keep {100 * space['variance_kept']:.0f} % of the variance"
            windows = f"{space['num_components']} principal components of {space['num_windows_fitted']} real windows"
            notes.append(f"{results['measures'][name]['label']}: {windows} {kept}")
    for name, floor in results["split_half"].items():
        if floor["split_half_mean"] is not None:
            label, apart = results["measures"][name]["label"], charts.number(floor["split_half_mean"])
            notes.append(f"{label}: two random halves of the real recordings are {apart} apart")
    rows = "".join(f"<li>{html.escape(line)}</li>" for line in notes)
    made = f"emage {html.escape(results['version'])}, seed {results['seed']}"
    return (
        f'<h2>How to read it</h2><div class="card"><dl>{guide}</dl><ul class="plain soft">{rows}</ul>'
        f'<p class="soft">Human raters and these measures often disagree. Made by {made}.</p></div>'
    )
