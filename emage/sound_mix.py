"""Blocks of several channels -> one waveform at another rate, and what is odd about its levels.

Shapes: S samples, C channels.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soxr

from emage.errors import InputError

_CANCELLED = 0.5  # power of the mean of the channels, as a share of what it is for channels without correlation
_CANCELLED_SHARE = 0.1  # of the power of all channels lies in seconds in which they cancel each other
_INTEGER_SCALES = (2.0**15, 2.0**23, 2.0**31)  # full scale of 16, 24 and 32-bit integers
# Floats that are integers in disguise: 5 % of them lie beyond 1, and they are whole or reach 40 dB above full scale.
_BEYOND_SHARE, _WHOLE_PEAK, _FRACTION_PEAK = 0.05, 16.0, 100.0
_USUAL_PEAK = 4.0  # a mix of floats that nobody has limited
_ABSURD_PEAK = 1000.0  # 60 dB above full scale: no level but a wrong number
_ISOLATED_SHARE, _ISOLATED_FACTOR = 1e-4, 8.0  # of integers: so few, and so far, beyond a scale are wrong numbers too
_FULL_SCALE, _CLIPPED_SHARE = 0.999, 0.05
_SILENT_PEAK = 2.0**-14  # two steps of 16-bit integers: dither


@dataclass(eq=False)
class Mix:
    """The mean of the channels, or one of them, at another rate; an hour needs no more memory than its result.

    Args:
        name: the file, for errors.
        source_rate: samples per second of the blocks.
        num_channels: C.
        sample_rate: samples per second of the result.
        channel: index of the one that is used; None: the mean of all.
    """

    name: str | Path
    source_rate: int
    num_channels: int
    sample_rate: int
    channel: int | None = None
    num_read: int = 0
    _blocks: list[np.ndarray] = field(default_factory=list)
    _powers: list[np.ndarray] = field(default_factory=list)  # of the mean, then of each channel, second by second
    _peak: float = 0.0
    _num_beyond: int = 0
    _num_nonzero: int = 0
    _num_full: int = 0
    _are_whole: bool = True
    _beyond: dict[float, "_Beyond"] = field(default_factory=dict)  # by the limit

    def __post_init__(self) -> None:
        same_rate = self.source_rate == self.sample_rate
        self._resampler = None if same_rate else soxr.ResampleStream(self.source_rate, self.sample_rate, 1)

    @property
    def duration_s(self) -> float:
        """Length of what was added."""
        return self.num_read / self.source_rate

    def add(self, block: np.ndarray) -> None:
        """Adds the samples that follow.

        Args:
            block: (S, C) float32.

        Raises:
            InputError: NaN or infinity.
        """
        mono = block.mean(axis=1) if self.channel is None else np.ascontiguousarray(block[:, self.channel])
        bad = np.flatnonzero(~np.isfinite(mono))
        if bad.size:
            raise InputError(
                f"{self.name}: sample {self.num_read + bad[0]} is {mono[bad[0]]}; {bad.size} samples are not finite; "
                "record or convert it again"
            )
        self._measure(block, mono)
        self.num_read += len(mono)
        self._blocks.append(mono if self._resampler is None else self._resampler.resample_chunk(mono))

    def _measure(self, block: np.ndarray, mono: np.ndarray) -> None:
        if self.num_channels > 1 and self.channel is None:
            for start in range(0, len(block), self.source_rate):
                second = slice(start, start + self.source_rate)
                powers = [_power(mono[second]), *(_power(values) for values in block[second].T)]
                self._powers.append(np.array(powers))
        size = np.abs(mono)
        peak = float(size.max(initial=0))
        self._peak = max(self._peak, peak)
        if peak >= _FULL_SCALE:
            self._num_full += int(np.count_nonzero(size >= _FULL_SCALE))
            self._num_beyond += int(np.count_nonzero(size > 1))
        for limit in (_ABSURD_PEAK, *(2 * scale for scale in _INTEGER_SCALES)):
            if peak > limit:
                large = np.flatnonzero(size > limit)
                first = _Beyond(self.num_read + int(large[0]), float(mono[large[0]]))
                self._beyond.setdefault(limit, first).count += len(large)
        self._num_nonzero += int(np.count_nonzero(mono))
        # The mean of C whole numbers is a multiple of 1 / C.
        if self._are_whole and peak > 0:
            steps = block if self.channel is None else mono
            self._are_whole = bool((steps == np.rint(steps)).all())

    def instead_of_mean(self) -> int | None:
        """The loudest channel if the channels cancel each other in a tenth of the sound or more, else None."""
        if not self._powers:
            return None
        powers = np.stack(self._powers)
        of_mean, of_channels = powers[:, 0], powers[:, 1:]
        # Uncorrelated channels have a mean of this power; in stereo the ratio to it is 1 + their correlation.
        uncorrelated = of_channels.sum(axis=1) / self.num_channels**2
        cancelled = of_channels[of_mean < _CANCELLED * uncorrelated].sum()
        if cancelled == 0 or cancelled < _CANCELLED_SHARE * of_channels.sum():
            return None
        totals = of_channels.sum(axis=0)
        return int((totals > 0.99 * totals.max()).argmax())  # of equally loud ones the first

    def waveform(self) -> tuple[np.ndarray, list[str]]:
        """The result, once all is added.

        Returns:
            (round(num_read * sample_rate / source_rate),) float32, full scale = 1, and what is odd about its level.

        Raises:
            InputError: samples beyond the scale of 32-bit integers, or a few that are far beyond all others.
        """
        if self._resampler is not None:
            self._blocks.append(self._resampler.resample_chunk(np.zeros(0, np.float32), last=True))
        samples = np.concatenate(self._blocks) if self._blocks else np.zeros(0, np.float32)
        num_samples = round(self.num_read * self.sample_rate / self.source_rate)
        samples = samples[:num_samples]
        if len(samples) < num_samples:
            samples = np.pad(samples, (0, num_samples - len(samples)))
        return self._scaled(samples)

    def _scaled(self, samples: np.ndarray) -> tuple[np.ndarray, list[str]]:
        many_beyond = self._num_beyond > _BEYOND_SHARE * self._num_nonzero
        if many_beyond and self._peak > (_WHOLE_PEAK if self._are_whole else _FRACTION_PEAK):
            scale = next((scale for scale in _INTEGER_SCALES if self._peak <= 2 * scale), None)
            if scale is None:
                raise InputError(f"{self.name}: samples up to {self._peak:.3g}; full scale is 1; convert it again")
            self._refuse_isolated(scale)
            samples /= np.float32(scale)
            return samples, [f"samples up to {self._peak:.6g} where full scale is 1; divided by {scale:.0f}"]
        if self._peak > _ABSURD_PEAK:
            raise self._absurd(_ABSURD_PEAK, 1.0)
        if self._peak < _SILENT_PEAK:
            return samples, [f"it is silent from begin to end (peak {self._peak:.2g} of full scale)"]
        if self._peak > _USUAL_PEAK:
            return samples, [
                f"{self._num_beyond} samples are beyond full scale, up to {self._peak:.3g}; they are left as they are"
            ]
        if self._num_full > _CLIPPED_SHARE * self.num_read:
            share = self._num_full / self.num_read
            return samples, [f"it is clipped: {share:.0%} of the samples are at full scale; record it at a lower level"]
        return samples, []

    def _refuse_isolated(self, scale: float) -> None:
        """Integers: refuses a few samples without which another scale would have been found."""
        for smaller in _INTEGER_SCALES:
            limit = 2 * smaller
            if smaller < scale and limit in self._beyond and self._peak > _ISOLATED_FACTOR * limit:
                if self._beyond[limit].count <= max(3, _ISOLATED_SHARE * self._num_nonzero):
                    raise self._absurd(limit, smaller)

    def _absurd(self, limit: float, full_scale: float) -> InputError:
        found = self._beyond[limit]
        more = f" ({found.count} samples are beyond {limit:.0f})" if found.count > 1 else ""
        return InputError(
            f"{self.name}: sample {found.index} ({found.index / self.source_rate:.3f} s) is {found.value:.6g}{more}; full"
            f" scale is {full_scale:.0f}; cut it out or convert the recording again"
        )


@dataclass
class _Beyond:
    """Samples beyond a limit: the first, and how many."""

    index: int
    value: float
    count: int = 0


def _power(samples: np.ndarray) -> float:
    """Sum of the squares, without the offset at 0 Hz."""
    return float(samples.var(dtype=np.float64)) * len(samples)
