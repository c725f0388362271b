"""Windows of recordings, cut out of the cache when they are asked for.

Shapes: B windows, T frames of a window, S samples of a window, D columns of the layout.
"""

import logging
from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.data import Dataset

from dataloaders.cache import MotionCache
from dataloaders.cache_format import MOTION_LAYOUT
from dataloaders.splits import SplitEntry
from emage.audio import frame_to_sample
from emage.errors import InputError
from emage.motion.convert import from_matrices, rotations_to_matrices
from emage.motion.layout import get_layout
from emage.motion.resample import frame_count
from emage.speakers import SpeakerTable
from emage.vocabulary import PAD, Vocabulary

logger = logging.getLogger(__name__)

Item = dict[str, np.ndarray]
# Motion that is not a choice of stored columns is kept as computed, if all of it fits: overlapping windows in rot6d
# would else compute every frame many times in every pass.
KEPT_BYTES = 256 * 2**20


def frame_range(entry: SplitEntry, num_frames: int, fps: float) -> tuple[int, int]:
    """The frames start..stop of a recording that belong to an entry; empty if the recording ends before them."""
    start = min(frame_count(entry.start_s, fps), num_frames)
    stop = num_frames if entry.end_s is None else min(frame_count(entry.end_s, fps), num_frames)
    return start, max(start, stop)


class LayoutReader:
    """Turns motion as the cache holds it into one layout, joint by joint: a body layout needs no other's rotations."""

    def __init__(self, layout: str, stored: str = MOTION_LAYOUT) -> None:
        stored = get_layout(stored)
        self._stored_kind = stored.kind
        self._layout = get_layout(layout)
        columns = stored.joint_columns(self._layout.joints).numpy()
        assert stored.has_translation, "every body is stored with the place of its root"
        self._translation = np.arange(self._layout.translation_slice.stop)  # of the root; it stands first in both
        self._rotations = columns.reshape(-1, 3)
        self._columns = np.concatenate([self._translation, columns])

    @property
    def selects(self) -> bool:
        """The layout is a choice of the stored columns."""
        return self._layout.kind == self._stored_kind

    def __call__(self, motion: np.ndarray) -> np.ndarray:
        """Motion of the cache (..., T, D) in the layout, (..., T, D') float32."""
        if self.selects:
            return motion.take(self._columns, axis=-1)
        rotations = torch.from_numpy(motion.take(self._rotations, axis=-1))  # (..., T, J, 3)
        translation_cm = torch.from_numpy(motion.take(self._translation, axis=-1))
        matrices = rotations_to_matrices(rotations, self._stored_kind)
        return from_matrices(matrices, self._layout, translation_cm).numpy()


def word_ids(cache: MotionCache, recording_id: str, vocabulary: Vocabulary) -> np.ndarray:
    """Vocabulary ids of a recording's words, (words + 1,) int64; the last is PAD, for word_index -1 (silence)."""
    return np.array([*(vocabulary.id(word.text) for word in cache.meta(recording_id)["words"]), PAD], dtype=np.int64)


class WindowDataset(Dataset[Item]):
    """Windows of a fixed length over the entries of a split.

    A window that does not fit into what is left of its entry is left out; nothing is padded.

    Args:
        cache: the streams.
        entries: recordings, or parts of them.
        layout: of the motion, e.g. "beat_141".
        window_frames: T.
        stride_frames: from one window's first frame to the next one's.
        vocabulary: gives the words their ids.
        speakers: gives the speakers their indices.

    Raises:
        InputError: an unknown layout, recording or speaker.
    """

    def __init__(
        self,
        cache: MotionCache,
        entries: Sequence[SplitEntry],
        *,
        layout: str,
        window_frames: int,
        stride_frames: int,
        vocabulary: Vocabulary,
        speakers: SpeakerTable,
    ) -> None:
        self._cache = cache
        stored = cache.layouts.get("motion", MOTION_LAYOUT)
        if stored is None:
            raise InputError(f"cache {cache.folder}: its recordings have no body; read it by its face (FaceWindows)")
        self._to_layout = LayoutReader(layout, stored)
        self._window_frames = window_frames
        self._window_samples = frame_to_sample(window_frames, cache.fps, cache.sample_rate)
        self._vocabulary = vocabulary
        self._word_ids: dict[str, np.ndarray] = {}
        # By recording; None: every window is computed when it is asked for.
        self._kept: dict[str, np.ndarray] | None = {} if self._can_keep(layout, entries) else None
        self._recordings = [entry.recording_id for entry in entries]
        self._speakers = [np.int64(speakers.index(cache.known[key].speaker)) for key in self._recordings]
        self.too_short: list[str] = []  # ids of the entries that are shorter than a window
        owners, starts = [], []
        for i, entry in enumerate(entries):
            first, stop = frame_range(entry, cache.num_frames(entry.recording_id), cache.fps)
            frames = np.arange(first, stop - window_frames + 1, stride_frames)
            if not len(frames):
                self.too_short.append(entry.id)
            owners.append(np.full(len(frames), i))
            starts.append(frames)
        # Two flat arrays, not a list of pairs: a forked loader would copy every Python object it touches.
        self._owners = np.concatenate([*owners, np.zeros(0, dtype=np.int64)])
        self._starts = np.concatenate([*starts, np.zeros(0, dtype=np.int64)])
        if self.too_short:
            names = ", ".join(self.too_short[:5]) + (", ..." if len(self.too_short) > 5 else "")
            logger.info(
                "%d of %d entries are shorter than a window of %d frames: %s",
                len(self.too_short),
                len(entries),
                window_frames,
                names,
            )

    def __len__(self) -> int:
        return len(self._starts)

    def place(self, index: int) -> tuple[str, int]:
        """Recording and first frame of a window."""
        return self._recordings[self._owners[index]], int(self._starts[index])

    def __getitem__(self, index: int) -> Item:
        """One window as numpy arrays, with the keys and types of `batch.py` but for the batch axis."""
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[Item]:
        """Many windows at once, as a DataLoader asks for them: a layout in rot6d is then computed in one go."""
        motions = self._motions(indices)
        return [{"motion": motion, **self._read(index)} for index, motion in zip(indices, motions, strict=True)]

    def _motions(self, indices: list[int]) -> Sequence[np.ndarray]:
        """The motion of windows in the layout asked for, (T, D) each."""
        if self._kept is not None:
            return [self._kept_motion(index) for index in indices]
        places = [self.place(index) for index in indices]
        stored = [self._cache.read(key, "motion", start, start + self._window_frames) for key, start in places]
        if self._to_layout.selects:
            return [self._to_layout(motion) for motion in stored]
        return list(self._to_layout(np.stack(stored)))

    def _can_keep(self, layout: str, entries: Sequence[SplitEntry]) -> bool:
        frames = sum(self._cache.num_frames(key) for key in {entry.recording_id for entry in entries})
        num_bytes = frames * get_layout(layout).dim * np.dtype(np.float32).itemsize
        return not self._to_layout.selects and num_bytes <= KEPT_BYTES

    def _kept_motion(self, index: int) -> np.ndarray:
        """The motion of a window out of its recording's, which is computed when it is first asked for."""
        recording_id, start = self.place(index)
        motion = self._kept.get(recording_id)
        if motion is None:
            whole = self._cache.read(recording_id, "motion", 0, self._cache.num_frames(recording_id))
            motion = self._kept[recording_id] = self._to_layout(whole)
        return motion[start : start + self._window_frames].copy()

    def _read(self, index: int) -> Item:
        """One window but for its motion."""
        owner, start = self._owners[index], int(self._starts[index])
        cache, recording_id = self._cache, self._recordings[owner]
        stop = start + self._window_frames
        num_samples = cache.slot(recording_id, "waveform").length
        # Rounded start plus rounded length may reach one sample beyond the end: the slice then begins one earlier.
        sample = min(frame_to_sample(start, cache.fps, cache.sample_rate), num_samples - self._window_samples)
        ids = self._word_ids.get(recording_id)
        if ids is None:
            ids = self._word_ids[recording_id] = word_ids(cache, recording_id, self._vocabulary)
        return {
            "face": cache.read(recording_id, "face", start, stop),
            "waveform": cache.read(recording_id, "waveform", sample, sample + self._window_samples),
            "words": ids[cache.read(recording_id, "word_index", start, stop)],
            "speaker": self._speakers[owner],
            "emotion": cache.read(recording_id, "emotion", start, stop).astype(np.int64),
            "semantic": cache.read(recording_id, "semantic", start, stop),
            "motion_valid": np.ones(self._window_frames, dtype=bool),
            "face_valid": np.ones(self._window_frames, dtype=bool),
        }
