"""Holes in the time stamps of a sound track: stretches between decoded frames for which a file has no sound.

A browser that pauses a recording, a program that drops frames and a lost Ogg page leave such holes. What follows a hole
keeps its time if the hole is filled with silence.

Shapes: S samples, C channels.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

_TOLERANCE_S = 0.08  # recorders round and delay time stamps by less than this
_DELAY_S = 0.25  # before the first frame: the delay of an encoder
_RESTART_S = 1.0  # a time stamp that lies so far back begins another recording
_MORE_SILENCE_S = 60.0  # silence that may be filled in, beyond the length of the decoded sound
_SHOWN = 3
# Containers that store time stamps; those of the others are estimates from sizes and bit rates.
_STAMPED = {"ogg", "matroska", "mov", "flac", "asf", "flv", "mpegts", "mpeg"}


@dataclass(frozen=True)
class Hole:
    """A stretch without sound.

    Attributes:
        at: number of decoded samples before it.
        num_samples: its length.
    """

    at: int
    num_samples: int


def find_holes(lines: Iterable[str], sample_rate: int, *, is_exact: bool = False) -> list[Hole]:
    """The holes between the frames of a decoded sound, in order.

    Args:
        lines: what ffmpeg writes as `-f framecrc`: a time base (`#tb 0: 1/48000`), then a line per frame with the
            stream, decoding time, time, duration, size and checksum.
        sample_rate: samples per second.
        is_exact: the time stamps are counts of samples, as in flac; each lost frame is a hole then.
    """
    holes, decoded, filled, offset, scale = [], 0, 0, 0, 1.0
    tolerance = 1 if is_exact else _TOLERANCE_S * sample_rate
    for line in lines:
        if line.startswith("#tb"):
            numerator, denominator = line.split()[-1].split("/")
            scale = int(numerator) * sample_rate / int(denominator)
        fields = line.split(",")
        if line.startswith("#") or len(fields) < 6 or not fields[2].strip().lstrip("-").isdigit():
            continue
        ahead = round(int(fields[2]) * scale) + offset - decoded - filled
        if decoded == 0 and ahead <= _DELAY_S * sample_rate:
            offset -= ahead
        elif ahead > tolerance:
            holes.append(Hole(decoded, ahead))
            filled += ahead
        elif ahead < -_RESTART_S * sample_rate:
            offset -= ahead
        decoded += round(int(fields[3]) * scale)
    return holes


def has_time_stamps(demuxer: str) -> bool:
    """Whether a container, by its name in ffmpeg, stores the times of its frames."""
    return not _STAMPED.isdisjoint(demuxer.split(","))


def can_be_filled(holes: list[Hole], num_samples: int, sample_rate: int, max_duration_s: float) -> bool:
    """Whether the holes are short beside the sound, so that a wrong time stamp cannot claim hours of silence.

    Args:
        holes: of one track.
        num_samples: S, decoded samples of it.
        sample_rate: samples per second.
        max_duration_s: limit for sound and silence together.
    """
    silence = sum(hole.num_samples for hole in holes)
    is_short = silence <= num_samples + _MORE_SILENCE_S * sample_rate
    return is_short and silence + num_samples <= max_duration_s * sample_rate


def with_silence(blocks: Iterable[np.ndarray], holes: list[Hole]) -> Iterator[np.ndarray]:
    """Blocks (S, C) of a track with zeros in its holes."""
    waiting, decoded = list(holes), 0
    for block in blocks:
        size, limit = len(block), max(1, len(block))
        while waiting and waiting[0].at < decoded + size:
            hole = waiting.pop(0)
            start = hole.at - decoded
            yield block[:start]
            for first in range(0, hole.num_samples, limit):
                yield np.zeros((min(limit, hole.num_samples - first), block.shape[1]), block.dtype)
            block, decoded, size = block[start:], decoded + start, size - start
        yield block
        decoded += size


def describe(holes: list[Hole], sample_rate: int) -> str:
    """The holes with their lengths and their times in the file, e.g. "2.00 s at 3.00 s"."""
    texts, filled = [], 0
    for hole in holes[:_SHOWN]:
        texts.append(f"{hole.num_samples / sample_rate:.2f} s at {(hole.at + filled) / sample_rate:.2f} s")
        filled += hole.num_samples
    more = len(holes) - len(texts)
    return ", ".join(texts) + (f" and {more} more" if more else "")
