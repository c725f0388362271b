"""What every report holds beside a system: the real motion as the ceiling, and three impostors that a metric should tell.

`ground_truth`: the real motion against itself.
`mismatched_audio`: the system's motion of ANOTHER recording beside this one's speech, labels and real motion (the next in
    the order of the ids). With one recording: its own speech, labels and real motion moved circularly by half.
`mean_pose`: the mean of all real frames, standing still.
`time_shuffled`: the real frames in random order: the right poses, no movement.

Shapes: T frames.
"""

import zlib
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch

from emage.evaluation.store import REFERENCE, Sound, Store
from emage.evaluation.systems import Plan, SystemScores
from emage.evaluation.take import Take
from emage.metrics.fgd import GaussianSummary
from emage.motion import rotation

GROUND_TRUTH, MISMATCHED, MEAN_POSE, SHUFFLED = "ground_truth", "mismatched_audio", "mean_pose", "time_shuffled"
IMPOSTORS = (MISMATCHED, MEAN_POSE, SHUFFLED)
CONTROLS = (GROUND_TRUTH, *IMPOSTORS)
ROT6D = 6


def mean_pose(takes: Iterable[Take]) -> Take:
    """The mean of all real frames, (1, ...) each; rotations are made rotations again."""
    sums: dict[str, np.ndarray] = {}
    counts: dict[str, np.ndarray] = {}
    for take in takes:
        arrays = take.arrays()
        valid = arrays.pop("face_valid", None)
        for name, values in arrays.items():
            is_masked = name == "face" and valid is not None
            where = valid if is_masked else np.ones((len(values), *(1,) * (values.ndim - 1)), bool)
            sums[name] = sums.get(name, 0) + np.where(where, values, 0).sum(axis=0, keepdims=True, dtype=np.float64)
            counts[name] = counts.get(name, 0) + where.sum(axis=0, keepdims=True)
    pose = {name: (total / np.maximum(counts[name], 1)).astype(np.float32) for name, total in sums.items()}
    if "window_rot6d" in pose and counts["window_rot6d"].any():
        rot6d = torch.from_numpy(pose["window_rot6d"]).unflatten(1, (-1, ROT6D))
        pose["window_rot6d"] = rotation.matrix_to_rot6d(rotation.rot6d_to_matrix(rot6d)).flatten(1).numpy()
    return Take(**pose)


def still(pose: Take, like: Take) -> Take:
    """The pose held for as long as another take lasts."""
    lengths = {name: len(values) for name, values in like.arrays().items() if name != "face_valid"}
    held = {name: np.repeat(getattr(pose, name), length, axis=0) for name, length in lengths.items()}
    return Take(**held)


def shuffled(take: Take, seed: int) -> Take:
    """The frames in random order."""

    def order(values: np.ndarray) -> np.ndarray:
        # Seeded by the content: the order of the recordings does not matter.
        generator = np.random.default_rng((seed, zlib.crc32(np.ascontiguousarray(values).tobytes())))
        return generator.permutation(len(values))

    mixed = take.mapped(lambda values: values[order(values)])
    if take.face_valid is None:
        return mixed
    return replace(mixed, face_valid=take.face_valid[order(take.face)])


def half_turned(take: Take) -> Take:
    """All of it moved circularly by half its length."""
    return take.mapped(lambda values: np.roll(values, len(values) // 2, axis=0))


class Controls:
    """The scores of the controls, filled recording by recording.

    Args:
        store: the recordings.
        plan: what they are measured with.
        seed: of the shuffles.
        impostors: False leaves the real motion alone.
    """

    def __init__(self, store: Store, plan: Plan, seed: int, *, impostors: bool = True) -> None:
        self.scores = {name: SystemScores(plan) for name in (CONTROLS if impostors else (GROUND_TRUTH,))}
        self._store, self._seed, self._impostors = store, seed, impostors
        self._pose = mean_pose(store.references()) if impostors else None

    def update(
        self,
        recording_id: str,
        system: str,
        real_windows: dict[str, GaussianSummary | None],
        *,
        alone: Sound | None = None,
    ) -> None:
        """Adds a recording.

        Args:
            recording_id: its name.
            system: whose motion is put beside another sound.
            real_windows: what `Plan.real_windows` made of the real take.
            alone: its sound moved by half its length, where there is no other recording.
        """
        store, key = self._store, recording_id
        reference, sound = store.take(key, REFERENCE), store.sound(key)
        known = {"real_windows": real_windows}
        self.scores[GROUND_TRUTH].update(key, reference, reference, sound, **known)
        if not self._impostors:
            return
        self.scores[MEAN_POSE].update(key, still(self._pose, reference), reference, sound, **known)
        self.scores[SHUFFLED].update(key, shuffled(reference, self._seed), reference, sound, **known)
        borders = store.border_frames(key)
        donor = store.donor(key)
        if donor is not None:
            given = store.take(donor, system)
            self.scores[MISMATCHED].update(key, given, reference, sound, border_frames=borders, **known)
        elif alone is not None:
            generated = store.take(key, system)
            self.scores[MISMATCHED].update(
                key, generated, reference, alone, followed=half_turned(reference), border_frames=borders, **known
            )
