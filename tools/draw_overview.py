"""Draws a stretch of a test recording, real and generated side by side, and the whole test set's numbers, as one picture."""

import argparse
import sys
import textwrap
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from dataloaders.cache_format import MOTION_LAYOUT
from dataloaders.corpus import Corpus
from dataloaders.splits import SplitEntry
from emage.audio import frame_to_sample
from emage.checkpoint import read_json
from emage.config import load_config
from emage.errors import InputError, one_line_errors
from emage.export import performance_to_bvh
from emage.motion.arkit import read_arkit
from emage.motion.bvh import BvhMotion, read_bvh
from emage.motion.layout import ARKIT_51
from emage.motion.skeleton import Skeleton
from emage.performance import Performance

EXAMPLE = """
example (after `make demo`):
  python tools/draw_overview.py -c configs/demo/camn.yaml --results runs/demo/camn/test --table runs/demo/table.json \\
      --out runs/demo/overview.png
"""
REAL, GENERATED, CONTROLS = "#3a3a3a", "#0072b2", ("#d55e00", "#a0a0a0", "#c8c8c8")
WRISTS = ("RightHand", "LeftHand")
NUM_SNAPSHOTS = 8
SNAPSHOT_WIDTH_CM = 98.0  # room for one skeleton
HEAD_RADIUS_CM = 9.0
TRAIL_S = 0.4  # how much of the wrists' way is drawn behind a snapshot
STRETCH_S = 12.0  # of a recording; the words of more would stand on each other
JAW = "jawOpen"


@dataclass(frozen=True)
class Side:
    """One motion as the picture needs it.

    Attributes:
        positions_cm: (T, J, 3).
        skeleton: its J joints.
        jaw_open: (T,) or None where there is no face.
        fps: frames per second of both.
    """

    positions_cm: np.ndarray
    skeleton: Skeleton
    jaw_open: np.ndarray | None
    fps: float

    @classmethod
    def of(cls, motion: BvhMotion, jaw_open: np.ndarray | None) -> "Side":
        """From a BVH motion."""
        return cls(motion.positions().numpy(), motion.skeleton, jaw_open, motion.fps)

    def first(self, frames: int) -> "Side":
        """The beginning of it."""
        jaw_open = None if self.jaw_open is None else self.jaw_open[:frames]
        return replace(self, positions_cm=self.positions_cm[:frames], jaw_open=jaw_open)

    def wrist_speed_cm_s(self) -> np.ndarray:
        """Mean speed of both wrists, (T,); the last frame repeats the one before."""
        wrists = self.positions_cm[:, self.skeleton.indices(WRISTS)]
        speed = np.linalg.norm(np.diff(wrists, axis=0), axis=-1).mean(axis=1) * self.fps
        return np.append(speed, speed[-1:])


def draw_overview(real: Side, generated: Side, streams: dict[str, Any], *, title: str, table: dict[str, Any]) -> Figure:
    """The picture.

    Args:
        real: what the person did.
        generated: what the model made of the same speech.
        streams: of the recording: `waveform` (S,) and `word_list`.
        title: of the left part.
        table: what `make demo` writes as table.json.
    """
    figure = Figure(figsize=(15, 8.2), dpi=110, layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(4.3, 1))
    *strips, speech, jaw = left.subplots(4, 1, height_ratios=(1.85, 1.85, 1.6, 1.0))
    for axes, side, name, colour in zip(
        strips, (real, generated), ("real", "generated"), (REAL, GENERATED), strict=True
    ):
        draw_strip(axes, side, colour)
        axes.set_ylabel(name, color=colour, fontsize=13, fontweight="bold")
    strips[0].set_title(title, loc="left", fontsize=12)
    draw_speech(speech, streams, real, generated)
    draw_jaw(jaw, real, generated)
    for axes in (speech, jaw):
        for frame in snapshot_frames(real):
            axes.axvline(frame / real.fps, color="#cccccc", linestyle=":", linewidth=1, zorder=0)
    distance, beats = right.subplots(2, 1)
    draw_bars(distance, table["rows"], "fgd", "FGD: distance from the real motion")
    draw_bars(beats, table["rows"], "bc", f"BC ({table['bc_variant']}), chance dotted")
    return figure


def snapshot_frames(side: Side) -> list[int]:
    """The frames that are drawn as skeletons, evenly over the recording."""
    return [int((place + 0.5) / NUM_SNAPSHOTS * len(side.positions_cm)) for place in range(NUM_SNAPSHOTS)]


def draw_strip(axes: Axes, side: Side, colour: str) -> None:
    """Snapshots of the upper body from the front, each above its own time, with the last way of the wrists."""
    hips, legs = side.skeleton.index("Hips"), _below_hips(side.skeleton)
    fingers = {joint for joint, name in enumerate(side.skeleton.names) if "Hand" in name and name not in WRISTS}
    trail = max(2, round(TRAIL_S * side.fps))
    for place, frame in enumerate(snapshot_frames(side)):
        shift = np.array([(place + 0.5) * SNAPSHOT_WIDTH_CM, 0.0]) - side.positions_cm[frame, hips, :2]
        flat = side.positions_cm[frame, :, :2] + shift  # (J, 2)
        for joint, parent in enumerate(side.skeleton.parents):
            if parent >= 0 and joint not in legs:
                width, alpha = (0.9, 0.7) if joint in fingers else (2.2, 1.0)
                axes.plot(*flat[[parent, joint]].T, color=colour, linewidth=width, alpha=alpha, solid_capstyle="round")
        head = flat[side.skeleton.indices(("Head", "HeadEnd"))].mean(axis=0)
        axes.add_patch(Circle(head, HEAD_RADIUS_CM, color=colour))
        past = side.positions_cm[max(0, frame - trail) : frame + 1, side.skeleton.indices(WRISTS), :2] + shift
        for way in past.transpose(1, 0, 2):  # (frames, 2) of one wrist
            steps = np.stack([way[:-1], way[1:]], axis=1)
            axes.add_collection(
                LineCollection(steps, colors=colour, alpha=0.35, linewidths=np.linspace(0.5, 4, len(steps)))
            )
    axes.set(xlim=(0, NUM_SNAPSHOTS * SNAPSHOT_WIDTH_CM), xticks=[], yticks=[])
    axes.set_aspect("equal")
    axes.margins(y=0.03)
    axes.spines[:].set_visible(False)


def _below_hips(skeleton: Skeleton) -> set[int]:
    """The joints of the legs."""
    legs: set[int] = set()
    for joint, parent in enumerate(skeleton.parents):
        if parent in legs or "UpLeg" in skeleton.names[joint]:
            legs.add(joint)
    return legs


def draw_speech(axes: Axes, streams: dict[str, Any], real: Side, generated: Side) -> None:
    """Waveform with its words; over it the speed of the wrists."""
    duration_s = len(real.positions_cm) / real.fps
    waveform = streams["waveform"]
    bins = np.array_split(np.abs(waveform), 1200)
    envelope = np.array([part.max() for part in bins])
    times_s = (np.arange(len(envelope)) + 0.5) / len(envelope) * duration_s
    sound = axes.twinx()
    sound.fill_between(times_s, -envelope, envelope, color="#d9cfa3", linewidth=0)
    peak = max(float(envelope.max()), 1e-6)
    sound.set(ylim=(-1.3 * peak, 1.75 * peak), yticks=[])
    for word in streams["word_list"]:
        middle_s = (word.start_s + word.end_s) / 2
        sound.text(middle_s, 1.36 * peak, word.text, ha="center", va="bottom", fontsize=7, rotation=28, color="#6b5d1f")
    axes.set_zorder(sound.get_zorder() + 1)
    axes.patch.set_visible(False)
    for side, name, colour in ((real, "real", REAL), (generated, "generated", GENERATED)):
        speed = side.wrist_speed_cm_s()
        axes.plot(np.arange(len(speed)) / side.fps, speed, color=colour, label=name, linewidth=1.6)
    axes.set(xlim=(0, duration_s), ylabel="wrist speed (cm/s)", xticklabels=[])
    axes.set_ylim(0, 1.35 * axes.get_ylim()[1])
    _legend_above(axes)
    for other in (axes, sound):
        other.spines[["top", "right"]].set_visible(False)


def _legend_above(axes: Axes) -> None:
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1.06), ncols=2, fontsize=9, frameon=False, borderpad=0)


def draw_jaw(axes: Axes, real: Side, generated: Side) -> None:
    """How far the mouth is open, real and predicted."""
    for side, name, colour in ((real, "real", REAL), (generated, "predicted", GENERATED)):
        if side.jaw_open is not None:
            axes.plot(np.arange(len(side.jaw_open)) / side.fps, side.jaw_open, color=colour, label=name, linewidth=1.6)
    axes.set(xlim=(0, len(real.positions_cm) / real.fps), xlabel="seconds", ylabel=JAW)
    axes.set_ylim(bottom=0)
    _legend_above(axes)
    axes.spines[["top", "right"]].set_visible(False)


def draw_bars(axes: Axes, rows: list[dict[str, Any]], key: str, title: str) -> None:
    """One number of every row of the table; the chance level of beat alignment as a dotted line on its bar."""
    colours = (REAL, GENERATED, *CONTROLS)
    values = [row[key] or 0.0 for row in rows]
    top = max([*values, 1e-9])
    for place, (row, value) in enumerate(zip(rows, values, strict=True)):
        axes.bar(place, value, color=colours[place % len(colours)], width=0.7)
        text = "none" if row[key] is None else f"{value:.3g}"
        axes.text(place, value + 0.015 * top, text, ha="center", va="bottom", fontsize=9)
        if key == "bc" and row["bc_chance"]:
            axes.hlines(row["bc_chance"], place - 0.35, place + 0.35, color="white", linestyle=":", linewidth=2)
    axes.set_xticks(range(len(rows)), [textwrap.fill(row["name"], 11) for row in rows], fontsize=6.5)
    axes.set(ylim=(0, 1.12 * top), yticks=[])
    axes.set_title(title, fontsize=10, loc="left")
    axes.spines[["top", "right", "left"]].set_visible(False)


def liveliest(results: Path, entries: list[SplitEntry]) -> SplitEntry:
    """The entry whose generated wrists move most, among those that have a file in `results`.

    Raises:
        InputError: none has.
    """
    found = {entry: results / f"{entry.id}.bvh" for entry in entries if (results / f"{entry.id}.bvh").is_file()}
    if not found:
        raise InputError(f"{results}: no <id>.bvh of a test recording; test.py writes them")
    speed = {entry: Side.of(read_bvh(path), None).wrist_speed_cm_s().mean() for entry, path in found.items()}
    return max(speed, key=lambda entry: speed[entry])


def _read_sides(corpus: Corpus, entry: SplitEntry, results: Path) -> tuple[Side, Side, dict[str, Any]]:
    """Real and generated motion and the streams of the first STRETCH_S of an entry."""
    streams = corpus.clip_streams(entry)
    frames = min(streams["num_frames"], round(STRETCH_S * corpus.cache.fps))
    samples = frame_to_sample(frames, corpus.cache.fps, corpus.cache.sample_rate)
    streams["waveform"] = streams["waveform"][:samples]
    streams["word_list"] = [word for word in streams["word_list"] if word.end_s * corpus.cache.fps <= frames]
    skeleton = corpus.cache.meta(entry.recording_id)["skeleton"]
    motion = torch.from_numpy(streams["motion_full"])
    real = performance_to_bvh(Performance(motion, MOTION_LAYOUT, None, corpus.cache.fps, skeleton))
    jaw = ARKIT_51.index(JAW)
    face = results / f"{entry.id}.json"
    predicted = read_arkit(face).weights[:, jaw].numpy() if face.is_file() else None
    generated = Side.of(read_bvh(results / f"{entry.id}.bvh"), predicted)
    return Side.of(real, streams["face"][:, jaw]).first(frames), generated.first(frames), streams


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-c", "--config", required=True, metavar="FILE", help="config of the test")
    parser.add_argument("--results", required=True, type=Path, metavar="DIR", help="the test folder that test.py wrote")
    parser.add_argument("--table", required=True, type=Path, metavar="FILE", help="table.json of `make demo`")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="the picture (png)")
    parser.add_argument("--recording", metavar="ID", help="by default the one that moves most")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="config values")
    arguments = parser.parse_intermixed_args(argv)
    corpus = Corpus.open(load_config(arguments.config, arguments.overrides))
    entries = [entry for entry in corpus.usable("test") if arguments.recording in (None, entry.id)]
    entry = liveliest(arguments.results, entries)
    real, generated, streams = _read_sides(corpus, entry, arguments.results)
    title = f"Test recording {entry.id}: what the person did, and what the model makes of the same speech"
    figure = draw_overview(real, generated, streams, title=title, table=read_json(arguments.table))
    figure.savefig(arguments.out)
    print(f"written: {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
