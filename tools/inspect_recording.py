"""Shows one recording as a model would meet it: the streams in numbers, what was odd about its files, and a picture.

The picture has one time axis: the waveform with its words, the speed of both wrists, jawOpen and the semantic score.
"""

import argparse
import difflib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from dataloaders.clip import Clip, Sources, make_clip
from dataloaders.corpora import DATASETS
from dataloaders.labels import EMOTIONS, Interval
from dataloaders.recordings import Recording, parse_id
from emage.config import DataConfig, load_config
from emage.errors import InputError, one_line_errors
from emage.motion.convert import convert, to_matrices
from emage.motion.layout import ARKIT_51, get_layout
from emage.motion.skeleton import forward_kinematics
from emage.text import Word

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EXAMPLE = """
examples:
  python tools/inspect_recording.py -c configs/beat/camn.yaml 2_scott_0_1_1 data.root=DIR
  python tools/inspect_recording.py --root DIR 2_scott_0_1_1 --seconds 10 25 --out scott.png
"""
DEFAULT_CONFIG = Path(__file__).resolve().parents[1] / "configs" / "demo" / "motion_autoencoder.yaml"
WRISTS = {"right": "RightHand", "left": "LeftHand"}

_INCHES_PER_S, _MIN_INCHES, _MAX_INCHES = 0.5, 10.0, 60.0
_WORD_INCHES = 0.115  # between two upright words of 7.5 points
_LABEL_INCHES = 0.075  # a letter of a label of 7.5 points
_FONT_POINTS = 7.5
_LABELLED_SCORE = 0.15  # a gesture that only keeps the beat has 0.1 and is no event
_COLOURS = {
    "audio": "#6b7a8f",
    "word": "#e8ecf2",
    "right": "#c8553d",
    "left": "#2f6690",
    "jaw": "#3a7d44",
    "sem": "#8e5ea2",
}


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "-c", "--config", default=DEFAULT_CONFIG, metavar="FILE", help="YAML file; by default the demo's"
    )
    parser.add_argument("--root", metavar="DIR", help="folder of the corpus, the same as data.root=DIR")
    parser.add_argument("--out", metavar="PNG", help="where the picture goes; by default runs/inspect/<id>.png")
    parser.add_argument("--seconds", nargs=2, type=float, metavar=("FROM", "TO"), help="the part that is drawn")
    parser.add_argument("recording", metavar="RECORDING_ID", help="e.g. 2_scott_0_1_1")
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="config values, e.g. data.root=DIR data.fps=30"
    )
    arguments = parser.parse_intermixed_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    overrides = arguments.overrides + ([f"data.root={arguments.root}"] if arguments.root else [])
    data = load_config(arguments.config, overrides).data

    recording = find_recording(arguments.recording, data)
    sources = DATASETS[data.format].read_sources(recording, data)
    clip = make_clip(sources, data.fps, data.sample_rate)
    print(f"{recording.id}: {describe(recording)}, {clip.num_frames / clip.fps:.2f} s at {clip.fps:g} fps")
    for line in (stream_line(clip), "", *stream_rows(clip), "", *(f"notice: {notice}" for notice in clip.notices)):
        print(line)
    picture = Path(arguments.out) if arguments.out else Path("runs") / "inspect" / f"{recording.id}.png"
    draw(clip, sources, picture, seconds=arguments.seconds)
    print(f"picture: {picture}")
    return 0


def find_recording(recording_id: str, data: DataConfig) -> Recording:
    """The recording of that id in the corpus.

    Raises:
        InputError: there is none; the message names the nearest.
    """
    recordings = {recording.id: recording for recording in DATASETS[data.format].find_recordings(data)}
    if recording_id not in recordings:
        near = difflib.get_close_matches(recording_id, recordings, n=1, cutoff=0.0)[0]
        raise InputError(f"{data.root}: no recording {recording_id!r} among {len(recordings)}; did you mean {near!r}?")
    return recordings[recording_id]


def describe(recording: Recording) -> str:
    """Who speaks what, in words."""
    name = parse_id(recording.id)
    kind = "conversation" if name.is_conversation else "speech"
    return f"speaker {name.speaker} ({name.speaker_name}), {name.language} {kind}, take {name.take}"


def stream_line(clip: Clip) -> str:
    """Names and shapes of the streams, as BEAT's users know them from the reference's loader."""
    t = clip.num_frames
    pose = get_layout("beat_141").dim
    facial = clip.face.shape[1]
    return (
        f"pose ({t},{pose}) ... audio ({len(clip.waveform)}) ... facial ({t},{facial}) ... "
        f"word ({len(clip.word_index)}) id (1) emo ({len(clip.emotion)}) sem ({len(clip.semantic)})"
    )


def stream_rows(clip: Clip) -> list[str]:
    """One line a stream: name, shape, the first values and what they are."""
    t = clip.num_frames
    pose = convert(torch.from_numpy(clip.motion), "beat_full", "beat_141").numpy()
    spoken = [clip.words[i].text if i >= 0 else "-" for i in clip.word_index]
    voiced = np.mean(clip.word_index >= 0)
    emotions = ", ".join(EMOTIONS[i] for i in np.unique(clip.emotion))
    rows = [
        ("pose", f"({t},{pose.shape[1]})", _first(pose[0]), f"degrees, {pose.min():.0f} to {pose.max():.0f}"),
        ("audio", f"({len(clip.waveform)})", _first(clip.waveform), f"loudest {np.abs(clip.waveform).max():.3f}"),
        (
            "facial",
            f"({t},{clip.face.shape[1]})",
            _first(clip.face[0]),
            f"{clip.face.min():.2f} to {clip.face.max():.2f}",
        ),
        ("word", f"({t})", _runs(spoken), f"{len(clip.words)} words, in {voiced:.0%} of the frames"),
        ("id", "(1)", clip.speaker, "speaker"),
        ("emo", f"({t})", _first(clip.emotion), emotions),
        ("sem", f"({t})", _first(clip.semantic), f"mean {clip.semantic.mean():.2f}, up to {clip.semantic.max():.2f}"),
    ]
    width = max(len(values) for _, _, values, _ in rows)
    return [f"{name:<6} {shape:<12} {values:<{width}}  {note}" for name, shape, values, note in rows]


def _first(values: np.ndarray, count: int = 4) -> str:
    return ",".join(f"{value:.4g}" for value in values[:count]) + ",..."


def _runs(words: Sequence[str], count: int = 5) -> str:
    """The first different words."""
    changes = [word for i, word in enumerate(words) if i == 0 or word != words[i - 1]]
    return " ".join(changes[:count]) + " ..."


def wrist_speeds_cm_s(clip: Clip) -> dict[str, np.ndarray]:
    """Speed of both wrists in the world, (T - 1,) each; value k belongs to the middle between frames k and k + 1."""
    motion = torch.from_numpy(clip.motion)
    layout = get_layout("beat_full")
    translation = clip.skeleton.offsets_cm.to(motion).repeat(clip.num_frames, 1, 1)  # (T, J, 3)
    translation[:, 0] = motion[:, layout.translation_slice]
    positions, _ = forward_kinematics(to_matrices(motion, layout), clip.skeleton.parents, translation)
    wrists = positions[:, clip.skeleton.indices(WRISTS.values())]  # (T, 2, 3)
    speeds = (wrists.diff(dim=0).norm(dim=-1) * clip.fps).numpy()
    return dict(zip(WRISTS, speeds.T, strict=True))


def draw(clip: Clip, sources: Sources, path: Path, *, seconds: Sequence[float] | None = None) -> None:
    """Draws sound and words, wrists, jaw and meaning over one time axis.

    Args:
        clip: what is drawn.
        sources: names of the semantic labels.
        path: the PNG to write; its folder is made.
        seconds: from when to when; None: all of it.

    Raises:
        InputError: `seconds` lie outside the clip or the wrong way round.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    duration_s = clip.num_frames / clip.fps
    start_s, end_s = seconds or (0.0, duration_s)
    if not 0 <= start_s < end_s <= duration_s:
        raise InputError(f"--seconds {start_s:g} {end_s:g}: the recording goes from 0 to {duration_s:g} s")
    inches = float(np.clip(_INCHES_PER_S * (end_s - start_s), _MIN_INCHES, _MAX_INCHES))
    figure = Figure(figsize=(inches, 8.6), dpi=100, layout="constrained")
    sound, wrists, jaw, meaning = figure.subplots(4, 1, sharex=True, height_ratios=[2.6, 1.4, 1, 1])
    seen = [word for word in clip.words if word.end_s > start_s and word.start_s < end_s]
    s_per_inch = (end_s - start_s) / inches
    _draw_sound(sound, clip, shown=(start_s, end_s))
    if len(seen) * _WORD_INCHES < inches:
        _write_words(sound, seen, gap_s=_WORD_INCHES * s_per_inch)
    _draw_wrists(wrists, clip)
    _draw_jaw(jaw, clip)
    labels = [i for i in sources.semantic if i.value > _LABELLED_SCORE and start_s <= i.start_s < end_s]
    _draw_meaning(meaning, clip, labels, letter_s=_LABEL_INCHES * s_per_inch)
    emotions = ", ".join(EMOTIONS[i] for i in np.unique(clip.emotion))
    sound.set_title(f"{clip.recording_id}   speaker {clip.speaker}   {emotions}   {clip.fps:g} fps", loc="left", pad=10)
    for axes in (sound, wrists, jaw, meaning):
        for word in seen:
            axes.axvspan(word.start_s, word.end_s, facecolor=_COLOURS["word"], edgecolor="white", zorder=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0)
    meaning.set_xlim(start_s, end_s)
    meaning.set_xlabel("seconds")
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure).print_png(path)


def _draw_sound(axes: "Axes", clip: Clip, *, shown: tuple[float, float]) -> None:
    """The waveform as its least and greatest value in each step of about half a pixel."""
    samples_per_s = len(clip.waveform) * clip.fps / clip.num_frames
    step = max(1, round((shown[1] - shown[0]) * samples_per_s / 6000))
    steps = clip.waveform[: len(clip.waveform) // step * step].reshape(-1, step)
    times_s = np.arange(len(steps)) * step / samples_per_s
    axes.fill_between(times_s, steps.min(axis=1), steps.max(axis=1), color=_COLOURS["audio"], linewidth=0.3)
    peak = max(float(np.abs(clip.waveform).max()), 1e-3)
    axes.set_ylim(-1.05 * peak, 1.05 * peak)
    axes.set_yticks([-peak, 0, peak], [f"{-peak:.2f}", "0", f"{peak:.2f}"])
    axes.set_ylabel("sound")


def _write_words(axes: "Axes", words: Sequence[Word], *, gap_s: float) -> None:
    """Writes upright words above the waveform, each with a line to its middle."""
    peak = axes.get_ylim()[1]
    middles_s = np.array([(word.start_s + word.end_s) / 2 for word in words])
    for word, middle_s, place_s in zip(words, middles_s, spread(middles_s, gap_s), strict=True):
        axes.plot([middle_s, place_s], [peak, 1.15 * peak], color=_COLOURS["audio"], linewidth=0.5)
        axes.text(place_s, 1.2 * peak, word.text, rotation=90, ha="center", va="bottom", fontsize=_FONT_POINTS)
    axes.set_ylim(-peak, 2.3 * peak)
    axes.set_ylabel("sound and words")


def spread(places: np.ndarray, gap: float) -> np.ndarray:
    """Moves rising places as little as possible (least squares) so that neighbours are at least `gap` apart.

    Source: pool-adjacent-violators, the exact solution of isotonic regression.
    """
    pools: list[tuple[float, int]] = []  # mean, members
    for place in places - gap * np.arange(len(places)):
        mean, members = float(place), 1
        while pools and pools[-1][0] > mean:
            before, others = pools.pop()
            mean, members = (before * others + mean * members) / (others + members), others + members
        pools.append((mean, members))
    means, sizes = zip(*pools, strict=True) if pools else ((), ())
    return np.repeat(np.array(means), np.array(sizes, dtype=int)) + gap * np.arange(len(places))


def _draw_wrists(axes: "Axes", clip: Clip) -> None:
    for side, speed in wrist_speeds_cm_s(clip).items():
        axes.plot((np.arange(len(speed)) + 0.5) / clip.fps, speed, color=_COLOURS[side], linewidth=1.2, label=side)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("wrist speed\ncm/s")
    axes.legend(loc="upper right", ncols=2, fontsize=8, frameon=False)


def _draw_jaw(axes: "Axes", clip: Clip) -> None:
    axes.plot(_frame_times(clip), clip.face[:, ARKIT_51.index("jawOpen")], color=_COLOURS["jaw"], linewidth=1.2)
    axes.set_ylim(0, 1)
    axes.set_ylabel("jawOpen")


def _draw_meaning(axes: "Axes", clip: Clip, labels: Sequence[Interval], *, letter_s: float) -> None:
    axes.fill_between(_frame_times(clip), clip.semantic, step="post", color=_COLOURS["sem"], alpha=0.35, linewidth=0)
    axes.step(_frame_times(clip), clip.semantic, where="post", color=_COLOURS["sem"], linewidth=1.2)
    free_s = [0.0, 0.0]  # from when the two lines of labels are free
    for label in labels:
        line = int(label.start_s < free_s[0])
        free_s[line] = label.start_s + letter_s * len(label.name)
        axes.text(label.start_s, 1.06 + 0.17 * line, label.name, fontsize=_FONT_POINTS, clip_on=True)
    axes.set_ylim(0, 1.4)
    axes.set_yticks([0, 0.5, 1])
    axes.set_ylabel("semantic\nscore")


def _frame_times(clip: Clip) -> np.ndarray:
    return np.arange(clip.num_frames) / clip.fps


if __name__ == "__main__":
    sys.exit(main())
