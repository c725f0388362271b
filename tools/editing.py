"""Measures editing: one arm given for three seconds, everything else completed. Does it come back, and does it join smoothly?

Shapes: T frames, J joints, D columns.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from cause_recordings import CauseRecording
from torch import Tensor

from dataloaders.cache_format import MOTION_LAYOUT
from emage.completion import Given
from emage.config import GenerationConfig
from emage.export import performance_to_bvh
from emage.generation import Generator
from emage.motion import rotation
from emage.motion.convert import convert, to_matrices
from emage.motion.layout import get_layout
from emage.performance import Performance

GIVEN_JOINTS = ("RightShoulder", "RightArm", "RightForeArm", "RightHand")
FOLLOWED_JOINTS = ("RightForeArm", "RightHand")  # whose places the given ones move: elbow and wrist
CHEST = "Spine3"
START_S, STOP_S = 2.0, 5.0
FAR_S = 1.0  # behind the border nothing is bent any more
PERCENTILE = 99.0


def measure_editing(
    generator: Generator,
    recordings: Sequence[CauseRecording],
    *,
    options: GenerationConfig | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """The right arm of the real motion is given for seconds 2 to 5 of each recording.

    Returns:
        `largest_error_deg`: of the given joints in the given frames. Accelerations of elbow and wrist against the chest, cm/s^2,
        where given and completed frames meet (`border`) and everywhere in the real motion (`real`): their 99th percentiles, and
        `within`, the share at the borders that does not exceed that of the real motion. To compare with: `real_within`, that
        share of the real motion at the same frames, and `elsewhere_within`, of the completed motion a second behind.
    """
    errors_deg, borders, elsewhere, real, real_borders = [], [], [], [], []
    for recording in recordings:
        fps, layout = generator.fps, generator.layout
        start, stop = round(START_S * fps), round(STOP_S * fps)
        motion = convert(recording.performance.motion, MOTION_LAYOUT, layout).float()  # (T, D)
        given = Given.stretch(motion, layout.name, names=GIVEN_JOINTS, start_frame=start, stop_frame=stop)
        edited = generator.generate(
            recording.waveform,
            generator.sample_rate,
            words=recording.words,
            speaker=recording.speaker,
            emotion=recording.emotion,
            given=given,
            seed=seed,
            options=options,
        )
        errors_deg.append(angles_between_deg(edited.motion, motion, layout.name, GIVEN_JOINTS)[start:stop].max())
        of_edited, of_real = accelerations_cm_s2(edited), accelerations_cm_s2(recording.performance)
        frames = border_frames(start, stop, len(of_real))
        borders.append(of_edited[frames])
        elsewhere.append(of_edited[round((STOP_S + FAR_S) * fps) :])
        real.append(of_real)
        real_borders.append(of_real[frames])
    border, everywhere = np.concatenate(borders), np.concatenate(real)
    limit = float(np.percentile(everywhere, PERCENTILE))
    return {
        "largest_error_deg": float(max(errors_deg)),
        "border_p99_cm_s2": float(np.percentile(border, PERCENTILE)),
        "real_p99_cm_s2": limit,
        "within": float((border <= limit).mean()),
        "real_within": float((np.concatenate(real_borders) <= limit).mean()),
        "elsewhere_within": float((np.concatenate(elsewhere) <= limit).mean()),
        "num_border_values": int(border.size),
    }


def angles_between_deg(motion: Tensor, other: Tensor, layout: str, joints: Sequence[str]) -> Tensor:
    """Angle between two rotations of each joint, (T, J) degrees, of motions (T, D) in one layout."""
    places = [get_layout(layout).joints.index(name) for name in joints]
    one, two = (to_matrices(x.double(), get_layout(layout))[:, places] for x in (motion, other))
    return torch.rad2deg(rotation.matrix_to_axis_angle(one.transpose(-1, -2) @ two).norm(dim=-1))


def accelerations_cm_s2(performance: Performance) -> np.ndarray:
    """Second differences of elbow and wrist against the chest, (T - 2, 2); row k is about frame k + 1."""
    bvh = performance_to_bvh(performance)
    positions, names = bvh.positions().numpy(), list(bvh.names)
    places = positions[:, [names.index(name) for name in FOLLOWED_JOINTS]] - positions[:, [names.index(CHEST)]]
    return np.linalg.norm(np.diff(places, 2, axis=0), axis=-1) * performance.fps**2


def border_frames(start: int, stop: int, num_rows: int) -> list[int]:
    """Rows of second differences that reach over the border of given frames [start, stop)."""
    # About frame f the difference takes f - 1 to f + 1: it reaches over the border between f - 1 and f, or f and f + 1.
    about = [start - 1, start, stop - 1, stop]
    return [frame - 1 for frame in about if 0 <= frame - 1 < num_rows]
