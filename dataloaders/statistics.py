"""Statistics of a split, to be taken from train alone: mean and deviation of each layout, mean pose, word counts.

Recordings are taken one after the other and their moments merged in float64, so that the corpus need not fit into
memory and a mean of some hundred degrees does not eat the digits of the variance.

Shapes: T frames, D columns, J joints.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from dataloaders.cache import MotionCache
from dataloaders.cache_format import FACE_LAYOUT, MOTION_LAYOUT
from dataloaders.splits import SplitEntry
from dataloaders.window_dataset import LayoutReader, frame_range
from emage.errors import InputError
from emage.motion.convert import from_matrices, to_matrices
from emage.motion.layout import get_layout
from emage.motion.statistics import MotionStatistics
from emage.text import normalise_word


class Moments:
    """Number, mean and spread of the rows seen so far.

    Source: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
    """

    def __init__(self, dim: int) -> None:
        self.count = 0
        self.mean = np.zeros(dim)
        self._square_sum = np.zeros(dim)  # of the distances from the mean

    def update(self, rows: np.ndarray) -> None:
        """Takes rows (T, D) in."""
        if not len(rows):
            return
        rows = rows.astype(np.float64)
        count, mean = len(rows), rows.mean(axis=0)
        step, total = mean - self.mean, self.count + count
        self._square_sum += np.square(rows - mean).sum(axis=0) + np.square(step) * (self.count * count / total)
        self.mean += step * (count / total)
        self.count = total

    def std(self) -> np.ndarray:
        """Standard deviation of all rows (their mean square distance, not the sample estimate), (D,)."""
        return np.sqrt(self._square_sum / self.count)


def compute_statistics(cache: MotionCache, entries: Sequence[SplitEntry], layouts: Iterable[str]) -> MotionStatistics:
    """Mean and standard deviation of motion layouts and of the face, and the mean pose.

    Args:
        cache: the streams.
        entries: of the train split.
        layouts: names of motion layouts; the face is always included.

    Returns:
        The statistics; the mean pose is the mean rotation of each joint (the rotation nearest to the mean of the
        rotation matrices) as Euler degrees, behind the mean root translation.

    Raises:
        InputError: no frame in all the entries, or an unknown layout.
    """
    readers = {name: LayoutReader(name) for name in dict.fromkeys(layouts) if name != FACE_LAYOUT}
    moments = {name: Moments(get_layout(name).dim) for name in (*readers, FACE_LAYOUT)}
    stored = get_layout(MOTION_LAYOUT)
    matrix_sum = torch.zeros(stored.num_joints, 3, 3, dtype=torch.float64)
    translation = Moments(stored.translation_slice.stop)
    for entry in entries:
        start, stop = frame_range(entry, cache.num_frames(entry.recording_id), cache.fps)
        motion = cache.read(entry.recording_id, "motion", start, stop)  # (T, D)
        for name, reader in readers.items():
            moments[name].update(reader(motion))
        moments[FACE_LAYOUT].update(cache.read(entry.recording_id, "face", start, stop))
        translation.update(motion[:, stored.translation_slice])
        matrix_sum += to_matrices(torch.from_numpy(motion).double(), stored).sum(dim=0)
    if not translation.count:
        raise InputError(
            "statistics: the train split has no frame; check data.root, data.speakers and data.splits.train"
        )
    mean_pose = from_matrices(nearest_rotation(matrix_sum), stored, torch.from_numpy(translation.mean))
    return MotionStatistics(
        means={name: torch.from_numpy(value.mean).float() for name, value in moments.items()},
        stds={name: torch.from_numpy(value.std()).float() for name, value in moments.items()},
        mean_pose=mean_pose.float(),
    )


def nearest_rotation(matrix: Tensor) -> Tensor:
    """The rotations nearest to matrices (..., 3, 3) in the Frobenius norm; of a sum of rotations, their mean.

    Source: Moakher, "Means and averaging in the group of rotations" (2002), section 3.3.
    """
    left, _, right = torch.linalg.svd(matrix)  # right is transposed
    signs = torch.ones_like(matrix[..., 0])
    signs[..., 2] = torch.linalg.det(left @ right).sign()  # a reflection is no rotation: turn the least certain axis
    return left @ (signs[..., None] * right)


def count_words(cache: MotionCache, entries: Sequence[SplitEntry]) -> "Counter[str]":
    """How often each normalised word begins within the entries (of the train split)."""
    counts: Counter[str] = Counter()
    for entry in entries:
        start, stop = frame_range(entry, cache.num_frames(entry.recording_id), cache.fps)
        for word in cache.meta(entry.recording_id)["words"]:
            if start <= word.start_s * cache.fps < stop:
                counts[normalise_word(word.text)] += 1
    del counts[""]
    return counts
