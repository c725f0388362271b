"""Windows of faces out of any cache, whatever its annotation and frame rate, in one form.

A window comes at the model's frame rate: coefficients are resampled as values, rotations in SO(3). Its face is in the
layout face_all; which parts of it the corpus knows is said by a mask a part, never by zeros.

Shapes: B windows, T frames, S samples, D = 157 columns of face_all, G its parts, P rows of the cache.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from dataloaders.batch import StackedWindows
from dataloaders.cache import MotionCache
from dataloaders.splits import SplitEntry
from dataloaders.window_dataset import frame_range
from emage.audio import frame_to_sample
from emage.errors import InputError
from emage.motion.convert_face import known_groups, to_face_all
from emage.motion.resample import resample_face_windows, window_rows

_ROUNDING = 1e-6  # frames


class FaceWindows(Dataset[dict[str, Tensor]]):
    """Windows of a fixed length over recordings of one cache; one that does not fit into its entry is left out.

    Args:
        cache: of any corpus with a face.
        entries: recordings, or parts of them.
        fps: frames per second of the windows.
        sample_rate: of their sound; the cache must have it.
        window_frames: T.
        stride_frames: from one window's first frame to the next one's, at fps.
        corpus: number of the corpus, for the batch.
        speakers: number of each entry's speaker, for the batch.

    Raises:
        InputError: the cache has another sample rate.
    """

    def __init__(
        self,
        cache: MotionCache,
        entries: Sequence[SplitEntry],
        *,
        fps: float,
        sample_rate: int,
        window_frames: int,
        stride_frames: int,
        corpus: int,
        speakers: Sequence[int],
    ) -> None:
        if cache.sample_rate != sample_rate:
            raise InputError(
                f"cache {cache.folder}: it has {cache.sample_rate} samples a second, {sample_rate} are asked for; "
                f"build it again with data.sample_rate={sample_rate}"
            )
        self.cache, self.fps, self.corpus = cache, fps, corpus
        self.window_frames = window_frames
        self._recordings = [entry.recording_id for entry in entries]
        self._speakers = np.asarray(speakers, dtype=np.int64)
        self._layout = cache.layouts["face"] if entries else "arkit_51"
        self._known = known_groups(self._layout)
        self._num_samples = frame_to_sample(window_frames, fps, sample_rate)
        owners, starts = [], []
        for i, entry in enumerate(entries):
            first, stop = frame_range(entry, cache.num_frames(entry.recording_id), cache.fps)
            begin = math.ceil(first * fps / cache.fps - _ROUNDING)
            end = math.floor((stop - 1) * fps / cache.fps + _ROUNDING) + 1
            frames = np.arange(begin, end - window_frames + 1, stride_frames)
            owners.append(np.full(len(frames), i))
            starts.append(frames)
        self._owners = np.concatenate([*owners, np.zeros(0, dtype=np.int64)])
        self._starts = np.concatenate([*starts, np.zeros(0, dtype=np.int64)])

    def __len__(self) -> int:
        return len(self._starts)

    @property
    def hours(self) -> float:
        """Hours of the recordings that windows are cut from."""
        frames = sum(self.cache.num_frames(self._recordings[owner]) for owner in np.unique(self._owners).tolist())
        return frames / self.cache.fps / 3600

    def place(self, index: int) -> tuple[str, int]:
        """Recording and first frame (at fps) of a window."""
        return self._recordings[self._owners[index]], int(self._starts[index])

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """One window, with the keys of `batch.FACE_BATCH_KEYS` but for the batch axis."""
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> StackedWindows:
        """Many windows at once, as a DataLoader asks for them."""
        return StackedWindows(self.read(indices))

    def read(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Many windows, stacked: see `batch.FACE_BATCH_KEYS`."""
        indices = np.asarray(indices, dtype=np.int64)
        face, beyond, places = [], [], []
        waveform = np.empty((len(indices), self._num_samples), dtype=np.float32)  # (B, S)
        owners, starts = self._owners[indices].tolist(), self._starts[indices].tolist()
        for row, (owner, start) in enumerate(zip(owners, starts, strict=True)):
            recording = self._recordings[owner]
            rows, outside, place = self._rows(recording, start)
            face.append(rows)
            beyond.append(outside)
            places.append(place)
            waveform[row] = self._sound(recording, start)
        values = resample_face_windows(
            torch.from_numpy(np.stack(face)),  # (B, P, C)
            torch.tensor(places, dtype=torch.float64),
            self._layout,
            source_fps=self.cache.fps,
            target_fps=self.fps,
            num_frames=self.window_frames,
            beyond=torch.tensor(beyond),
        )
        count = len(indices)
        return {
            "face_all": to_face_all(values, self._layout),  # (B, T, D)
            "face_all_valid": self._known.expand(count, self.window_frames, -1),  # (B, T, G)
            "waveform": torch.from_numpy(waveform),
            "speaker": torch.from_numpy(self._speakers[self._owners[indices]]),
            "corpus": torch.full((count,), self.corpus),
        }

    def _rows(self, recording: str, start: int) -> tuple[np.ndarray, tuple[int, int], float]:
        """The cache's rows that a window is made from, how many of them lie outside the recording, and its place."""
        first, count, place = window_rows(start, self.window_frames, self.cache.fps, self.fps)
        last = self.cache.num_frames(recording)
        low, high = max(first, 0), min(first + count, last)
        rows = self.cache.read(recording, "face", low, high)
        outside = (low - first, first + count - high)
        if any(outside):
            rows = np.pad(rows, (outside, (0, 0)), mode="edge")
        return rows, outside, place

    def _sound(self, recording: str, start: int) -> np.ndarray:
        available = self.cache.slot(recording, "waveform").length
        # Rounded start plus rounded length may reach a little beyond the end: the slice then begins earlier.
        sample = min(frame_to_sample(start, self.fps, self.cache.sample_rate), available - self._num_samples)
        if sample >= 0:
            return self.cache.read(recording, "waveform", sample, sample + self._num_samples)
        whole = self.cache.read(recording, "waveform")
        return np.pad(whole, (0, self._num_samples - len(whole)))
