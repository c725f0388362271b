"""Statistics of a split, to be taken from train alone: mean and deviation of each layout, mean pose, word counts.

A recording that belongs to the split as a whole brings the sums that the cache stores of it (recording_sums.py); only
of a part of a recording the frames are read. The sums are merged in float64 in the order of the entries' ids, so that
the numbers do not depend on the order of a list.

Shapes: T frames, D columns, J joints.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from dataloaders.cache import MotionCache
from dataloaders.cache_format import FACE_LAYOUT, MOTION_LAYOUT
from dataloaders.recording_sums import RecordingSums, count_raw_words, rot6d_layout
from dataloaders.splits import SplitEntry
from dataloaders.window_dataset import frame_range
from emage.errors import InputError
from emage.motion.convert import from_matrices
from emage.motion.convert_face import FACE_ALL
from emage.motion.layout import Layout, get_layout
from emage.motion.statistics import MotionStatistics
from emage.text import normalise_word

_ARKIT_COLUMNS = get_layout(FACE_ALL).part_slices["arkit"]


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
    names = dict.fromkeys(name for name in layouts if name != FACE_LAYOUT)
    total = split_sums(cache, entries)
    if not total.face.count:
        raise InputError(
            "statistics: the train split has no frame; check data.root, data.speakers and data.splits.train"
        )
    if total.motion is None:
        raise InputError(f"cache {cache.folder}: statistics of a body: its recordings have none")
    stored = get_layout(cache.layouts["motion"])
    moments = {name: _layout_moments(total, stored, get_layout(name)) for name in names}
    moments[FACE_LAYOUT] = (total.face.mean[_ARKIT_COLUMNS], total.face.std()[_ARKIT_COLUMNS])
    translation = torch.from_numpy(total.motion.mean[stored.translation_slice])
    mean_rotations = nearest_rotation(torch.from_numpy(total.rotation_sum))
    return MotionStatistics(
        means={name: torch.from_numpy(mean).float() for name, (mean, _) in moments.items()},
        stds={name: torch.from_numpy(std).float() for name, (_, std) in moments.items()},
        mean_pose=from_matrices(mean_rotations, stored, translation).float(),
    )


def split_sums(cache: MotionCache, entries: Iterable[SplitEntry]) -> RecordingSums:
    """The sums over the frames of some entries.

    Raises:
        InputError: a value of the cache is no finite number.
    """
    body, face = cache.layouts.get("motion", MOTION_LAYOUT), cache.layouts.get("face", FACE_LAYOUT)
    total = RecordingSums.empty(body)
    for entry in sorted(entries, key=lambda entry: entry.id):
        key = entry.recording_id
        start, stop = span = frame_range(entry, cache.num_frames(key), cache.fps)
        if span == (0, cache.num_frames(key)):
            sums = cache.sums(key)
        else:
            motion = cache.read(key, "motion", start, stop) if body else None
            sums = RecordingSums.of(motion, body, cache.read(key, "face", start, stop), face)
        if not sums.is_finite:
            raise InputError(f"recording {key}: its motion or face holds NaN or infinity; remove it from the splits")
        total.add(sums)
    return total


def _layout_moments(total: RecordingSums, stored: Layout, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation (D,) of a layout: columns of the stored one, or of the same joints in rot6d."""
    source, moments = (stored, total.motion) if layout.kind == stored.kind else (rot6d_layout(stored), total.rot6d)
    if layout.kind != source.kind:
        raise InputError(f"layout {layout.name}: the cache holds no statistics of {layout.kind} rotations")
    columns = np.concatenate(
        [np.arange(layout.translation_slice.stop), source.joint_columns(layout.joints).numpy()]
    ).astype(np.int64)
    return moments.mean[columns], moments.std()[columns]


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
        key = entry.recording_id
        start, stop = span = frame_range(entry, cache.num_frames(key), cache.fps)
        if span == (0, cache.num_frames(key)):
            words = cache.word_counts(key)
        else:
            words = count_raw_words(cache.meta(key)["words"], cache.fps, start, stop)
        for word, count in words.items():
            counts[normalise_word(word)] += count
    del counts[""]
    return counts
