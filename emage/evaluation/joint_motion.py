"""How fast each joint moves, generated beside real: the pictures of a report by joint.

Shapes: T frames, J joints.
"""

import numpy as np

from emage.metrics.kinematics import DERIVATIVES, derivative


class JointMotion:
    """Mean speed, acceleration and jerk of each joint over all recordings.

    Args:
        fps: frames per second.
    """

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self._sums: dict[tuple[str, str], np.ndarray] = {}
        self._counts: dict[tuple[str, str], int] = {}

    def update(self, generated_cm: np.ndarray, reference_cm: np.ndarray) -> None:
        """Adds a recording, (T, J, 3) each."""
        for side, positions in (("generated", generated_cm), ("reference", reference_cm)):
            for order, name in enumerate(DERIVATIVES, 1):
                values = derivative(positions, self.fps, order)  # (T - order, J)
                self._sums[side, name] = self._sums.get((side, name), 0) + values.sum(axis=0)
                self._counts[side, name] = self._counts.get((side, name), 0) + len(values)

    def means(self, side: str, name: str) -> np.ndarray | None:
        """(J,) mean speed, acceleration or jerk of a side; None where no recording is long enough."""
        count = self._counts.get((side, name), 0)
        return self._sums[side, name] / count if count else None
