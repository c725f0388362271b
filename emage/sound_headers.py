"""What the header of a sound file announces, compared with the bytes that are there.

Programs that are stopped, or that write to a pipe, leave headers with a wrong length; a copy that was stopped leaves a right
header and too few bytes. Sources: Microsoft, "Multimedia Programming Interface and Data Specifications" (RIFF, 1991);
EBU Tech 3306 (RF64); RFC 3533 (Ogg); ISO 11172-3 (mp3 frames); the tags Xing, Info and VBRI as LAME writes and reads them.
"""

import io
import struct
from dataclasses import dataclass, field
from typing import BinaryIO

_PLAYLISTS = (b"#extm3u", b"ffconcat", b"[playlist]", b"<?xml", b"<asx", b"<mpd", b"<smil", b"v=0", b"file ", b"http")
_WAV_MAGICS = {b"RIFF": "<", b"RF64": "<", b"BW64": "<", b"RIFX": ">"}
_PCM_TAGS = (0x0001, 0x0003, 0xFFFE)  # integers, floats, and WAVE_FORMAT_EXTENSIBLE
_BLOCK_TAGS = (0x0002, 0x0011, 0x0031)  # Microsoft ADPCM, IMA ADPCM, GSM 6.10: a part of a block decodes to noise
_UNKNOWN_SIZE = 0x7FFF0000  # sizes from here on are what sox, arecord, espeak and ffmpeg write to a pipe
_SEARCH_BYTES = 2**20
_UNUSED_S = 0.5  # bytes behind the announced sound that are no chunk count as sound if they are as many as this
_OGG_PAGE_BYTES = 27 + 255 + 255 * 255
_KHZ = {3: (44.1, 48, 32), 2: (22.05, 24, 16), 0: (11.025, 12, 8)}  # of mp3, by the bits of the version


@dataclass
class SoundHeader:
    """What a file says of itself.

    Attributes:
        is_playlist: the file is text that names other files.
        announced_s: the length in the header; None if it gives none.
        problems: what is wrong with the header or the end of the file, each a clause without a subject.
        sound: a wav as libsndfile is to read it, with its header corrected; None for what is left to ffmpeg.
    """

    is_playlist: bool = False
    announced_s: float | None = None
    problems: list[str] = field(default_factory=list)
    sound: BinaryIO | None = None


def read_header(file: BinaryIO) -> SoundHeader:
    """Looks at the first bytes of a file, and at the last ones where a format marks its end.

    Args:
        file: seekable; its position changes, also when `sound` of the result is read.
    """
    size = file.seek(0, io.SEEK_END)
    start = _skip_id3(file)
    file.seek(start)
    head = file.read(64)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PLAYLISTS):
        return SoundHeader(is_playlist=True)
    if _is_wav(file, 0):
        return _read_wav(file, size)
    if head[:4] == b"OggS":
        problems = []
        if not _ends_with_last_page(file, size):
            problems.append("its end is not marked (the last Ogg page is missing), it may be cut off")
        return SoundHeader(problems=problems)  # libsndfile tells of no lost page, and repeats sound behind it
    return SoundHeader()


class SplicedFile(io.RawIOBase):
    """Some bytes, then a part of a file: a file with another header, without a copy of it on the disk.

    Args:
        head: the new first bytes.
        file: seekable.
        start: the first byte of it that follows.
        stop: one past the last.
    """

    # It has no name: soundfile takes the ending .raw, and libsndfile some others, for the format.

    def __init__(self, head: bytes, file: BinaryIO, start: int, stop: int) -> None:
        super().__init__()
        self._head, self._file, self._start = head, file, start
        self._size, self._position = len(head) + stop - start, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:
        if self._position < len(self._head):
            content = self._head[self._position : self._position + len(buffer)]
        else:
            self._file.seek(self._start + self._position - len(self._head))
            content = self._file.read(max(0, min(len(buffer), self._size - self._position)))
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)


def whole_file(file: BinaryIO) -> SplicedFile:
    """All bytes of a file, without its name."""
    return SplicedFile(b"", file, 0, file.seek(0, io.SEEK_END))


def _read_wav(file: BinaryIO, size: int) -> SoundHeader:
    """A wav whose announced size of the sound is checked against the file, and corrected."""
    file.seek(0)
    magic = file.read(4)
    order = _WAV_MAGICS[magic]
    found = _find_sound(file, size, order)
    unchanged = SoundHeader(sound=whole_file(file))
    if found is None:
        return unchanged
    form, start, announced, is_misplaced = found
    bytes_per_s = _bytes_per_s(form, order)
    if bytes_per_s == 0:
        return unchanged
    available = size - start
    if announced == 0:
        ends_well = _are_chunks(file, start, size, order)
    else:
        ends_well = announced == available or _is_rest(file, start + announced, size, order, bytes_per_s)
    is_joined = ends_well and _is_wav(file, start + announced + announced % 2)
    sound_bytes = announced if ends_well else available
    rest_bytes = _incomplete_bytes(form, order, sound_bytes)
    if ends_well and not is_misplaced and not is_joined and rest_bytes == 0:
        return unchanged
    header = SoundHeader()
    if is_misplaced:
        header.problems.append("the chunks of its header have wrong sizes")
    if is_joined:
        header.problems.append("another wav is joined to its end and is not read")
    if not ends_well and (announced == 0 or announced >= max(_UNKNOWN_SIZE, available)):
        header.problems.append(f"its header gives no length (data size {announced})")
    elif not ends_well:
        header.announced_s = announced / bytes_per_s
    if rest_bytes:
        header.problems.append(f"its last block is incomplete ({rest_bytes} bytes) and is left out")
        sound_bytes -= rest_bytes
    header.sound = SplicedFile(_wav_head(order, form, sound_bytes), file, start, start + sound_bytes)
    return header


def _is_wav(file: BinaryIO, at: int) -> bool:
    file.seek(at)
    head = file.read(12)
    return head[:4] in _WAV_MAGICS and head[8:] == b"WAVE"


def _wav_head(order: str, form: bytes, sound_bytes: int) -> bytes:
    told = min(sound_bytes, 0xFFFFFFFF)  # more than 4 GB: libsndfile then reads to the end of the file
    head = b"WAVE" + b"fmt " + struct.pack(order + "I", len(form)) + form + b"data" + struct.pack(order + "I", told)
    magic = b"RIFX" if order == ">" else b"RIFF"
    return magic + struct.pack(order + "I", min(len(head) + told, 0xFFFFFFFF)) + head


def _find_sound(file: BinaryIO, size: int, order: str) -> tuple[bytes, int, int, bool] | None:
    """Where the sound of a wav is.

    Returns:
        Content of the chunk `fmt `, first byte of the sound, its announced size, and whether the chunks before it have
        wrong sizes; None if a chunk is missing.
    """
    form, long_size, at, after_form = b"", 0, 12, 12
    while at + 8 <= size:
        name, length = _chunk(file, at, order)
        if name == b"data":
            announced = long_size if length == 0xFFFFFFFF and long_size else length
            return (form, at + 8, announced, False) if form else None
        if name == b"fmt ":
            form = file.read(min(length, 256))
            form, after_form = form + b"\0" * (len(form) % 2), at + 8 + length
        elif name == b"ds64" and length >= 16:
            long_size = struct.unpack(order + "QQ", file.read(16))[1]
        at += 8 + length + length % 2
    file.seek(after_form)
    inside = file.read(_SEARCH_BYTES).find(b"data")
    if not form or inside < 0 or after_form + inside + 8 > size:
        return None
    return form, after_form + inside + 8, _chunk(file, after_form + inside, order)[1], True


def _chunk(file: BinaryIO, at: int, order: str) -> tuple[bytes, int]:
    file.seek(at)
    name, length = struct.unpack(order + "4sI", file.read(8))
    return name, length


def _bytes_per_s(form: bytes, order: str) -> int:
    if len(form) < 16:
        return 0
    tag, _, rate, average, align, _ = struct.unpack(order + "HHIIHH", form[:16])
    return rate * align if tag in _PCM_TAGS else average


def _incomplete_bytes(form: bytes, order: str, sound_bytes: int) -> int:
    """Bytes of the last block of a codec with blocks, if it is cut off."""
    tag, _, _, _, block_bytes = struct.unpack(order + "HHIIH", form[:14])
    return sound_bytes % block_bytes if tag in _BLOCK_TAGS and 0 < block_bytes < sound_bytes else 0


def _is_rest(file: BinaryIO, sound_end: int, size: int, order: str, bytes_per_s: int) -> bool:
    """Whether the bytes behind the announced sound are chunks, padding or a tag, and not more sound."""
    num_bytes = size - sound_end
    if num_bytes < 0:
        return False
    # Chunks begin at even places, but not every program adds the byte for it.
    if any(_are_chunks(file, sound_end + padding, size, order) for padding in {0, sound_end % 2}):
        return True
    file.seek(sound_end)
    return num_bytes < _UNUSED_S * bytes_per_s or not any(file.read(_SEARCH_BYTES))


def _are_chunks(file: BinaryIO, at: int, size: int, order: str) -> bool:
    """Whether chunks, and at most a tag, fill a file from here to its end."""
    while at + 8 <= size:
        name, length = _chunk(file, at, order)
        if name[:3] in (b"TAG", b"ID3") or name == b"APET":
            return True
        if not all(0x20 <= letter < 0x7F for letter in name) or at + 8 + length > size:
            return False
        at += 8 + length + length % 2
    return True


def _ends_with_last_page(file: BinaryIO, size: int) -> bool:
    """Whether the last page of an Ogg file is whole and bears the mark of the end of a stream."""
    tail_bytes = min(size, 2 * _OGG_PAGE_BYTES)
    file.seek(size - tail_bytes)
    tail = file.read(tail_bytes)
    at = tail.rfind(b"OggS")
    if at < 0 or len(tail) < at + 27 or len(tail) < at + 27 + tail[at + 26]:
        return False
    page_bytes = 27 + tail[at + 26] + sum(tail[at + 27 : at + 27 + tail[at + 26]])
    return at + page_bytes <= len(tail) and bool(tail[at + 5] & 4)


def _skip_id3(file: BinaryIO) -> int:
    """The first byte after the ID3v2 tags at the start."""
    at = 0
    while True:
        file.seek(at)
        head = file.read(10)
        if len(head) < 10 or head[:3] != b"ID3" or max(head[6:10]) > 0x7F:
            return at
        length = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        at += 10 + length + (10 if head[5] & 0x10 else 0)


def mp3_announced_s(file: BinaryIO) -> float | None:
    """The length that the tag Xing, Info or VBRI in the first frame of an mp3 announces; None without such a tag.

    Args:
        file: seekable; its position changes.
    """
    file.seek(_skip_id3(file))
    head = file.read(_SEARCH_BYTES)
    at = _first_frame(head)
    if at is None:
        return None
    version, is_mono = head[at + 1] >> 3 & 3, head[at + 3] >> 6 == 3
    rate = 1000 * _KHZ[version][head[at + 2] >> 2 & 3]
    frame_samples = 1152 if version == 3 else 576
    side_bytes = (17 if is_mono else 32) if version == 3 else (9 if is_mono else 17)
    tag = at + 4 + side_bytes
    if head[tag : tag + 4] in (b"Xing", b"Info") and len(head) >= tag + 12 and head[tag + 7] & 1:
        flags, num_frames = struct.unpack(">II", head[tag + 4 : tag + 12])
        if num_frames == 0:
            return None
        # LAME writes the samples that its encoder put before and behind the sound after the optional fields.
        lame = tag + 8 + 4 * bool(flags & 1) + 4 * bool(flags & 2) + 100 * bool(flags & 4) + 4 * bool(flags & 8)
        delays = head[lame + 21 : lame + 24] if head[lame : lame + 4] in (b"LAME", b"Lavf", b"Lavc") else b""
        padding = (delays[0] << 4 | delays[1] >> 4) + ((delays[1] & 15) << 8 | delays[2]) if len(delays) == 3 else 0
        return max(0, num_frames * frame_samples - padding) / rate
    if head[at + 36 : at + 40] == b"VBRI" and len(head) >= at + 54:
        return struct.unpack(">I", head[at + 50 : at + 54])[0] * frame_samples / rate
    return None


def _first_frame(head: bytes) -> int | None:
    """The first byte of the first frame of layer III."""
    at = head.find(b"\xff")
    while 0 <= at < len(head) - 4:
        second, third = head[at + 1], head[at + 2]
        if (
            second >> 5 == 7
            and second >> 3 & 3 in _KHZ
            and second >> 1 & 3 == 1
            and third >> 4 < 15
            and third >> 2 & 3 < 3
        ):
            return at
        at = head.find(b"\xff", at + 1)
    return None
