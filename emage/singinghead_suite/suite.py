"""SingingHead's benchmarks over an eval_folder: every method against the real recordings, and these against themselves.

The real ones come first (`gt`): what a perfect method would reach, and for beat alignment what real singing scores.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from emage.audio import SAMPLE_RATE, read_audio
from emage.errors import InputError
from emage.evaluation.rejects import reason_of
from emage.metrics.singinghead_beats import audio_beat_frames
from emage.singinghead_suite import FRAME_INTERVAL, IMAGE_SIZE
from emage.singinghead_suite.face3d import Face3D, FlameTools, no_motions, real_face
from emage.singinghead_suite.folders import EvalFolder, Method, find_results
from emage.singinghead_suite.scores import HIGHER_IS_BETTER, ORDER, MethodScores, Sound
from emage.singinghead_suite.video2d import Clip2D, Video2D, VideoTools

RESULT_FOLDER = "metric_results"


@dataclass(frozen=True)
class SuiteReport:
    """What was found.

    Attributes:
        scores: of `gt` and of each method.
        files: metric_results/<method>.json in the same order.
        notices: what was left aside in the folder.
    """

    scores: tuple[MethodScores, ...]
    files: tuple[Path, ...]
    notices: tuple[str, ...]

    @property
    def all_used(self) -> bool:
        """Whether nothing was left out of any metric."""
        return not any(scores.not_scored for scores in self.scores)

    def lines(self) -> list[str]:
        """A table for people: metrics down, methods across, then what is missing and why."""
        table = {name: [scores.value(name) for scores in self.scores] for name in ORDER}
        for beats in dict.fromkeys(name for scores in self.scores for name in scores.chance):
            for name in ("chance_random", "chance_shifted"):
                table[f"{beats} {name}"] = [scores.chance.get(beats, {}).get(name) for scores in self.scores]
        table = {name: numbers for name, numbers in table.items() if any(number is not None for number in numbers)}
        width = max([len(name) for name in table] + [8])
        columns = [max(len(scores.method), 10) for scores in self.scores]

        def line(name: str, cells: list[str]) -> str:
            return f"{name:<{width}}  " + "  ".join(f"{c:>{w}}" for c, w in zip(cells, columns, strict=True))

        rows = [line("", [scores.method for scores in self.scores])]
        for name, numbers in table.items():
            better = "  higher is better" if name in HIGHER_IS_BETTER else ""
            rows.append(line(name, [_short(number) for number in numbers]) + better)
        rows += self._missing()
        left_out = [(s.method, row) for s in self.scores for row in s.not_scored]
        rows += [f"left out: {method} {row['id']}, {row['metrics']}: {row['reason']}" for method, row in left_out]
        rows += [f"notice: {notice}" for notice in self.notices]
        return rows + [f"written: {path}" for path in self.files]

    def _missing(self) -> list[str]:
        """Lines for what has no number, one for each reason."""
        lacking: dict[tuple[str, str], list[str]] = {}  # (reason, metric) -> methods
        for scores in self.scores:
            for name, reason in scores.reasons.items():
                lacking.setdefault((reason, name), []).append(scores.method)
        lines: dict[tuple[str, str], list[str]] = {}  # (reason, methods) -> metrics
        for (reason, name), methods in lacking.items():
            whose = "" if len(methods) == len(self.scores) else f" of {', '.join(methods)}"
            lines.setdefault((reason, whose), []).append(name)
        return [f"no {', '.join(sorted(names))}{whose}: {reason}" for (reason, whose), names in sorted(lines.items())]


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


@dataclass(eq=False)
class _Scored:
    """A method on its way."""

    method: Method
    scores: MethodScores
    face: Face3D
    video: Video2D


def evaluate_singinghead(
    root: str | Path,
    *,
    flame: str | Path | None = None,
    image_size: int = IMAGE_SIZE,
    frame_interval: int = FRAME_INTERVAL,
    seed: int = 0,
    progress: bool = True,
) -> SuiteReport:
    """Scores every method of an eval_folder and writes metric_results/<method>.json.

    Args:
        root: the eval_folder (see `folders`).
        flame: folder of the licensed FLAME model, or None: no metrics of vertices and 3D landmarks.
        image_size: width and height that frames are brought to, pixels.
        frame_interval: every n-th frame at 30 fps is looked at.
        seed: of the chance levels.
        progress: shows a bar.

    Raises:
        InputError: the folder or the model cannot be used. A file that cannot be used is left out and listed.
    """
    if image_size < 16 or frame_interval < 1:
        raise InputError(f"image size {image_size}, frame interval {frame_interval}: at least 16 and 1 are needed")
    folder = find_results(root)
    flame_tools = None if flame is None else FlameTools.load(flame)
    methods = (folder.ground_truth, *folder.methods)
    video_tools = VideoTools(image_size, frame_interval, wanted=any(method.videos for method in methods))
    settings = {
        "flame": None if flame is None else str(flame),
        "image_size": image_size,
        "frame_interval": frame_interval,
        "seed": seed,
        "sample_rate": SAMPLE_RATE,
    }
    scored = []
    for method in methods:
        scores = MethodScores(method.name, settings)
        face = Face3D(scores, flame_tools, sample_rate=SAMPLE_RATE, seed=seed)
        scored.append(_Scored(method, scores, face, Video2D(scores, video_tools, SAMPLE_RATE, seed)))
    recordings = sorted(set().union(*(method.ids for method in methods)))
    for recording in tqdm(recordings, desc="recordings", unit="", disable=None if progress else True):
        _Recording(recording, folder, flame_tools, video_tools).score(scored)
    return _finish(scored, folder)


def _finish(scored: list[_Scored], folder: EvalFolder) -> SuiteReport:
    for row in scored:
        if not row.method.motions or not folder.ground_truth.motions:
            no_motions(row.scores)
        row.face.finish()
        row.video.finish()
    files = tuple(row.scores.write(folder.root / RESULT_FOLDER) for row in scored)
    return SuiteReport(tuple(row.scores for row in scored), files, folder.notices)


class _Recording:
    """One recording of all methods: what is real is read once."""

    def __init__(self, name: str, folder: EvalFolder, flame: FlameTools | None, tools: VideoTools) -> None:
        self.name, self.flame, self.tools = name, flame, tools
        self.truth, self.audio = folder.ground_truth, folder.audio.get(name)

    def score(self, scored: list[_Scored]) -> None:
        """Enters it into every method that has it; what cannot be used is left out."""
        sound = self._sound()
        real, real_problem = None, None
        if self.name in self.truth.motions:
            real, real_problem = self._attempt(lambda: real_face(self.truth.motions[self.name][0], self.flame))
        clip = self._clip(self.truth)
        for row in scored:
            self._score_face(row, real, real_problem, sound)
            self._score_video(row, clip, sound)

    def _score_face(self, row: _Scored, real: Any, problem: str | None, sound: Sound) -> None:
        method = row.method
        if self.name not in method.motions:
            if method.motions and self.name in self.truth.motions:
                row.scores.leave_out(self.name, "3D", "no FLAME codes of it")
        elif problem:
            row.scores.leave_out(self.name, "3D", problem)
        elif self.name not in self.truth.motions:
            row.scores.leave_out(self.name, "3D", "no FLAME codes of the real recording in gt_flame/ or gt_videos/")
        elif len(method.motions[self.name]) < method.num_samples:
            number = f"{len(method.motions[self.name])} of {method.num_samples} samples"
            row.scores.leave_out(self.name, "3D", f"{number}; metrics over samples need all of them")
        elif real is not None:
            paths = method.motions[self.name]
            _, problem = self._attempt(lambda: row.face.update(self.name, paths, real, sound))
            if problem:
                row.scores.leave_out(self.name, "3D", problem)

    def _score_video(self, row: _Scored, real: Clip2D, sound: Sound) -> None:
        method = row.method
        clip = real if method is self.truth else self._clip(method)
        for kind, table, real_table in (
            ("video", method.videos, self.truth.videos),
            ("landmarks", method.landmarks, self.truth.landmarks),
        ):
            if table and real_table and (self.name in table) != (self.name in real_table):
                whose = "it" if self.name in real_table else "the real recording"
                row.scores.leave_out(self.name, f"2D, {kind}", f"no {kind} of {whose}")
        if clip.video is None and clip.landmark_file is None:
            return
        _, problem = self._attempt(lambda: row.video.update_frames(self.name, clip, real))
        if problem:
            row.scores.leave_out(self.name, "2D, video", problem)
        _, problem = self._attempt(lambda: row.video.update_landmarks(self.name, clip, real, sound))
        if problem:
            row.scores.leave_out(self.name, "2D, landmarks", problem)

    def _clip(self, method: Method) -> Clip2D:
        return Clip2D(method.videos.get(self.name), method.landmarks.get(self.name), self.tools)

    def _sound(self) -> Sound:
        if self.audio is None:
            return Sound(None, "no sound of it in input_audio/")
        beats, problem = self._attempt(lambda: audio_beat_frames(read_audio(self.audio, SAMPLE_RATE), SAMPLE_RATE))
        return Sound(beats, problem or "")

    def _attempt(self, work: Callable[[], Any]) -> tuple[Any, str | None]:
        """The result of some work, or why its files cannot be used."""
        try:
            return work(), None
        except Exception as error:  # of any kind: it concerns this recording alone
            return None, reason_of(error, self.name)
