"""A result: one person's motion and face at one frame rate, with the skeleton it is meant for.

Shapes: T frames, D columns of the motion layout.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from emage.errors import InputError
from emage.motion import rotation
from emage.motion.layout import EULER_ORDER, get_layout
from emage.motion.resample import frame_count, resample_euler, resample_linear, resample_quat
from emage.motion.skeleton import Skeleton


@dataclass(eq=False)
class Performance:
    """Motion in a named layout and a face, frame by frame.

    Attributes:
        motion: (T, D) in the units of `layout` (degrees or rot6d; never z-scored).
        layout: name of the motion layout, e.g. "beat_141".
        face: (T, 51) ARKit weights in ARKIT_51 order, or None.
        fps: frames per second of motion and face.
        skeleton: whose bones the BVH file gets.
        face_given: the face was an input, not a prediction.
        fill: one row of the "beat_full" layout (the train mean pose) for the joints that `layout` does not hold and for
            the root; None if the layout holds every joint and the root translation.
    """

    motion: Tensor
    layout: str
    face: Tensor | None
    fps: float
    skeleton: Skeleton
    face_given: bool = False
    fill: Tensor | None = None

    def __post_init__(self) -> None:
        if self.motion.ndim != 2:
            raise ValueError(f"motion of a performance is (frames, columns): got {tuple(self.motion.shape)}")
        if self.fps <= 0:
            raise ValueError(f"fps must be positive: got {self.fps}")
        if self.face is not None and len(self.face) != len(self.motion):
            raise ValueError(f"motion and face share their frames: got {len(self.motion)} and {len(self.face)}")

    @property
    def num_frames(self) -> int:
        """Frames of motion and face."""
        return len(self.motion)

    @property
    def duration_s(self) -> float:
        """N frames at rate r last N / r seconds."""
        return self.num_frames / self.fps

    def resample(self, fps: float, num_frames: int | None = None) -> "Performance":
        """The same movement at another frame rate: rotations on the sphere (slerp), never as Euler angles.

        Args:
            fps: frames per second asked for.
            num_frames: frames asked for; None: those of the duration, round(duration_s * fps).

        Raises:
            InputError: if the rate is not positive and finite, or there are no frames at either rate.
        """
        if not (math.isfinite(fps) and fps > 0):
            raise InputError(f"frame rate: got {fps}; it must be a positive number of frames per second")
        num_frames = frame_count(self.duration_s, fps) if num_frames is None else num_frames
        if num_frames < 1:
            raise InputError(
                f"frame rate: {self.duration_s:.3g} s are less than one frame at {fps:g} fps; choose a higher rate"
            )
        layout = get_layout(self.layout)
        turns = self.motion[:, layout.rotation_slice].unflatten(1, (layout.num_joints, layout.values_per_joint))
        if layout.kind == "euler_deg":
            turns = resample_euler(turns, EULER_ORDER, self.fps, target_fps=fps, num_frames=num_frames)
        else:
            quaternions = rotation.matrix_to_quat(rotation.rot6d_to_matrix(turns))
            quaternions = resample_quat(quaternions, self.fps, fps, num_frames)
            turns = rotation.matrix_to_rot6d(rotation.quat_to_matrix(quaternions))
        moved = resample_linear(self.motion[:, layout.translation_slice], self.fps, fps, num_frames)
        face = None if self.face is None else resample_linear(self.face, self.fps, fps, num_frames)
        return replace(self, motion=torch.cat([moved, turns.flatten(1)], dim=1), face=face, fps=fps)

    # A result knows its writers only when asked: the one upward import of the house.

    def save_bvh(
        self,
        path: str | Path,
        *,
        unit: str = "cm",
        up: str = "y",
        root_motion: bool = True,
        t_pose: bool = False,
    ) -> None:
        """Writes the motion as BVH with the Frame Time of its own fps; options as `emage.export.write_performance_bvh`."""
        from emage.export import write_performance_bvh

        write_performance_bvh(self, path, unit=unit, up=up, root_motion=root_motion, t_pose=t_pose)

    def save_arkit_json(self, path: str | Path) -> None:
        """Writes the face as ARKit json in BEAT's layout; see `emage.export`."""
        from emage.export import write_performance_arkit_json

        write_performance_arkit_json(self, path)

    def save_livelink_csv(self, path: str | Path) -> None:
        """Writes the face as csv of the Live Link Face app; see `emage.export`."""
        from emage.export import write_performance_livelink_csv

        write_performance_livelink_csv(self, path)

    def save_npz(self, path: str | Path) -> None:
        """Writes motion, face and skeleton as named arrays; see `emage.performance_file`."""
        from emage.export import write_performance_npz

        write_performance_npz(self, path)

    def save_smplx_npz(self, path: str | Path, expression_matrix: Tensor | None = None) -> None:
        """Writes an SMPL-X motion in BEAT2's layout; see `emage.export.performance_to_smplx`."""
        from emage.export import write_performance_smplx_npz

        write_performance_smplx_npz(self, path, expression_matrix)
