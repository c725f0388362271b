"""What statistics need of one recording, summed when the cache is built: moments of motion and face, rotations, words.

Moments are stored of the motion as the cache has it and of the same joints in rot6d, and of the face in face_all. The
columns of every layout of these joints are a choice of those, so that one stored row serves all layouts, and merging
the rows of a split gives the numbers of a pass over its frames. A recording takes 17 kB with BEAT's 75 joints, 2.5 kB
with a face alone.

Shapes: T frames, D columns of the motion as stored, R of its rot6d layout, J joints, F = 157 columns of face_all.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from emage.motion.convert import from_matrices, rotations_to_matrices, to_matrices
from emage.motion.convert_face import FACE_ALL, to_face_all
from emage.motion.layout import Layout, get_layout
from emage.text import Word

_DTYPE = np.dtype("<f8")


class Moments:
    """Number, mean and spread of the rows seen so far.

    Source: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
    """

    def __init__(self, dim: int) -> None:
        self.count = 0
        self.mean = np.zeros(dim)
        self.square_sum = np.zeros(dim)  # of the distances from the mean

    def update(self, rows: np.ndarray) -> None:
        """Takes rows (T, D) in."""
        if not len(rows):
            return
        rows = rows.astype(np.float64)
        mean = rows.mean(axis=0)
        self.merge(len(rows), mean, np.square(rows - mean).sum(axis=0))

    def merge(self, count: int, mean: np.ndarray, square_sum: np.ndarray) -> None:
        """Takes the moments of other rows in: their number, mean (D,) and sum of squared distances from it (D,)."""
        if not count:
            return
        step, total = mean - self.mean, self.count + count
        self.square_sum += square_sum + np.square(step) * (self.count * count / total)
        self.mean += step * (count / total)
        self.count = total

    def std(self) -> np.ndarray:
        """Standard deviation of all rows (their mean square distance, not the sample estimate), (D,)."""
        return np.sqrt(self.square_sum / self.count)


@dataclass
class RecordingSums:
    """The sums of some frames.

    Attributes:
        motion: moments of the columns as stored, (D,); None without a body.
        rot6d: moments of the same joints in rot6d, (R,); None without a body.
        rotation_sum: (J, 3, 3) sum of the joints' rotation matrices; None without a body.
        face: moments in face_all, (F,).
    """

    motion: Moments | None
    rot6d: Moments | None
    rotation_sum: np.ndarray | None
    face: Moments

    @classmethod
    def empty(cls, motion_layout: str | None) -> "RecordingSums":
        """The sums of no frame."""
        face = Moments(get_layout(FACE_ALL).dim)
        if motion_layout is None:
            return cls(None, None, None, face)
        stored = get_layout(motion_layout)
        return cls(Moments(stored.dim), Moments(rot6d_layout(stored).dim), np.zeros((stored.num_joints, 3, 3)), face)

    @classmethod
    def of(
        cls, motion: np.ndarray | None, motion_layout: str | None, face: np.ndarray, face_layout: str
    ) -> "RecordingSums":
        """The sums of frames.

        Args:
            motion: (T, D) float32 in `motion_layout`; None without a body.
            motion_layout: a body layout with the place of the root; None without a body.
            face: (T, C) float32.
            face_layout: of the face.
        """
        sums = cls.empty(motion_layout)
        sums.face.update(to_face_all(torch.from_numpy(face), face_layout).numpy())
        if motion_layout is not None:
            rows, stored = torch.from_numpy(motion), get_layout(motion_layout)
            values = rows[:, stored.rotation_slice].unflatten(-1, (stored.num_joints, stored.values_per_joint))
            matrices = rotations_to_matrices(values, stored.kind)  # float32, as windows are converted
            sums.motion.update(motion)
            sums.rot6d.update(from_matrices(matrices, rot6d_layout(stored), rows[:, stored.translation_slice]).numpy())
            sums.rotation_sum += to_matrices(rows.double(), stored).sum(dim=0).numpy()
        return sums

    def add(self, other: "RecordingSums") -> None:
        """Takes the sums of other frames of the same layouts in."""
        for own, moments in zip(self._moments(), other._moments(), strict=True):
            own.merge(moments.count, moments.mean, moments.square_sum)
        if self.rotation_sum is not None:
            self.rotation_sum += other.rotation_sum

    @property
    def is_finite(self) -> bool:
        """No frame held NaN or infinity."""
        return all(np.isfinite(moments.square_sum).all() for moments in self._moments())

    def encode(self) -> bytes:
        """Little-endian float64: number of frames, then mean and squares of each of the moments, then the rotations."""
        blocks = [np.array([self.face.count])]
        for moments in self._moments():
            blocks += [moments.mean, moments.square_sum]
        if self.rotation_sum is not None:
            blocks.append(self.rotation_sum.ravel())
        return np.concatenate(blocks).astype(_DTYPE).tobytes()

    @classmethod
    def decode(cls, content: bytes | memoryview, motion_layout: str | None) -> "RecordingSums":
        """Inverse of `encode`."""
        sums, values, start = cls.empty(motion_layout), np.frombuffer(content, _DTYPE), 1
        for moments in sums._moments():
            dim = len(moments.mean)
            moments.merge(int(values[0]), values[start : start + dim], values[start + dim : start + 2 * dim])
            start += 2 * dim
        if sums.rotation_sum is not None:
            sums.rotation_sum += values[start:].reshape(sums.rotation_sum.shape)
        return sums

    def _moments(self) -> list[Moments]:
        return [self.face] if self.motion is None else [self.face, self.motion, self.rot6d]


def rot6d_layout(stored: Layout) -> Layout:
    """The layout of all joints of a stored body layout in rot6d."""
    return get_layout(f"{stored.name}_rot6d")


def count_raw_words(words: Iterable[Word], fps: float, start: int, stop: int) -> "Counter[str]":
    """How often each word, as it is written, begins within frames start to stop."""
    return Counter(word.text for word in words if start <= word.start_s * fps < stop)
