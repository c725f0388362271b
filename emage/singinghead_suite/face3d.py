"""The 3D benchmark: FLAME codes of one method, recording by recording, with vertices where a FLAME model is given.

Shapes: N samples, T frames, V vertices, P landmarks.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emage.errors import InputError
from emage.metrics.singinghead import HEAD, SingingDiversity, SingingFaceMotion, SingingFaceVertices
from emage.metrics.singinghead_beats import FPS, SingingBeatAlignment
from emage.motion.flame import LANDMARKS_68_FILE, MASK_FILE, FlameModel, load_flame, read_flame_masks
from emage.motion.flame_file import FlameMotion, read_flame
from emage.singinghead_suite.scores import CORRECTED_3D, PUBLISHED_3D, MethodScores, Sound

MAX_LENGTH_DIFFERENCE = 0.05  # of the real frames; more is another frame rate, not a rounding
VERTEX_METRICS = (
    *("lve_mean", "lve_min", "ve_mean", "ve_min", "fdd", "diversity_face"),
    *("lve_mean_mm", "lve_min_mm", "ve_mean_mm", "ve_min_mm", "fdd_mm2", "fdd_absolute_mm2"),
)
LANDMARK_METRICS = ("ba_lmk", "diversity_lmk", "beat_alignment_landmarks")
_BEATS = {"ba_pose": "beat_alignment_pose", "ba_lmk": "beat_alignment_landmarks"}  # published -> corrected
_REGIONS = ("lips", "face", "forehead", "eye_region")


@dataclass(frozen=True, eq=False)
class FlameTools:
    """A FLAME model with what lies beside it.

    Attributes:
        model: the model.
        masks: lips, face, upper_face: vertex indices, or None without FLAME_masks.pkl.
    """

    model: FlameModel
    masks: dict[str, np.ndarray] | None

    @classmethod
    def load(cls, folder: str | Path) -> "FlameTools":
        """Reads a model folder.

        Raises:
            InputError: no model, or masks of another model.
        """
        model, masks = load_flame(folder), read_flame_masks(folder)
        if masks is None:
            return cls(model, None)
        missing = [name for name in _REGIONS if name not in masks]
        if missing:
            raise InputError(f"{folder}/{MASK_FILE}: no region {', '.join(missing)}; it holds {', '.join(masks)}")
        lips, face, forehead, eye_region = (masks[name] for name in _REGIONS)
        used = {"lips": lips, "face": face, "upper_face": np.concatenate([forehead, eye_region])}
        highest = max(int(indices.max()) for indices in used.values())
        if highest >= model.num_vertices:
            raise InputError(f"{folder}/{MASK_FILE}: vertex {highest} of a model of {model.num_vertices}")
        return cls(model, used)


@dataclass(frozen=True, eq=False)
class RealFace:
    """The real motion of one recording, shared by all methods.

    Attributes:
        values: (T, 59).
        shape_code: (C,) or None.
        vertices: (T, V, 3) metres with the head held still, or None without a model.
        template: (V, 3) the person at rest, or None.
        notices: of the file.
    """

    values: np.ndarray
    shape_code: np.ndarray | None
    vertices: np.ndarray | None
    template: np.ndarray | None
    notices: tuple[str, ...]


def real_face(path: Path, tools: FlameTools | None) -> RealFace:
    """Reads the real motion of a recording.

    Raises:
        InputError: the file cannot be used, or holds several samples.
    """
    motion = read_flame(path)
    if len(motion.samples) != 1:
        raise InputError(f"{path}: {len(motion.samples)} samples; of a real recording there is one")
    values, vertices, template = motion.samples[0], None, None
    if tools is not None and tools.masks is not None:
        vertices = tools.model.vertices(values, shape_code=motion.shape_code, with_head_pose=False).numpy()
        template = tools.model.vertices(0 * values[:1], shape_code=motion.shape_code).numpy()[0]
    return RealFace(values, motion.shape_code, vertices, template, motion.notices)


class Face3D:
    """3D scores of one method.

    Args:
        scores: where the numbers go.
        tools: the FLAME model, or None.
        sample_rate: of the sound whose beats are given.
        seed: of the chance levels.
    """

    def __init__(self, scores: MethodScores, tools: FlameTools | None, *, sample_rate: int, seed: int) -> None:
        self.scores, self.tools = scores, tools
        self._motion = SingingFaceMotion()
        masks = None if tools is None else tools.masks
        self._vertices = None if masks is None else SingingFaceVertices(**masks)
        self._whole_head = SingingDiversity()
        self._beats = {
            name: SingingBeatAlignment(variant, sample_rate=sample_rate, fps=FPS, seed=seed)
            for published, corrected in _BEATS.items()
            for name, variant in ((published, "published"), (corrected, "corrected"))
        }
        self._nums_samples: set[int] = set()

    def update(self, recording: str, paths: list[Path], real: RealFace, sound: Sound) -> None:
        """Adds a recording.

        Args:
            recording: its id.
            paths: the files of its samples.
            real: the real motion.
            sound: its sound.

        Raises:
            InputError: a file cannot be used, or is of another length.
        """
        motions = [read_flame(path) for path in paths]
        notices = [notice for motion in motions for notice in motion.notices]
        num_frames = _common_length(motions, paths, len(real.values))
        if any(motion.num_frames != num_frames for motion in motions) or num_frames != len(real.values):
            lengths = ", ".join(sorted({str(motion.num_frames) for motion in motions}))
            notices.append(f"{lengths} frames beside {len(real.values)} real ones: cut to {num_frames}")
        self.scores.notices += [f"{recording}: {notice}" for notice in notices]
        samples = np.concatenate([motion.samples[:, :num_frames] for motion in motions])  # (N, T, 59)
        self._nums_samples.add(len(samples))
        self._motion.update(samples, real.values[:num_frames], recording_id=recording)
        self._add_beats(recording, "ba_pose", samples[..., HEAD][:, :, None], sound.beats)
        if sound.beats is None:
            self.scores.leave_out(recording, "3D beat alignment", sound.reason)
        if self.tools is not None:
            self._add_vertices(recording, samples, real, sound.beats)

    def _add_beats(self, recording: str, name: str, points: np.ndarray, beats: np.ndarray | None) -> None:
        if beats is not None:
            for each in (name, _BEATS[name]):
                self._beats[each].update(points, None, beats=beats, recording_id=recording)

    def _add_vertices(self, recording: str, samples: np.ndarray, real: RealFace, beats: np.ndarray | None) -> None:
        model, num_frames = self.tools.model, samples.shape[1]

        def posed(with_head_pose: bool) -> list:
            code = real.shape_code
            return [model.vertices(s, shape_code=code, with_head_pose=with_head_pose) for s in samples]

        if self._vertices is not None:
            still = np.stack([vertices.numpy() for vertices in posed(False)])  # (N, T, V, 3)
            target = real.vertices[:num_frames]
            self._vertices.update(still, target, template=real.template, recording_id=recording)
        whole, points = posed(True), None
        if model.landmarks is not None:
            points = np.stack([model.landmarks.points(vertices).numpy() for vertices in whole])  # (N, T, P, 3)
            self._add_beats(recording, "ba_lmk", points, beats)
        vertices = np.stack([vertices.numpy() for vertices in whole])
        face = None if self._vertices is None else self._vertices.face
        self._whole_head.update(vertices, landmarks=points, face=face, recording_id=recording)

    def finish(self) -> None:
        """Enters the numbers of the method, and why some have none."""
        scores = self.scores
        for metric in (self._motion, self._whole_head, self._vertices):
            if metric is not None:
                scores.take(metric)
        for name, metric in self._beats.items():
            scores.take_beats(name, metric)
        if self._nums_samples == {1}:
            scores.without(("diversity_per_frame",), "one sample of each recording: there is nothing to differ")
        if len(self._nums_samples) > 1:
            numbers = f"{min(self._nums_samples)} to {max(self._nums_samples)}"
            scores.notices.append(f"recordings have {numbers} samples: min and diversity hang on their number")
        if self.tools is None:
            reason = "needs a FLAME model: --flame MODEL_DIR"
            scores.without((*VERTEX_METRICS, *LANDMARK_METRICS, "diversity_verts"), reason)
        elif self.tools.masks is None:
            scores.without(VERTEX_METRICS, f"the FLAME folder holds no {MASK_FILE}")
        if self.tools is not None:
            self._judge_landmarks()

    def _judge_landmarks(self) -> None:
        landmarks = self.tools.model.landmarks
        if landmarks is None:
            self.scores.without(LANDMARK_METRICS, f"the FLAME folder holds no {LANDMARKS_68_FILE}")
        elif len(landmarks.weights) != 68:
            number = len(landmarks.weights)
            self.scores.notices.append(
                f"{', '.join(LANDMARK_METRICS)}: of {number} landmarks, the published code has 68 ({LANDMARKS_68_FILE})"
            )


def no_motions(scores: MethodScores) -> None:
    """Notes that a method has no FLAME files."""
    scores.without((*PUBLISHED_3D, *CORRECTED_3D), "no FLAME codes (npz or pkl) of this method, or none of gt")


def _common_length(motions: list[FlameMotion], paths: list[Path], num_real: int) -> int:
    """Frames that all have.

    Raises:
        InputError: one is much shorter or longer than the real motion.
    """
    for motion, path in zip(motions, paths, strict=True):
        if abs(motion.num_frames - num_real) > max(MAX_LENGTH_DIFFERENCE * num_real, 1):
            raise InputError(
                f"{path}: {motion.num_frames} frames beside {num_real} real ones; bring both to {FPS:g} fps"
            )
    return min(num_real, *(motion.num_frames for motion in motions))
