"""One side of a recording as the metrics take it: positions, angles and face by BEAT's joint names, at one frame rate.

The frame of the hips is that of the joint `Hips`, or of the root of the file where there is none: what is measured in
it does not hang on where a person stands or which way a system's people face.

Shapes: T frames, W frames at the rate of the windows, J joints, D columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from emage.evaluation.fgd_network import own_angles
from emage.motion import rotation
from emage.motion.arkit_motion import ArkitMotion, evenly_spaced, valid_at
from emage.motion.bvh import BvhMotion
from emage.motion.layout import EULER_ORDER, ROOT
from emage.motion.resample import frame_count, resample_euler, resample_linear
from emage.motion.skeleton import Skeleton, forward_kinematics

# The windows of FGD without a network are BEAT's: 34 frames at 15 fps, whatever the rate of the files.
WINDOW_FPS, WINDOW_FRAMES, STRIDE_FRAMES = 15.0, 34, 10


@dataclass(frozen=True, eq=False)
class Take:
    """What one system (or the person) does in one recording; None where a file is missing.

    Attributes:
        positions_cm: (T, J, 3) in the world.
        local_cm: (T, J, 3) in the frame of the hips.
        euler_deg: (T, J, 3) local angles, BEAT's order of axes, continuous in time.
        window_cm: (W, 3 J) as local_cm, at WINDOW_FPS.
        window_rot6d: (W, 6 J) rotations within the hips' frame, each against the joint above it, at WINDOW_FPS.
        network: (N, D) as the FGD network sees the motion, at its rate.
        face: (T, 51) ARKit weights.
        face_valid: (T, 51) bool, which of them the file holds; None: all.
    """

    positions_cm: np.ndarray | None = None
    local_cm: np.ndarray | None = None
    euler_deg: np.ndarray | None = None
    window_cm: np.ndarray | None = None
    window_rot6d: np.ndarray | None = None
    network: np.ndarray | None = None
    face: np.ndarray | None = None
    face_valid: np.ndarray | None = None

    @property
    def has_body(self) -> bool:
        return self.positions_cm is not None

    @property
    def has_face(self) -> bool:
        return self.face is not None

    def arrays(self) -> dict[str, np.ndarray]:
        """What there is, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def cut_to(self, other: "Take") -> "Take":
        """The frames that both have."""
        own, theirs = self.arrays(), other.arrays()
        theirs |= {"face_valid": theirs["face"]} if "face" in theirs else {}  # other may hold all of its weights
        shared = {name: value[: len(theirs[name])] for name, value in own.items() if name in theirs}
        return Take(**shared)

    def mapped(self, change) -> "Take":
        """Every array put through a function."""
        return replace(self, **{name: change(value) for name, value in self.arrays().items()})


@dataclass(frozen=True)
class TakeMaker:
    """Brings files to takes.

    Attributes:
        joints: BEAT's names of the joints that are scored; every file has them.
        parents: place of the joint above each of them among `joints`, -1 where there is none.
        fps: frame rate of the evaluation.
    """

    joints: tuple[str, ...]
    parents: tuple[int, ...]
    fps: float

    def body(self, bvh: BvhMotion, places: Mapping[str, int], duration_s: float, network: Tensor | None = None) -> Take:
        """The body of a file, from its start.

        Args:
            bvh: distances in centimetres.
            places: BEAT's name of a joint -> its index in the file.
            duration_s: seconds that are taken.
            network: (N, D) what the FGD network sees of it.
        """
        angles = own_angles(bvh, list(range(len(bvh.names))))  # (N, all joints of the file, 3)
        at_fps = self._at(self.fps, bvh, places, angles=angles, duration_s=duration_s)
        at_windows = at_fps
        if self.fps != WINDOW_FPS:
            at_windows = self._at(WINDOW_FPS, bvh, places, angles=angles, duration_s=duration_s)
        positions_cm, local_cm, _, euler_deg = at_fps
        _, window_cm, window_matrix, _ = at_windows
        return Take(
            positions_cm=_plain(positions_cm),
            local_cm=_plain(local_cm),
            euler_deg=_plain(euler_deg),
            window_cm=_plain(window_cm.flatten(1)),
            window_rot6d=_plain(rotation.matrix_to_rot6d(window_matrix).flatten(1)),
            network=None if network is None else _plain(network),
        )

    def _at(
        self, fps: float, bvh: BvhMotion, places: Mapping[str, int], *, angles: Tensor, duration_s: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Positions in the world and in the hips' frame (T, J, 3), rotations (T, J, 3, 3) and angles (T, J, 3)."""
        num_frames = frame_count(duration_s, fps)
        angles = resample_euler(angles, EULER_ORDER, bvh.fps, target_fps=fps, num_frames=num_frames)
        translation = resample_linear(bvh.translations_cm(), bvh.fps, fps, num_frames)
        local = rotation.euler_to_matrix(angles, EULER_ORDER)
        position, matrix = forward_kinematics(local, bvh.parents, translation)
        root = places.get(ROOT, 0)
        turned_back = matrix[:, root].transpose(-1, -2)[:, None]  # (T, 1, 3, 3)
        local_cm = (turned_back @ (position - position[:, root : root + 1])[..., None])[..., 0]
        wanted = [places[joint] for joint in self.joints]
        # Against the scored joint above it: joints in between that only one of two skeletons has do not matter.
        above = torch.stack(
            [matrix[:, root if parent < 0 else wanted[parent]] for parent in self.parents], dim=1
        )  # (T, J, 3, 3)
        within = above.transpose(-1, -2) @ matrix[:, wanted]
        return position[:, wanted], local_cm[:, wanted], within, angles[:, wanted]

    def face(self, face: ArkitMotion, duration_s: float) -> dict[str, np.ndarray]:
        """`face` and `face_valid` of a take, at the frame rate of the evaluation, from the start of the file."""
        weights, fps = evenly_spaced(face)
        num_frames = frame_count(min(duration_s, len(weights) / fps), self.fps)
        resampled = resample_linear(weights, fps, self.fps, num_frames)
        # The low-pass may swing a little over a quick blink; a weight stays what the channel has shown.
        values = _plain(resampled.clamp(weights.amin(dim=0), weights.amax(dim=0)))
        return {"face": values, "face_valid": valid_at(face, self.fps, num_frames).numpy()}


def scored_parents(joints: tuple[str, ...], places: Mapping[str, int], skeleton: Skeleton) -> tuple[int, ...]:
    """The nearest joint above each one that is scored too, as a place among `joints`; -1 where there is none."""
    scored = {places[joint]: place for place, joint in enumerate(joints)}
    parents = []
    for joint in joints:
        above = skeleton.parents[places[joint]]
        while above >= 0 and above not in scored:
            above = skeleton.parents[above]
        parents.append(scored.get(above, -1))
    return tuple(parents)


def _plain(values: Tensor) -> np.ndarray:
    return values.detach().to("cpu", torch.float32).numpy()
