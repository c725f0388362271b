"""Reads the sound of any file as one channel, and warns about what is wrong with it.

wav is decoded by libsndfile, all else and what libsndfile cannot read by ffmpeg. The length is that of the samples that
were decoded and of silence in the holes between them, never that of the header.

Shapes: S samples, C channels.
"""

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from emage.errors import InputError, warn_input
from emage.ffmpeg import NoFfmpeg, SoundTrack, open_sound_track
from emage.sound_headers import SoundHeader, mp3_announced_s, read_header, whole_file
from emage.sound_mix import Mix
from emage.time_stamps import Hole, can_be_filled, describe, with_silence

SAMPLE_RATE = 16000
MIN_SOURCE_RATE, MAX_SOURCE_RATE = 1000, 1_000_000  # Hz; outside of these the header is wrong
MAX_DURATION_S = 8 * 3600  # 1.8 GB at 16 kHz
_TOLERANCE_S, _VIDEO_TOLERANCE_S = 0.1, 1.0  # between header and content; between a video and its sound
_LATE_S = 0.25  # a later first time stamp is more than the delay of an encoder
_ON_AIR = ("mpegts", "mpeg")  # a part of a broadcast begins at any time
_BLOCK_S, _BLOCK_VALUES = 20, 2**22  # decoded at once: at most so many seconds, and so many samples times channels


def read_audio(path: str | Path, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Reads a sound file, or the first sound track of a video, as one channel at a given rate.

    Files are recognized by their content (wav, flac, ogg, mp3, m4a, aac, opus, webm, mp4, mov ...), not by their ending.
    Each of these is an `InputWarning`: a length in the header that differs from the content by more than 0.1 s, a header
    without a length, damaged packets, holes in the time stamps (they are filled with silence), channels that cancel each
    other, samples scaled as integers, clipping, silence.

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

    def start(source_rate: int, num_channels: int) -> Mix:
        if not MIN_SOURCE_RATE <= source_rate <= MAX_SOURCE_RATE or num_channels < 1:
            raise InputError(
                f"{source.name}: its header says {source_rate} samples per second in {num_channels} channel(s); expected"
                f" {MIN_SOURCE_RATE} to {MAX_SOURCE_RATE} Hz; convert it to a 16-bit wav"
            )
        return Mix(source.name, source_rate, num_channels, sample_rate, channel)

    with source.open() as file:
        header = read_header(file)
        if header.is_playlist:
            raise InputError(f"{source.name}: it is text that names other files, not sound; give the sound file itself")
        if header.sound is not None:
            with contextlib.suppress(soundfile.LibsndfileError, RuntimeError):
                return _decode_with_libsndfile(header, start)
        try:
            return _decode_with_ffmpeg(source, header, file, start)
        except NoFfmpeg as error:
            header.sound, header.announced_s = whole_file(file), mp3_announced_s(file)
            header.problems.append(f"{error}; libsndfile reads it instead and may stop early")
            try:
                return _decode_with_libsndfile(header, start)
            except (soundfile.LibsndfileError, RuntimeError):
                raise InputError(f"{source.name}: {error}") from error


def _decode_with_libsndfile(header: SoundHeader, start: Callable[[int, int], Mix]) -> tuple[Mix, list[str]]:
    with soundfile.SoundFile(header.sound) as file:
        mix = start(file.samplerate, file.channels)
        # Not file.blocks(): it takes the number of samples from the header and returns memory that was never written.
        while len(block := file.read(_block_samples(mix), dtype="float32", always_2d=True)):
            _add(mix, block)
        announced_s = header.announced_s
        if announced_s is None and not header.problems:
            announced_s = file.frames / file.samplerate
    return mix, _told(header, mix) + _compare(announced_s, mix)


def _decode_with_ffmpeg(
    source: _Source, header: SoundHeader, file: BinaryIO, start: Callable[[int, int], Mix]
) -> tuple[Mix, list[str]]:
    with source.on_disk() as path, open_sound_track(path, source.name) as track:
        mix = _mixed(track, start)
        problems, holes, missing_s = [], track.holes(), 0.0
        if holes:
            told = f"its time stamps have holes without sound ({describe(holes, mix.source_rate)})"
            if can_be_filled(holes, mix.num_read, mix.source_rate, MAX_DURATION_S):
                problems.append(f"{told}; they are filled with silence")
                with open_sound_track(path, source.name) as again:  # holes are rare and are known at the end only
                    mix = _mixed(again, start, holes)
            else:
                problems.append(f"{told}, too long to be filled with silence; what follows them comes too early")
                missing_s = sum(hole.num_samples for hole in holes) / mix.source_rate
        start_s = track.start_s()
        if start_s > _LATE_S and track.demuxer() not in _ON_AIR:
            problems.append(f"its time stamps begin at {start_s:.2f} s; the time before that is left out")
            missing_s += start_s
        return mix, problems + _compare_track(track, header, file, mix, missing_s)


def _mixed(track: SoundTrack, start: Callable[[int, int], Mix], holes: list[Hole] | None = None) -> Mix:
    """All samples of a track, with silence in the holes."""
    mix = start(track.sample_rate, track.num_channels)
    for block in with_silence(track.blocks(_block_samples(mix)), holes or []):
        _add(mix, block)
    return mix


def _compare_track(track: SoundTrack, header: SoundHeader, file: BinaryIO, mix: Mix, missing_s: float) -> list[str]:
    """What is wrong with the length of a track, its packets and its neighbours.

    Args:
        track: all of its samples are read.
        header: of its file.
        file: the file.
        mix: the samples.
        missing_s: time that the length in the header counts and that is known to be without sound.
    """
    announced_s, has_video = header.announced_s, False
    if track.demuxer() == "mp3":
        announced_s = mp3_announced_s(file)
    elif announced_s is None and not header.problems and (announced := track.announced_s()) is not None:
        announced_s, has_video = announced
    problems = _told(header, mix)
    if has_video and abs(announced_s - missing_s - mix.duration_s) > _VIDEO_TOLERANCE_S:
        problems.append(f"the video lasts {announced_s:.2f} s and its sound {mix.duration_s:.2f} s")
    elif not has_video and announced_s is not None and abs(announced_s - missing_s - mix.duration_s) > _TOLERANCE_S:
        problems += _compare(announced_s, mix)
    damage = track.damage()
    if damage is not None and (has_video or not problems):
        problems.append(f"{damage}; {mix.duration_s:.2f} s are read")
    if track.num_tracks() > 1:
        problems.append(f"it has {track.num_tracks()} sound tracks; the first is read")
    return problems


def _block_samples(mix: Mix) -> int:
    return max(1, min(_BLOCK_S * mix.source_rate, _BLOCK_VALUES // mix.num_channels))


def _add(mix: Mix, block: np.ndarray) -> None:
    mix.add(block)
    if mix.duration_s > MAX_DURATION_S:
        raise InputError(f"{mix.name}: longer than {MAX_DURATION_S // 3600} hours; cut it into shorter files")


def _told(header: SoundHeader, mix: Mix) -> list[str]:
    return [f"{problem}; {mix.duration_s:.2f} s are read" for problem in header.problems]


def _compare(announced_s: float | None, mix: Mix) -> list[str]:
    if announced_s is None or abs(announced_s - mix.duration_s) <= _TOLERANCE_S:
        return []
    cause = "; the file is cut off or damaged" if mix.duration_s < announced_s else ""
    return [f"its header announces {announced_s:.2f} s, {mix.duration_s:.2f} s are read{cause}"]
