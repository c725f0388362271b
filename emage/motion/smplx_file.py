"""SMPL-X motion as BEAT2 stores it: one npz of poses, expressions, translation and shape.

Keys as in the release: betas (300,), poses (T, 165) axis-angle of the 55 joints, expressions (T, 100), trans (T, 3)
metres, model, gender, mocap_frame_rate.

Shapes: T frames.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emage.errors import InputError
from emage.motion.atomic import write_npz_atomic
from emage.motion.skeleton import SMPLX_JOINTS
from emage.motion.smplx_pose import NUM_EXPRESSIONS

NUM_BETAS = 300
MODEL, GENDER = "smplx2020", "neutral"
_WIDTHS = {"poses": 3 * len(SMPLX_JOINTS), "expressions": NUM_EXPRESSIONS, "trans": 3}


@dataclass(eq=False)
class SmplxMotion:
    """One SMPL-X recording in memory.

    Attributes:
        poses: (T, 165) axis-angle, radians, three numbers a joint in SMPLX_JOINTS order.
        expressions: (T, 100) FLAME 2020 expression coefficients.
        trans_m: (T, 3) metres.
        betas: (300,) shape.
        fps: frames per second.
        gender: of the body model.
    """

    poses: np.ndarray
    expressions: np.ndarray
    trans_m: np.ndarray
    betas: np.ndarray
    fps: float
    gender: str = GENDER

    @property
    def num_frames(self) -> int:
        """Rows of poses."""
        return len(self.poses)


def write_smplx_npz(path: str | Path, motion: SmplxMotion) -> None:
    """Writes the file in BEAT2's names, shapes and number formats; it is there whole or not at all.

    Raises:
        InputError: NaN or infinity among the numbers.
        ValueError: an array of another shape.
    """
    rows = {"poses": motion.poses, "expressions": motion.expressions, "trans": motion.trans_m}
    for name, values in rows.items():
        if values.shape != (motion.num_frames, _WIDTHS[name]):
            raise ValueError(f"{name}: got {values.shape}; expected {(motion.num_frames, _WIDTHS[name])}")
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if bad.size:
            raise InputError(f"{path}: not written, since frame {bad[0]} of {name} holds NaN or infinity")
    whole = float(motion.fps).is_integer()
    write_npz_atomic(
        path,
        betas=motion.betas.astype(np.float32),
        poses=motion.poses.astype(np.float32),
        expressions=motion.expressions.astype(np.float64),
        trans=motion.trans_m.astype(np.float64),
        model=np.array(MODEL),
        gender=np.array(motion.gender),
        mocap_frame_rate=np.array(int(motion.fps), dtype=np.int32) if whole else np.array(float(motion.fps)),
    )
