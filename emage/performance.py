"""A result: one person's motion and face at one frame rate, with the skeleton it is meant for.

Shapes: T frames, D columns of the motion layout.
"""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

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

    def save_bvh(self, path: str | Path) -> None:
        """Writes the motion as a BVH file with the Frame Time of its own fps; see `emage.export`."""
        # A result knows its writers only when asked: the one upward import of the house.
        from emage.export import write_performance_bvh

        write_performance_bvh(self, path)

    def save_arkit_json(self, path: str | Path) -> None:
        """Writes the face as ARKit json in BEAT's layout; see `emage.export`."""
        from emage.export import write_performance_arkit_json

        write_performance_arkit_json(self, path)
