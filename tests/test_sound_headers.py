import io
import struct

import numpy as np
import pytest
import soundfile
from sounds import RATE, voice

from emage.audio import read_audio_noted
from emage.errors import collected_warnings
from emage.sound_headers import SplicedFile, mp3_announced_s, read_header

SOUND = voice(2)
TAG = b"LIST" + struct.pack("<I", 20) + b"INFOISFT" + struct.pack("<I", 8) + b"Lavf60\0\0"
UNKNOWN = (0, 0xFFFFFFFF, 0x7FFFF000, 0x80000000)


def wav(subtype: str = "PCM_16", **options) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, SOUND, RATE, format=options.pop("format", "WAV"), subtype=subtype, **options)
    return buffer.getvalue()


def with_size(content: bytes, size: int, order: str = "<") -> bytes:
    """A wav whose header announces another size of its sound, as the rest of the header then does too."""
    at = content.index(b"data") + 4
    content = content[:at] + struct.pack(order + "I", size) + content[at + 4 :]
    return content[:4] + struct.pack(order + "I", min(0xFFFFFFFF, size + 36)) + content[8:]


def read(content: bytes) -> tuple[np.ndarray, str]:
    with collected_warnings() as found:
        waveform, _ = read_audio_noted("a.wav", content=content)
    return waveform, "; ".join(found)


KINDS = {
    "16 bit": wav(),
    "24 bit": wav("PCM_24"),
    "float": wav("FLOAT"),
    "extensible": wav("PCM_24", format="WAVEX"),
    "mu-law": wav("ULAW"),
    "big endian": wav(endian="BIG"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", UNKNOWN)
def test_a_wav_without_a_length_is_read_to_its_end(kind, size):
    content = KINDS[kind]
    expected, nothing = read(content)
    assert nothing == ""
    waveform, found = read(with_size(content, size, ">" if kind == "big endian" else "<"))
    assert np.array_equal(waveform, expected)
    assert found == f"a.wav: its header gives no length (data size {size}); 2.00 s are read"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", [1, 7777])
def test_a_cut_wav_has_the_length_of_what_is_left(kind, missing):
    expected, _ = read(KINDS[kind])
    waveform, found = read(KINDS[kind][:-missing])
    assert 0 < len(expected) - len(waveform) <= missing
    assert np.array_equal(waveform, expected[: len(waveform)])
    if missing > 1000 and len(expected) - len(waveform) > 0.1 * RATE:
        assert (
            found
            == f"a.wav: its header announces 2.00 s, {len(waveform) / RATE:.2f} s are read; the file is cut off or damaged"
        )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "tail",
    [TAG, b"id3 " + struct.pack("<I", 40000) + bytes(40000), b"TAG" + bytes(125), bytes(60000), b"\0", b"junk"],
    ids=["LIST", "id3", "TAG", "zeros", "pad", "four bytes"],
)
def test_what_lies_behind_the_sound_is_not_read(kind, tail):
    if kind == "big endian" and tail[:4] in (b"LIST", b"id3 "):
        tail = tail[:4] + tail[4:8][::-1] + tail[8:]
    waveform, found = read(KINDS[kind] + tail)
    assert np.array_equal(waveform, read(KINDS[kind])[0])
    assert found == ""


def test_a_chunk_without_its_padding_byte_is_still_a_chunk():
    content = wav("PCM_U8")
    at = content.index(b"data")
    sound = content[at + 8 : at + 8 + 31999]
    big = b"LIST" + struct.pack("<I", 40000) + JUNK
    for padding in (b"", b"\0"):
        waveform, found = read(content[: at + 4] + struct.pack("<I", len(sound)) + sound + padding + big)
        assert len(waveform) == 31999
        assert found == ""


JUNK = bytes(np.random.default_rng(0).integers(0, 256, 40000, dtype=np.uint8))


def test_sound_behind_a_stale_length_is_read():
    waveform, found = read(with_size(wav(), 3200))
    assert np.array_equal(waveform, read(wav())[0])
    assert found == "a.wav: its header announces 0.10 s, 2.00 s are read"


def test_chunks_with_wrong_sizes_before_the_sound_are_passed_over():
    content = wav()
    at = content.index(b"data")
    for size in (0xFFFFFFFF, 40000, 5):
        broken = content[:at] + b"LIST" + struct.pack("<I", size) + TAG[8:] + content[at:]
        waveform, found = read(broken)
        assert np.array_equal(waveform, read(content)[0]), size
        assert "the chunks of its header have wrong sizes" in found


def test_a_second_wav_is_told():
    waveform, found = read(wav() + wav())
    assert np.array_equal(waveform, read(wav())[0])
    assert "another wav is joined to its end and is not read" in found


@pytest.mark.parametrize("known", [True, False])
def test_rf64_has_its_length_in_another_chunk(known):
    content = wav()
    at = content.index(b"data")
    num_bytes = len(content) - at - 8
    sizes = (len(content) + 28, num_bytes, num_bytes // 2) if known else (0, 0, 0)
    head = b"RF64\xff\xff\xff\xffWAVEds64" + struct.pack("<IQQQI", 28, *sizes, 0)
    waveform, found = read(head + content[12:at] + b"data\xff\xff\xff\xff" + content[at + 8 :])
    assert np.array_equal(waveform, read(content)[0])
    assert ("gives no length" in found) is not known


def test_an_empty_wav_stays_empty():
    content = with_size(wav()[:44], 0)
    for tail in (b"", TAG):
        header = read_header(io.BytesIO(content + tail))
        assert header.problems == []
        assert soundfile.SoundFile(header.sound).frames == 0


def test_spliced_file_is_head_and_part():
    whole = bytes(range(100))
    file = SplicedFile(b"head", io.BytesIO(whole), 10, 90)
    expected = b"head" + whole[10:90]
    assert file.read() == expected
    assert file.seek(-5, io.SEEK_END) == len(expected) - 5
    assert file.read(99) == expected[-5:]
    for at in (0, 3, 4, 50):
        file.seek(at)
        assert b"".join(iter(lambda: file.read(7), b"")) == expected[at:]
    assert not hasattr(file, "name")


def mp3_head(tag: bytes, *, version: int = 0xFB, mono: bool = False) -> bytes:
    """The first frame of an mp3 with a tag at its place: MPEG 1 (0xFB) or 2 (0xF3)."""
    side = {(0xFB, False): 32, (0xFB, True): 17, (0xF3, False): 17, (0xF3, True): 9}[version, mono]
    side = 32 if tag.startswith(b"VBRI") else side
    return bytes([0xFF, version, 0x90, 0xC0 if mono else 0x00]) + bytes(side) + tag + bytes(400)


LAME = b"LAME3.100" + bytes(12) + bytes([0x24, 0x02, 0x40])  # 576 samples before, 576 behind


@pytest.mark.parametrize(
    ("content", "expected_s"),
    [
        (mp3_head(b"Xing" + struct.pack(">II", 1, 100)), 115200 / 44100),
        (mp3_head(b"Info" + struct.pack(">II", 1, 100), mono=True), 115200 / 44100),
        (mp3_head(b"Xing" + struct.pack(">II", 1, 100), version=0xF3), 57600 / 22050),
        (mp3_head(b"Xing" + struct.pack(">II", 1, 100), version=0xF3, mono=True), 57600 / 22050),
        (mp3_head(b"Info" + struct.pack(">II", 15, 100) + bytes(4 + 100 + 4) + LAME), (115200 - 1152) / 44100),
        (mp3_head(b"VBRI" + struct.pack(">HHHII", 1, 0, 0, 1000, 100)), 115200 / 44100),
        (mp3_head(b"Xing" + struct.pack(">I", 0)), None),
        (mp3_head(b"Xing" + struct.pack(">II", 1, 0)), None),
        (mp3_head(b""), None),
        (b"ID3\3\0\0\0\0\0\x05hello" + mp3_head(b"Xing" + struct.pack(">II", 1, 100)), 115200 / 44100),
        (b"ID3\3\0\0\x7f\x7f\x7f\x7f", None),
        (b"\xff", None),
        (b"", None),
    ],
)
def test_length_that_an_mp3_announces(content, expected_s):
    found = mp3_announced_s(io.BytesIO(content))
    assert found == (None if expected_s is None else pytest.approx(expected_s))
