"""Where somebody speaks, by loudness alone.

Shapes: S samples, N blocks of 10 ms.
"""

import numpy as np

BLOCK_S = 0.01
_MIN_PAUSE_S, _MIN_SPEECH_S = 0.15, 0.06
_BELOW_PEAK_DB, _ABOVE_FLOOR_DB = 28.0, 8.0
_BLOCKS_AT_ONCE = 6000


def block_levels_db(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """Level of each 10 ms in decibels below full scale, (N,) float32; the last block may be shorter."""
    hop = max(1, round(BLOCK_S * sample_rate))
    levels = []
    for start in range(0, len(waveform), hop * _BLOCKS_AT_ONCE):
        part = waveform[start : start + hop * _BLOCKS_AT_ONCE].astype(np.float32)
        part = np.pad(part, (0, -len(part) % hop)).reshape(-1, hop)
        part = part - part.mean(axis=1, keepdims=True)  # a constant offset is no sound
        levels.append(10 * np.log10(np.square(part).mean(axis=1) + 1e-10))
    return np.concatenate(levels) if levels else np.zeros(0, np.float32)


def speech_mask(levels_db: np.ndarray) -> np.ndarray:
    """Which blocks are speech, (N,) bool: louder than the pauses, and not far below the loud ones."""
    if not len(levels_db):
        return np.zeros(0, bool)
    floor, peak = np.quantile(levels_db, [0.1, 0.95])
    if peak < -70:  # nothing but hiss below 16 bits
        return np.zeros(len(levels_db), bool)
    threshold = max(peak - _BELOW_PEAK_DB, min(floor + _ABOVE_FLOOR_DB, peak - 10))
    mask = levels_db > threshold
    _drop_runs(mask, False, round(_MIN_PAUSE_S / BLOCK_S))
    _drop_runs(mask, True, round(_MIN_SPEECH_S / BLOCK_S))
    return mask


def runs(mask: np.ndarray, value: bool = True) -> list[tuple[int, int]]:
    """(first, stop) of each run of `value`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[not value], mask, [not value]]).astype(bool)))
    return [(int(first), int(stop)) for first, stop in zip(edges[::2], edges[1::2], strict=True)]


def _drop_runs(mask: np.ndarray, value: bool, shorter_than: int) -> None:
    """Turns runs of `value` inside the recording that are too short into the other, in place."""
    for first, stop in runs(mask, value):
        if stop - first < shorter_than and (value or (first > 0 and stop < len(mask))):
            mask[first:stop] = not value
