"""ffmpeg as a decoder: where the program is, which files it may open, and the sound track of a file as blocks of samples.

Shapes: S samples, C channels.
"""

import contextlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from emage.errors import InputError
from emage.time_stamps import Hole, find_holes, has_time_stamps

# Containers of one file each. None of them names other files or addresses, as playlists (hls, dash), scripts (concat)
# and session descriptions (sdp) do; ffmpeg recognizes those by their content, whatever the file is called.
DEMUXERS = (
    "aac ac3 aiff amr ape asf au avi caf eac3 flac flv ircam matroska mov mp3 mpeg mpegts nistsphere ogg tta voc w64 "
    "wav wv"
).split()
_DURATION = re.compile(r"^\[info\]   Duration: (\d+):(\d\d):(\d\d\.\d+)", re.M)
_DEMUXER = re.compile(r"^\[info\] Input #0, ([\w,]+), from ", re.M)
_AUDIO = re.compile(r"^\[info\]   Stream #0:\d+.*: Audio: ", re.M)
_VIDEO = re.compile(r"^\[info\]   Stream #0:\d+.*: Video: (?!.*\(attached pic\))", re.M)
_START = re.compile(r"^\[info\]   Duration: [^,]+, start: (-?\d+\.\d+)", re.M)
_ERROR = re.compile(r"^(?:\[[^\]]*\] )*\[(?:error|fatal|panic)\] (.+)$", re.M)
_CUT_OFF = re.compile(r"partial file|File ended prematurely|corrupt input packet")
_DAMAGED = re.compile(r"Error submitting packet to decoder|Decoding error")
_BAD_PAGE = re.compile(r"CRC mismatch!")
_USUAL_ERRORS = {"mp3": 3, "flac": 3}  # tags at the end of these, or between two that were joined, are no frames
_AU_HEADER_BYTES = 24
_HEAD_BYTES = 512
_ATOMS = (b"ftyp", b"mdat", b"free", b"skip", b"wide", b"moov", b"pnot")  # with which an mp4, m4a or mov begins
_MAX_HOLE_S = "1000000"
_MAX_MESSAGE_BYTES = 2**20


class NoFfmpeg(InputError):
    """There is no ffmpeg on this machine."""


def ffmpeg_command() -> str:
    """The program that decodes: that of the package imageio-ffmpeg, else an installed one.

    Raises:
        NoFfmpeg: there is neither.
    """
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        return get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        found = shutil.which("ffmpeg")
        if found is None:
            raise NoFfmpeg("ffmpeg was not found: `pip install imageio-ffmpeg`") from None
        return found


def input_arguments(path: str | Path) -> list[str]:
    """Arguments that open exactly this file: it cannot make ffmpeg open another one, and is not taken for an option."""
    allowed = ["-protocol_whitelist", "file", "-format_whitelist", ",".join(DEMUXERS)]
    return [*allowed, "-i", f"file:{Path(path).absolute()}"]


def last_error(messages: str) -> str:
    """The cause of a failure: of the messages of ffmpeg (`-loglevel level+...`) the first that is an error."""
    found = [text.strip() for text in _ERROR.findall(messages)]
    no_sound = "its content is no sound or video format that is read here"
    known = {
        "Format not on whitelist": no_sound,
        "Error opening input: Invalid data found": no_sound,
        "moov atom not found": "moov atom not found: the recording was not finished, or it is cut off",
    }
    for text in found:
        for start, meaning in known.items():
            if text.startswith(start):
                return meaning
    return found[0].rstrip(".") if found else "ffmpeg gives no reason"


@dataclass(eq=False)
class SoundTrack:
    """The first sound track of a file while it is decoded.

    Attributes:
        sample_rate: samples per second.
        num_channels: C.
    """

    sample_rate: int
    num_channels: int
    _name: str
    _process: subprocess.Popen
    _messages: BinaryIO
    _frames: Path
    _path: str | Path

    def blocks(self, num_samples: int) -> Iterator[np.ndarray]:
        """The samples, (up to num_samples, C) float32 at a time.

        Raises:
            InputError: nothing could be decoded.
        """
        frame_bytes, any_read = 4 * self.num_channels, False
        while content := self._process.stdout.read(num_samples * frame_bytes):
            content = content[: len(content) // frame_bytes * frame_bytes]
            any_read = any_read or bool(content)
            yield np.frombuffer(content, ">f4").astype(np.float32).reshape(-1, self.num_channels)
        if self._process.wait() and not any_read:
            raise _not_sound(self._name, self.messages(), self._path)

    def messages(self) -> str:
        """What ffmpeg has written to stderr."""
        self._messages.seek(0)
        return self._messages.read(_MAX_MESSAGE_BYTES).decode("utf-8", "replace").replace("\r\n", "\n")

    def _input_messages(self) -> str:
        """Those about the file, without those about what is made of it."""
        return self.messages().split("Stream mapping:")[0]

    def demuxer(self) -> str:
        """The container by its content, e.g. "mp3" or "mov,mp4,m4a,3gp,3g2,mj2"."""
        found = _DEMUXER.search(self.messages())
        return found[1] if found else ""

    def announced_s(self) -> tuple[float, bool] | None:
        """The duration in the container's header, and whether it holds video too; None if the header gives none."""
        messages = self._input_messages()
        found = _DURATION.search(messages)
        if found is None or "Estimating duration from bitrate" in messages:
            return None
        return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]), _VIDEO.search(messages) is not None

    def start_s(self) -> float:
        """The first time stamp of all tracks of the file; the decoded sound is placed relative to it."""
        found = _START.search(self._input_messages())
        return float(found[1]) if found else 0.0

    def holes(self) -> list[Hole]:
        """Where the time stamps have no sound, once all blocks are read; none in a container without time stamps."""
        if not has_time_stamps(self.demuxer()):
            return []
        with self._frames.open(errors="replace") as lines:
            return find_holes(lines, self.sample_rate, is_exact=self.demuxer() == "flac")

    def num_tracks(self) -> int:
        """Sound tracks in the file; the first is decoded."""
        return len(_AUDIO.findall(self._input_messages()))

    def damage(self) -> str | None:
        """What ffmpeg reports about packets that are cut off or cannot be decoded; None for a whole file."""
        messages = self.messages()
        if _CUT_OFF.search(messages):
            return "it is cut off"
        num_errors = len(_DAMAGED.findall(messages))
        if num_errors > _USUAL_ERRORS.get(self.demuxer(), 0):
            return f"packets of it are damaged and left out ({last_error(messages)})"
        if _BAD_PAGE.search(messages):
            return "pages of it are damaged and left out (their checksums are wrong)"
        return None


@contextlib.contextmanager
def open_sound_track(path: str | Path, name: str | Path | None = None) -> Iterator[SoundTrack]:
    """Starts to decode the first sound track of a file.

    Args:
        path: the file.
        name: what errors call it; None: path.

    Raises:
        NoFfmpeg: there is no ffmpeg.
        InputError: no sound track, or content that is no known format.
    """
    name = str(path if name is None else name)
    command = [ffmpeg_command(), "-nostdin", "-hide_banner", "-nostats", "-loglevel", "level+info"]
    # By default a hole is closed up, of more than 10 s in some containers and of more than 30 h in the others.
    command += ["-dts_delta_threshold", _MAX_HOLE_S, "-dts_error_threshold", _MAX_HOLE_S]
    if _head(path).startswith(b"fLaC"):  # else a damaged frame is decoded to noise; with these it is left out
        command += ["-err_detect", "crccheck+explode"]
    command += input_arguments(path)
    # AU is a header of fixed fields before the samples, so that rate and channels arrive in the same pipe.
    output = ["-map", "0:a:0", "-map_metadata", "-1", "-c:a", "pcm_f32be", "-f"]
    with tempfile.TemporaryFile() as messages, tempfile.TemporaryDirectory(prefix="emage_") as folder:
        frames = Path(folder) / "frames"  # the times of the decoded frames
        with _start([*command, *output, "au", "-", *output, "framecrc", f"file:{frames}"], messages) as process:
            track = SoundTrack(0, 0, name, process, messages, frames, path)
            try:
                header = process.stdout.read(_AU_HEADER_BYTES)
                if len(header) < _AU_HEADER_BYTES:
                    process.wait()
                    raise _not_sound(name, track.messages(), path)
                start, _, _, track.sample_rate, track.num_channels = np.frombuffer(header[4:], ">u4").tolist()
                process.stdout.read(start - _AU_HEADER_BYTES)  # an annotation
                yield track
            finally:
                process.kill()  # the caller may want no more of it
                process.stdout.close()


def _head(path: str | Path) -> bytes:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read(_HEAD_BYTES)
    return b""


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) and b"\0" in head:
        return True  # UTF-16
    return bool(head) and not any(byte < 0x20 and byte not in b"\t\n\f\r" or byte == 0x7F for byte in head)


def _start(command: list[str], messages: BinaryIO) -> subprocess.Popen:
    try:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=messages)
    except OSError as error:
        raise NoFfmpeg(f"ffmpeg cannot be started: {error}: `pip install imageio-ffmpeg`") from error


def _not_sound(name: str, messages: str, path: str | Path) -> InputError:
    if _DEMUXER.search(messages) and "Audio: " not in messages:
        return InputError(f"{name}: it has no sound track; give a recording with sound")
    head, cause = _head(path), last_error(messages)
    if _is_text(head):
        return InputError(f"{name}: cannot be read as sound: its content is text, no sound; give the sound file itself")
    if cause.startswith("moov atom") and head[4:8] not in _ATOMS:  # ffmpeg believes the ending of the name
        cause = "its content is no sound or video format that is read here"
    return InputError(f"{name}: cannot be read as sound: {cause}; convert it to a 16-bit wav")
