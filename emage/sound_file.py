"""Reads the sound of any file as one channel, and warns about what is wrong with it.

wav, flac and ogg are decoded by libsndfile, all else and what libsndfile cannot read by ffmpeg. The length is that of the
samples that were decoded, never that of the header.

Shapes: S samples, C channels.
"""

import contextlib
import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from emage.errors import InputError, warn_input
from emage.ffmpeg import SoundTrack, open_sound_track
from emage.sound_headers import SoundHeader, mp3_announced_s, read_header
from emage.sound_mix import Mix

SAMPLE_RATE = 16000
MIN_SOURCE_RATE, MAX_SOURCE_RATE = 1000, 1_000_000  # Hz; outside of these the header is wrong
MAX_DURATION_S = 8 * 3600  # 1.8 GB at 16 kHz
_TOLERANCE_S, _VIDEO_TOLERANCE_S = 0.1, 1.0  # between header and content; the length of a video is that of its picture
_BLOCK_S, _BLOCK_VALUES = 20, 2**22  # decoded at once: at most so many seconds, and so many samples times channels


def read_audio(path: str | Path, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Reads a sound file, or the first sound track of a video, as one channel at a given rate.

    Files are recognized by their content (wav, flac, ogg, mp3, m4a, aac, opus, webm, mp4, mov ...), not by their ending.
    Each of these is an `InputWarning`: a length in the header that differs from the content by more than 0.1 s, a header
    without a length, damaged packets, channels that cancel each other, samples scaled as integers, clipping, silence.

    Args:
        path: the file; several channels are averaged.
        sample_rate: samples per second of the result.

    Returns:
        (S,) float32, full scale = 1.

    Raises:
        InputError: the file is missing, is no sound, is empty, is longer than 8 hours, or holds NaN.
    """
    return read_audio_noted(path, sample_rate)[0]


def read_audio_noted(
    path: str | Path, sample_rate: int = SAMPLE_RATE, *, content: bytes | None = None
) -> tuple[np.ndarray, list[str]]:
    """`read_audio`, and what was converted on the way.

    Args:
        path: the file, or what errors call the content.
        sample_rate: samples per second of the result.
        content: the bytes, e.g. of a member of a zip; None: those of the file.

    Returns:
        (S,) float32 and notices: another rate, several channels.

    Raises:
        InputError: as `read_audio`.
    """
    if content is None and not Path(path).is_file():
        raise InputError(f"{path}: no such sound file")
    source = _Source(path, content)
    if source.num_bytes == 0:
        raise InputError(f"{path}: empty: it holds no bytes; record or copy it again")
    mix, problems = _decode(source, sample_rate)
    if mix.num_read == 0:
        raise InputError(f"{path}: empty: it holds no samples; record or convert it again")
    channel = mix.instead_of_mean()
    if channel is not None:
        mix = _decode(source, sample_rate, channel)[0]
        problems.append(f"its channels cancel each other in their mean; channel {channel + 1} is used alone")
    waveform, more = mix.waveform()
    for problem in problems + more:
        warn_input(f"{path}: {problem}")
    notices = []
    if mix.source_rate != sample_rate or mix.num_channels > 1:
        notices.append(
            f"the sound has {mix.source_rate} Hz and {mix.num_channels} channel(s): read as one channel at"
            f" {sample_rate} Hz"
        )
    return check_audio(waveform, path), notices


def check_audio(waveform: np.ndarray, path: str | Path) -> np.ndarray:
    """The waveform itself, if there is any and all of it is finite.

    Raises:
        InputError: no samples, or NaN or infinity among them (names the second).
    """
    if waveform.size == 0:
        raise InputError(f"{path}: empty: it holds no samples; record or convert it again")
    bad = np.flatnonzero(~np.isfinite(waveform))
    if bad.size:
        raise InputError(f"{path}: sample {bad[0]} is {waveform[bad[0]]}; {bad.size} samples are not finite")
    return waveform


@dataclass(frozen=True)
class _Source:
    """The bytes that are decoded: of a file, or in memory under a name."""

    name: str | Path
    content: bytes | None

    @property
    def num_bytes(self) -> int:
        return Path(self.name).stat().st_size if self.content is None else len(self.content)

    def open(self) -> BinaryIO:
        return open(self.name, "rb") if self.content is None else io.BytesIO(self.content)

    @contextlib.contextmanager
    def on_disk(self) -> Iterator[Path]:
        """The path of a file with these bytes."""
        if self.content is None:
            yield Path(self.name)
            return
        with tempfile.TemporaryDirectory(prefix="emage_") as folder:
            path = Path(folder) / "sound"
            path.write_bytes(self.content)
            yield path


def _decode(source: _Source, sample_rate: int, channel: int | None = None) -> tuple[Mix, list[str]]:
    """All samples of a source as one channel, and what is wrong with its header, its end or its packets."""
    with source.open() as file:
        header = read_header(file)
        if header.is_playlist:
            raise InputError(f"{source.name}: it is text that names other files, not sound; give the sound file itself")
        if header.sound is not None:
            with contextlib.suppress(soundfile.LibsndfileError, RuntimeError):
                return _decode_with_libsndfile(header, source, sample_rate, channel)
        with source.on_disk() as path, open_sound_track(path, source.name) as track:
            return _decode_with_ffmpeg(track, file, source, sample_rate, channel)


def _decode_with_libsndfile(
    header: SoundHeader, source: _Source, sample_rate: int, channel: int | None
) -> tuple[Mix, list[str]]:
    with soundfile.SoundFile(header.sound) as file:
        mix = _new_mix(file.samplerate, file.channels, source, sample_rate, channel)
        # Not file.blocks(): it takes the number of samples from the header and returns memory that was never written.
        while len(block := file.read(_block_samples(mix), dtype="float32", always_2d=True)):
            _add(mix, block, source)
        announced_s = header.announced_s
        if announced_s is None and not header.problems:
            announced_s = file.frames / file.samplerate
    problems = [f"{problem}; {mix.duration_s:.2f} s are read" for problem in header.problems]
    return mix, problems + _compare(announced_s, mix.duration_s, _TOLERANCE_S)


def _decode_with_ffmpeg(
    track: SoundTrack, file: BinaryIO, source: _Source, sample_rate: int, channel: int | None
) -> tuple[Mix, list[str]]:
    mix = _new_mix(track.sample_rate, track.num_channels, source, sample_rate, channel)
    for block in track.blocks(_block_samples(mix)):
        _add(mix, block, source)
    announced_s, tolerance_s = None, _TOLERANCE_S
    if track.demuxer() == "mp3":
        announced_s = mp3_announced_s(file)
    elif (announced := track.announced_s()) is not None:
        announced_s, tolerance_s = announced[0], _VIDEO_TOLERANCE_S if announced[1] else _TOLERANCE_S
    problems = _compare(announced_s, mix.duration_s, tolerance_s)
    damage = track.damage()
    if damage is not None and not problems:
        problems.append(f"{damage}; {mix.duration_s:.2f} s are read")
    return mix, problems


def _new_mix(source_rate: int, num_channels: int, source: _Source, sample_rate: int, channel: int | None) -> Mix:
    if not MIN_SOURCE_RATE <= source_rate <= MAX_SOURCE_RATE or num_channels < 1:
        raise InputError(
            f"{source.name}: its header says {source_rate} samples per second in {num_channels} channel(s); expected"
            f" {MIN_SOURCE_RATE} to {MAX_SOURCE_RATE} Hz; convert it to a 16-bit wav"
        )
    return Mix(source.name, source_rate, num_channels, sample_rate, channel)


def _block_samples(mix: Mix) -> int:
    return max(1, min(_BLOCK_S * mix.source_rate, _BLOCK_VALUES // mix.num_channels))


def _add(mix: Mix, block: np.ndarray, source: _Source) -> None:
    mix.add(block)
    if mix.duration_s > MAX_DURATION_S:
        raise InputError(f"{source.name}: longer than {MAX_DURATION_S // 3600} hours; cut it into shorter files")


def _compare(announced_s: float | None, duration_s: float, tolerance_s: float) -> list[str]:
    if announced_s is None or abs(announced_s - duration_s) <= tolerance_s:
        return []
    cause = "; the file is cut off or damaged" if duration_s < announced_s else ""
    return [f"its header announces {announced_s:.2f} s, {duration_s:.2f} s are read{cause}"]
