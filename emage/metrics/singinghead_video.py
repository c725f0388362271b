"""SingingHead's 2D metrics that need no network: PSNR, SSIM and the distances of 2D landmarks (F-LMD, M-LMD).

`published` is the released code with its faults; `corrected` stands beside each:

    metric    published                                                   corrected
    PSNR      mean of the frames' dB: one identical frame makes it inf    from the mean squared error of the recording
    PSNR SSIM every frame weighs the same, so long recordings count more  mean over recordings
    LMD       a frame in which no face was found counts as distance 0     such a frame is not counted

(The frames are others too: the released code encodes video and frames once more, see `emage.singinghead_suite.frames`.)

Shapes: T frames, H height, W width, P = 68 landmarks.

Source: Wu et al., "SingingHead" (2025), released metric code; SSIM: Wang et al. (2004) as in scikit-image.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import uniform_filter

from emage.errors import InputError
from emage.metrics.recording_means import RecordingMeans
from emage.metrics.singinghead_beats import check_variant

PEAK = 255.0  # of 8-bit pixels
SSIM_WINDOW, SSIM_K1, SSIM_K2 = 7, 0.01, 0.03
NUM_LANDMARKS = 68
LANDMARK_PARTS = {"face": slice(0, NUM_LANDMARKS), "lips": slice(48, NUM_LANDMARKS)}  # of the 68-point scheme (iBUG)


def psnr(frames: ArrayLike, frames_gt: ArrayLike, *, variant: str = "published") -> float:
    """Peak signal-to-noise ratio of a video.

    Args:
        frames: (T, H, W, 3) uint8.
        frames_gt: the real one, the same shape.
        variant: `published` or `corrected`.

    Returns:
        dB; inf for identical frames.

    Raises:
        InputError: shapes that differ, frames that are not uint8, or another variant.
    """
    check_variant(variant)
    errors = squared_errors(frames, frames_gt)
    if variant == "corrected":
        return _decibel(float(errors.mean()))
    return float(np.mean([_decibel(error) for error in errors]))


def squared_errors(frames: ArrayLike, frames_gt: ArrayLike) -> np.ndarray:
    """Mean squared error of each frame, (T,) float64."""
    frames, frames_gt = _checked(frames, frames_gt)
    pairs = zip(frames, frames_gt, strict=True)
    return np.array([np.square(frame.astype(np.float64) - real).mean() for frame, real in pairs])


def _decibel(squared_error: float) -> float:
    return float("inf") if squared_error == 0 else float(10 * np.log10(PEAK**2 / squared_error))


def ssim(frames: ArrayLike, frames_gt: ArrayLike) -> float:
    """Structural similarity, mean over frames: 7 x 7 windows of equal weight, per colour.

    Args:
        frames: (T, H, W, 3) uint8.
        frames_gt: the real one, the same shape.

    Returns:
        1 for identical frames.

    Raises:
        InputError: shapes that differ, frames that are not uint8, or frames smaller than a window.
    """
    return float(np.mean(frame_similarities(frames, frames_gt)))


def frame_similarities(frames: ArrayLike, frames_gt: ArrayLike) -> np.ndarray:
    """SSIM of each frame, (T,) float64."""
    frames, frames_gt = _checked(frames, frames_gt)
    if min(frames.shape[1:3]) < SSIM_WINDOW:
        raise InputError(f"SSIM: frames of {frames.shape[1:3]} are smaller than its window of {SSIM_WINDOW}")
    return np.array([_similarity(frame, real) for frame, real in zip(frames, frames_gt, strict=True)])


def _similarity(frame: np.ndarray, real: np.ndarray) -> float:
    a, b = frame.astype(np.float64), real.astype(np.float64)

    def local_mean(values: np.ndarray) -> np.ndarray:
        return uniform_filter(values, size=(SSIM_WINDOW, SSIM_WINDOW, 1))

    mean_a, mean_b = local_mean(a), local_mean(b)
    num_pixels = SSIM_WINDOW**2
    unbiased = num_pixels / (num_pixels - 1)
    variances = unbiased * (local_mean(a * a) - mean_a**2 + local_mean(b * b) - mean_b**2)
    covariance = unbiased * (local_mean(a * b) - mean_a * mean_b)
    c1, c2 = (SSIM_K1 * PEAK) ** 2, (SSIM_K2 * PEAK) ** 2
    values = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    values /= (mean_a**2 + mean_b**2 + c1) * (variances + c2)
    border = SSIM_WINDOW // 2  # windows that reach over the edge are left out
    return float(values[border:-border, border:-border].mean())


def landmark_distance(
    landmarks: ArrayLike, landmarks_gt: ArrayLike, part: str = "face", *, variant: str = "published"
) -> float:
    """F-LMD (`face`) or M-LMD (`lips`): mean distance of the part's points, centred in each of the two faces.

    Args:
        landmarks: (T, 68, 2) pixels; NaN in a frame in which no face was found.
        landmarks_gt: the same of the real video.
        part: `face` or `lips`.
        variant: `published`: a frame without a face in one of the two adds nothing and is counted; `corrected`: it is
            not counted.

    Returns:
        Pixels. `corrected` gives 0 if no frame has both faces.

    Raises:
        InputError: other shapes, part or variant.
    """
    check_variant(variant)
    distances = landmark_distances(landmarks, landmarks_gt, part)
    found = distances[np.isfinite(distances)]
    divisor = len(distances) if variant == "published" else len(found)
    return float(found.sum() / divisor) if divisor else 0.0


def landmark_distances(landmarks: ArrayLike, landmarks_gt: ArrayLike, part: str) -> np.ndarray:
    """Distance in each frame, (T,) pixels; NaN where one of the faces is missing."""
    if part not in LANDMARK_PARTS:
        raise InputError(f"landmark distance: part {part!r}; choose one of {', '.join(LANDMARK_PARTS)}")
    points, points_gt = (np.asarray(values, dtype=np.float64) for values in (landmarks, landmarks_gt))
    if points.shape != points_gt.shape or points.ndim != 3 or points.shape[1:] != (NUM_LANDMARKS, 2) or not len(points):
        raise InputError(
            f"landmark distance: generated {points.shape} beside real {points_gt.shape}; expected (frames, 68, 2) twice"
        )
    chosen = LANDMARK_PARTS[part]
    centred, centred_gt = (
        values[:, chosen] - values[:, chosen].mean(axis=1, keepdims=True) for values in (points, points_gt)
    )
    return np.linalg.norm(centred - centred_gt, axis=-1).mean(axis=1)


class SingingVideoFrames(RecordingMeans):
    """PSNR and SSIM: `PSNR`, `SSIM` as published, mean over all frames; `psnr_db`, `ssim` mean over recordings."""

    score_names = ("PSNR", "SSIM", "psnr_db", "ssim")
    limits = dict.fromkeys(("SSIM", "ssim"), (-1.0, 1.0))

    def update(
        self,
        published: tuple[ArrayLike, ArrayLike],
        corrected: tuple[ArrayLike, ArrayLike],
        *,
        recording_id: str | None = None,
    ) -> dict[str, float | None]:
        """Adds a recording.

        Args:
            published: generated and real frames (T, H, W, 3) uint8 as the released code makes them.
            corrected: the same, made well.
            recording_id: its name.

        Returns:
            Its own values.
        """
        row = {
            "PSNR": psnr(*published),
            "SSIM": ssim(*published),
            "psnr_db": psnr(*corrected, variant="corrected"),
            "ssim": ssim(*corrected),
        }
        return self._add_row(recording_id, row, dict.fromkeys(("PSNR", "SSIM"), len(published[0])))


class SingingFrameScores(RecordingMeans):
    """CPBD and LPIPS, scores of single frames: upper case as published, mean over all frames; lower case corrected,
    mean over recordings."""

    score_names = ("CPBD", "LPIPS", "cpbd", "lpips")

    def update(self, per_frame: Mapping[str, ArrayLike], *, recording_id: str | None = None) -> dict[str, float | None]:
        """Adds a recording: (T,) values of its frames for each name that is known. Returns its own values."""
        row = {name: float(np.mean(values)) for name, values in per_frame.items()}
        weights = {name: len(np.asarray(values)) for name, values in per_frame.items() if name.isupper()}
        return self._add_row(recording_id, row, weights)


class SingingLandmarks(RecordingMeans):
    """LMD: `F-LMD`, `M-LMD` as published, over all frames; `f_lmd_px`, `m_lmd_px` mean over recordings; and
    `landmarks_found`, the share of frames with both faces."""

    score_names = ("F-LMD", "M-LMD", "f_lmd_px", "m_lmd_px", "landmarks_found")
    limits: ClassVar = {"landmarks_found": (0.0, 1.0)}

    def update(
        self, landmarks: ArrayLike, landmarks_gt: ArrayLike, *, recording_id: str | None = None
    ) -> dict[str, float | None]:
        """Adds a recording: (T, 68, 2) pixels each, NaN where no face was found. Returns its own values."""
        found = np.isfinite(landmark_distances(landmarks, landmarks_gt, "face"))
        row: dict[str, float | None] = {"landmarks_found": float(found.mean())}
        for published, corrected, part in (("F-LMD", "f_lmd_px", "face"), ("M-LMD", "m_lmd_px", "lips")):
            row[published] = landmark_distance(landmarks, landmarks_gt, part)
            value = landmark_distance(landmarks, landmarks_gt, part, variant="corrected")
            row[corrected] = value if found.any() else None
        num_frames = len(found)
        return self._add_row(recording_id, row, dict.fromkeys(("F-LMD", "M-LMD", "landmarks_found"), num_frames))


def _checked(frames: ArrayLike, frames_gt: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    frames, frames_gt = np.asarray(frames), np.asarray(frames_gt)
    if frames.shape != frames_gt.shape or frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape:
        raise InputError(f"frames: generated {frames.shape} beside real {frames_gt.shape}; expected (T, H, W, 3) twice")
    if frames.dtype != np.uint8 or frames_gt.dtype != np.uint8:
        raise InputError(f"frames: {frames.dtype} and {frames_gt.dtype}; expected uint8")
    return frames, frames_gt
