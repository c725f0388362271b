"""Sound files as people have them: which are read, how long they are, and what is warned about."""

import struct
import warnings

import numpy as np
import pytest
import soundfile
from sounds import RATE, encode, film, run_ffmpeg, tone, voice

from emage import ffmpeg, sound_file
from emage.audio import check_audio, read_audio, read_audio_noted, resample_audio
from emage.errors import InputError, InputWarning, collected_warnings

SECONDS = 3.1
JUNK = bytes(np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8))


def read_with_warnings(path, **options) -> tuple[np.ndarray, str]:
    """The waveform and all warnings in one text."""
    with collected_warnings() as found:
        waveform = read_audio(path, **options)
    return waveform, "; ".join(found)


def loudness(waveform: np.ndarray, delay: int = 0) -> np.ndarray:
    """Mean size of the samples in 20 ms each, from `delay` of these on; a codec may move the sound."""
    return np.abs(waveform[320 * delay :][: 320 * 140].reshape(-1, 320)).mean(axis=1)


def no_xing(path, waveform, *options, sample_rate=22050):
    return encode(path, waveform, "-write_xing", "0", *options, sample_rate=sample_rate)


def test_16_bit_file_is_read_exactly(tmp_path):
    whole = (tone(440, 0.5) * 32768).round().astype(np.int16)
    soundfile.write(tmp_path / "a.wav", whole, RATE, subtype="PCM_16")
    waveform = read_audio(tmp_path / "a.wav")
    assert waveform.dtype == np.float32
    assert np.array_equal(waveform * 32768, whole)


def test_channels_are_averaged(tmp_path):
    left, right = tone(300, 0.2), tone(500, 0.2)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), RATE, subtype="FLOAT")
    np.testing.assert_allclose(read_audio(tmp_path / "a.wav"), (left + right) / 2, atol=1e-7)


@pytest.mark.parametrize("source_rate", [8000, 22050, 44100, 48000])
@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_another_rate_keeps_pitch_length_and_phase(tmp_path, source_rate, ending):
    soundfile.write(tmp_path / f"a.{ending}", tone(440, 1.2345, source_rate), source_rate)
    waveform = read_audio(tmp_path / f"a.{ending}", RATE)
    assert len(waveform) == round(round(1.2345 * source_rate) * RATE / source_rate)
    middle = slice(2000, -2000)
    np.testing.assert_allclose(waveform[middle], tone(440, 1.2345)[: len(waveform)][middle], atol=2e-3)


def test_a_file_read_in_blocks_is_the_file_read_at_once(tmp_path):
    samples = np.random.default_rng(0).normal(0, 0.1, 45 * 8000).astype(np.float32)  # two blocks and a part
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    assert np.array_equal(read_audio(tmp_path / "a.wav", 8000), samples)
    whole = resample_audio(samples, 8000, 11025)
    in_blocks = read_audio(tmp_path / "a.wav", 11025)
    assert len(in_blocks) == len(whole) == 45 * 11025
    assert np.abs(in_blocks - whole).max() < 1e-4


def test_bad_files(tmp_path):
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
    with pytest.raises(InputError, match="empty.wav: empty: it holds no samples"):
        read_audio(tmp_path / "empty.wav")
    (tmp_path / "zero.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("no sound at all")
    with pytest.raises(InputError, match="zero.wav: empty: it holds no bytes"):
        read_audio(tmp_path / "zero.wav")
    with pytest.raises(InputError, match="text.wav: cannot be read as sound"):
        read_audio(tmp_path / "text.wav")
    with pytest.raises(InputError, match=r"none.wav: no such sound file"):
        read_audio(tmp_path / "none.wav")
    with_nan = tone(440, 0.1)
    with_nan[[7, 9]] = np.nan
    soundfile.write(tmp_path / "nan.wav", with_nan, RATE, subtype="FLOAT")
    with pytest.raises(InputError, match="nan.wav: sample 7 is nan; 2 samples"):
        read_audio(tmp_path / "nan.wav")


def test_check_audio_passes_the_waveform_through():
    waveform = tone(440, 0.1)
    assert check_audio(waveform, "x") is waveform


@pytest.fixture(autouse=True)
def _no_warning_is_lost():
    """A warning that a test does not ask for is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        yield


FORMATS = {
    "a.m4a": (),
    "a.mp4": (),
    "a.mov": ("-c:a", "pcm_s16le"),
    "a.aac": (),
    "a.webm": ("-c:a", "libopus"),
    "a.opus": ("-c:a", "libopus"),
    "a.mka": ("-c:a", "aac"),
    "a.aiff": (),
    "a.caf": (),
    "a.au": (),
    "a.w64": (),
    "a.wma": (),
    "a.3gp": ("-c:a", "aac"),
    "a.ts": ("-c:a", "aac"),
    "a.mp3": ("-q:a", "4"),
    "a.flac": (),
    "alac.m4a": ("-c:a", "alac"),
    "extensible.wav": ("-c:a", "pcm_s24le"),
    "law.wav": ("-c:a", "pcm_mulaw"),
    "adpcm.wav": ("-c:a", "adpcm_ms"),
    "mp3.wav": ("-c:a", "libmp3lame"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_formats_are_read_by_their_content_whatever_they_are_called(tmp_path, name):
    sound = voice(SECONDS, 48000)
    path = encode(tmp_path / name, sound, *FORMATS[name], sample_rate=48000)
    waveform = read_audio(path)
    assert waveform.dtype == np.float32
    assert len(waveform) == pytest.approx(SECONDS * RATE, abs=0.06 * RATE)  # a codec's delay and last frame
    expected = loudness(voice(SECONDS), 3)
    assert max(np.corrcoef(loudness(waveform, delay), expected)[0, 1] for delay in range(8)) > 0.95
    for ending in (".wav", ".mp3", ".raw", ""):
        assert np.array_equal(read_audio(path.rename(tmp_path / f"renamed{ending}")), waveform)
        (tmp_path / f"renamed{ending}").rename(path)
    assert np.array_equal(read_audio_noted("member", content=path.read_bytes())[0], waveform)


@pytest.mark.parametrize("rate", [8000, 11025, 24000, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_mp3_without_a_header_of_its_length_is_read_by_its_frames(tmp_path, rate, channels):
    sound = np.stack([voice(SECONDS, rate)] * channels, axis=1)
    known = read_audio(encode(tmp_path / "xing.mp3", sound, sample_rate=rate))
    assert len(known) == pytest.approx(SECONDS * RATE, abs=50)  # the delay and the padding of the encoder are cut off
    for name, options in {"cbr": ("-b:a", "64k"), "vbr": ("-q:a", "6")}.items():
        waveform = read_audio(no_xing(tmp_path / f"{name}.mp3", sound, *options, sample_rate=rate))
        assert -0.01 < len(waveform) / RATE - SECONDS < 0.3
        assert np.abs(waveform).max() < 1


def test_mp3_whose_first_frames_are_larger_than_the_others_is_read_to_its_end(tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.3, 2 * 22050)
    sound = np.concatenate([noise, 0.01 * voice(10, 22050), voice(1, 22050)]).astype(np.float32)
    waveform = read_audio(no_xing(tmp_path / "a.mp3", sound, "-q:a", "5"))
    assert len(waveform) / RATE == pytest.approx(13, abs=0.1)
    assert np.abs(waveform[-RATE:]).max() > 0.3


def id3(body: bytes, picture: bytes) -> bytes:
    """An mp3 behind an ID3v2 tag with a picture."""

    def size(number: int) -> bytes:
        return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))

    frame = b"APIC" + size(len(picture) + 14) + b"\0\0" + b"\0image/jpeg\0\3\0" + picture
    return b"ID3\4\0\0" + size(len(frame)) + frame + body


@pytest.mark.parametrize("xing", ["0", "1"])
def test_tags_and_junk_around_an_mp3_are_not_sound(tmp_path, xing):
    path = encode(tmp_path / "a.mp3", voice(SECONDS, 22050), "-write_xing", xing, sample_rate=22050)
    plain, content = read_audio(path), path.read_bytes()
    around = {
        "picture": id3(content, 200 * JUNK),
        "id3v1": content + b"TAG" + bytes(125),
        "ape": content + b"APETAGEX" + bytes(24) + JUNK + b"APETAGEX" + bytes(24),
        "junk before": JUNK[:1000] + content,
        "zeros before": bytes(200000) + content,
    }
    for name, changed in around.items():
        path.write_bytes(changed)
        assert len(read_audio(path)) == pytest.approx(len(plain), abs=0.1 * RATE), name


def test_a_cut_mp3_has_the_length_of_what_is_left(tmp_path):
    path = encode(tmp_path / "a.mp3", voice(6, 22050), "-b:a", "64k", sample_rate=22050)
    content = path.read_bytes()
    for share in (0.3, 0.5001, 0.77):
        path.write_bytes(content[: int(share * len(content))])
        waveform, found = read_with_warnings(path)
        assert len(waveform) / RATE == pytest.approx(6 * share, abs=0.15)
        assert np.abs(waveform).max() < 1
        assert (
            f"a.mp3: its header announces 6.00 s, {len(waveform) / RATE:.2f} s are read; the file is cut off" in found
        )


@pytest.mark.parametrize("announced_s", [1.0, 60.0, 10.0**6])
def test_the_length_in_an_mp3s_header_is_compared_and_not_believed(tmp_path, announced_s):
    path = encode(tmp_path / "a.mp3", voice(SECONDS, 24000), sample_rate=24000)
    content = path.read_bytes()
    place = max(content.find(b"Xing"), content.find(b"Info")) + 8
    path.write_bytes(content[:place] + struct.pack(">I", int(announced_s * 24000 / 576)) + content[place + 4 :])
    waveform, found = read_with_warnings(path)
    assert len(waveform) / RATE == pytest.approx(SECONDS, abs=0.06)
    assert f"{len(waveform) / RATE:.2f} s are read" in found


@pytest.mark.parametrize("name", ["a.mp3", "a.flac", "a.ogg", "a.opus"])
def test_joined_files_are_read_to_the_end_of_the_last(tmp_path, name):
    path = tmp_path / name
    options = {"a.ogg": ("-c:a", "libvorbis"), "a.opus": ("-c:a", "libopus")}.get(name, ())
    encode(path, voice(SECONDS, 48000), *options, sample_rate=48000)
    path.write_bytes(2 * path.read_bytes())
    waveform, found = read_with_warnings(path)
    assert len(waveform) / RATE == pytest.approx(2 * SECONDS, abs=0.15)
    assert "its header announces 3.1" in found


@pytest.mark.parametrize("name", ["a.ogg", "a.opus", "a.flac", "a.webm", "a.m4a", "a.aac", "a.aiff", "a.caf", "a.wma"])
def test_what_is_left_of_a_cut_file_is_read_with_a_warning(tmp_path, name):
    options = {"a.ogg": ("-c:a", "libvorbis"), "a.m4a": ("-movflags", "+faststart")}.get(name, ())
    path = encode(tmp_path / name, voice(6, 48000), *options, sample_rate=48000)
    content = path.read_bytes()
    path.write_bytes(content[: int(0.6 * len(content))])
    waveform, found = read_with_warnings(path)
    assert 2 < len(waveform) / RATE < 4.5
    assert f"{name}: " in found
    assert f"{len(waveform) / RATE:.2f} s are read" in found


def place_of(part: np.ndarray, waveform: np.ndarray) -> float:
    """Seconds from the begin of a waveform to where it agrees best with a part."""
    return float(np.correlate(waveform, part, "valid").argmax()) / RATE


def babble(seconds: float, sample_rate: int = 48000) -> np.ndarray:
    """Noise that repeats nothing, so that each part of it has one place."""
    noise = np.random.default_rng(0).normal(0, 0.2, round(seconds * RATE)).astype(np.float32)
    return np.clip(resample_audio(np.convolve(noise, np.ones(8) / 4, "same"), RATE, sample_rate), -1, 1)


@pytest.mark.parametrize("how", ["lost", "damaged"])
@pytest.mark.parametrize(("name", "codec"), [("a.opus", "libopus"), ("a.ogg", "libvorbis"), ("a.oga", "flac")])
def test_what_follows_a_lost_ogg_page_keeps_its_time(tmp_path, name, codec, how):
    path = encode(tmp_path / name, babble(9), "-c:a", codec, "-page_duration", "500000", sample_rate=48000)
    whole = read_audio(path)
    pages = path.read_bytes().split(b"OggS")[1:]
    if how == "lost":
        del pages[6:8]
    else:
        pages[6] = pages[6][:-50] + bytes(50)
    path.write_bytes(b"".join(b"OggS" + page for page in pages))
    waveform, found = read_with_warnings(path)
    assert len(waveform) == pytest.approx(len(whole), abs=0.05 * RATE)
    for second in (0, 7):  # before and behind the hole
        part = whole[second * RATE : (second + 1) * RATE]
        assert place_of(part, waveform) == pytest.approx(second, abs=0.03)
    assert "its time stamps have holes without sound (" in found
    assert "they are filled with silence" in found
    assert ("checksums are wrong" in found) == (how == "damaged")
    assert "cut off" not in found


@pytest.mark.parametrize(("name", "codec"), [("a.opus", "libopus"), ("a.ogg", "libvorbis")])
def test_a_lost_first_page_of_sound_is_told(tmp_path, name, codec):
    path = encode(tmp_path / name, babble(6), "-c:a", codec, sample_rate=48000)
    pages = path.read_bytes().split(b"OggS")[1:]
    path.write_bytes(b"".join(b"OggS" + page for page in pages[:2] + pages[3:]))
    waveform, found = read_with_warnings(path)
    assert len(waveform) / RATE == pytest.approx(5, abs=0.1)
    assert "its time stamps begin at 1.0" in found
    assert "the time before that is left out" in found


GAP = ("-af", "aselect='lt(t,3)+gt(t,5)'")


@pytest.mark.parametrize("name", ["a.webm", "a.mkv", "a.m4a", "a.mov"])
def test_a_pause_of_a_recording_is_silence(tmp_path, name):
    options = ("-c:a", "libopus") if name == "a.webm" else ("-c:a", "aac")
    sound = babble(9)
    waveform, found = read_with_warnings(encode(tmp_path / name, sound, *GAP, *options, sample_rate=48000))
    assert len(waveform) / RATE == pytest.approx(9, abs=0.1)
    assert place_of(resample_audio(sound[-96000:], 48000, RATE)[:RATE], waveform) == pytest.approx(7, abs=0.05)
    assert np.abs(waveform[int(3.3 * RATE) : int(4.7 * RATE)]).max() == 0
    assert found.count(";") == 1
    assert " s at 3.0" in found


def test_a_sound_track_that_starts_later_than_the_video_keeps_its_time(tmp_path):
    sound = encode(tmp_path / "a.m4a", babble(3), sample_rate=48000)
    picture = film(tmp_path / "mute.mp4", 5)
    whole = read_audio(sound)
    for name in ("a.mp4", "a.mkv"):
        run_ffmpeg("-i", str(picture), "-itsoffset", "2", "-i", str(sound), "-c", "copy", str(tmp_path / name))
        waveform, found = read_with_warnings(tmp_path / name)
        assert place_of(whole[:RATE], waveform) == pytest.approx(2, abs=0.05)
        assert " s at 0.00 s); they are filled with silence" in found


def test_time_stamps_that_begin_late_without_a_video_are_told(tmp_path):
    sound = encode(tmp_path / "a.m4a", babble(3), sample_rate=48000)
    for name in ("b.m4a", "a.mka"):
        run_ffmpeg("-itsoffset", "2", "-i", str(sound), "-c", "copy", str(tmp_path / name))
        waveform, found = read_with_warnings(tmp_path / name)
        assert len(waveform) / RATE == pytest.approx(3, abs=0.1)
        assert "its time stamps begin at " in found
        assert "cut off" not in found


def test_a_time_stamp_far_away_is_no_silence(tmp_path):
    late = ("-af", "asetpts='PTS+gt(T,1)*{}/TB'")
    for gap_s, is_filled in ((50, True), (3600, False), (30 * 3600, False)):
        options = (late[0], late[1].format(gap_s))
        path = encode(tmp_path / "a.mka", babble(3), *options, "-c:a", "libopus", sample_rate=48000)
        waveform, found = read_with_warnings(path)
        assert len(waveform) / RATE == pytest.approx(3 + gap_s * is_filled, abs=0.1)
        assert ("too long to be filled with silence; what follows them comes too early" in found) != is_filled
        assert "cut off" not in found


@pytest.mark.parametrize("rate", [RATE, 44100, 96000])
def test_a_damaged_flac_frame_is_told_and_keeps_its_time(tmp_path, rate):
    path = tmp_path / "a.flac"
    soundfile.write(path, babble(6, rate), rate)
    whole, content = read_audio(path), bytearray(path.read_bytes())
    for place in (0.3, 0.5, 0.500001):
        content[int(place * len(content))] ^= 0xFF
    path.write_bytes(content)
    waveform, found = read_with_warnings(path)
    assert len(waveform) == len(whole)
    assert np.allclose(waveform[-2 * RATE :], whole[-2 * RATE :], atol=1e-4)
    assert np.abs(waveform).max() <= 1.1 * np.abs(whole).max()
    assert "its time stamps have holes without sound (0." in found


@pytest.mark.parametrize("codec", ["adpcm_ms", "adpcm_ima_wav"])
@pytest.mark.parametrize("fixed_header", [False, True])
def test_the_incomplete_last_block_of_a_cut_adpcm_wav_is_left_out(tmp_path, codec, fixed_header):
    path = encode(tmp_path / "a.wav", tone(100, 4), "-c:a", codec)
    whole, content = read_audio(path), path.read_bytes()
    data = content.find(b"data") + 8
    for share in (0.31, 0.5, 0.77):
        size = int(share * len(content))
        cut = content[:size]
        if fixed_header:
            cut = cut[: data - 4] + struct.pack("<I", size - data) + cut[data:]
        path.write_bytes(cut)
        waveform, found = read_with_warnings(path)
        assert 4 * share - 0.15 < len(waveform) / RATE < 4 * share
        assert np.array_equal(waveform, whole[: len(waveform)])
        assert "its last block is incomplete (" in found
        assert ("header announces 4." in found) != fixed_header


def test_a_flac_is_read_beyond_the_length_in_its_header(tmp_path):
    sound = np.concatenate([voice(SECONDS)] * 3)
    path = tmp_path / "a.flac"
    soundfile.write(path, sound, RATE)
    content = path.read_bytes()
    for num_samples in (0, RATE, 100 * RATE):  # the last 32 bits of the count; 0 stands for an unknown length
        path.write_bytes(content[:22] + struct.pack(">I", num_samples) + content[26:])
        waveform, found = read_with_warnings(path)
        assert np.abs(waveform - sound).max() < 1e-4
        assert ("its header announces" in found) == (num_samples > 0)


def test_a_video_is_its_first_sound_track(tmp_path):
    sound = encode(tmp_path / "a.m4a", voice(2, 48000), sample_rate=48000)
    other = encode(tmp_path / "b.m4a", tone(440, 2, 48000), sample_rate=48000)
    picture = film(tmp_path / "mute.mp4", 2)
    inputs = [part for path in (picture, sound, other) for part in ("-i", str(path))]
    for name in ("a.mp4", "a.mov", "a.mkv"):
        run_ffmpeg(*inputs, "-map", "0", "-map", "1", "-c", "copy", str(tmp_path / name))
        assert np.allclose(read_audio(tmp_path / name)[:30000], read_audio(sound)[:30000], atol=1e-3), name
    run_ffmpeg(*inputs, "-map", "0", "-map", "1", "-map", "2", "-c", "copy", str(tmp_path / "two.mp4"))
    waveform, found = read_with_warnings(tmp_path / "two.mp4")
    assert np.array_equal(waveform, read_audio(tmp_path / "a.mp4"))
    assert "it has 2 sound tracks; the first is read" in found
    with pytest.raises(InputError, match=r"mute\.mp4: it has no sound track"):
        read_audio(picture)


def test_a_video_that_lasts_longer_than_its_sound_is_told(tmp_path):
    sound = encode(tmp_path / "a.m4a", voice(2, 48000), sample_rate=48000)
    picture = film(tmp_path / "mute.mp4", 5)
    run_ffmpeg("-i", str(picture), "-i", str(sound), "-c", "copy", str(tmp_path / "a.mp4"))
    assert "the video lasts 5.00 s and its sound 2.0" in read_with_warnings(tmp_path / "a.mp4")[1]


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\n{path}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{path}'\n",
    "concat without a first line": "# files\nfile '{path}'\nfile '{path}'\n",
    "pls": "[playlist]\nFile1={path}\nNumberOfEntries=1\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{path}</BaseURL></MPD>',
    "text": "no sound at all\n",
    "page": "<!DOCTYPE html><html><body>404 not found</body></html>",
}


@pytest.mark.parametrize("ending", [".mp3", ".m4a", ".wav", ".mp4"])
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_text_that_names_other_files_is_refused_whatever_it_is_called(tmp_path, kind, ending):
    sound = encode(tmp_path / "secret.aac", voice(1))
    text = PLAYLISTS[kind].format(path=sound).encode()
    for content in (text, b"\xef\xbb\xbf" + text, b"\n \n" + text, id3(text, b"")):
        (tmp_path / f"a{ending}").write_bytes(content)
        with pytest.raises(InputError, match=rf"a\{ending}: ") as error:
            read_audio(tmp_path / f"a{ending}")
        assert "\n" not in str(error.value)
        assert "moov" not in str(error.value)


@pytest.mark.parametrize("name", ["a.m4a", "a.mp4", "a.mov", "a.wav", "a.mp3", "a.bvh", "a"])
def test_content_that_is_no_sound_is_called_so(tmp_path, name):
    texts = ["HIERARCHY\nROOT Hips\n{\n", "# comment\nfile 'b.wav'\n", "Grüße, das ist Text\n" * 100]
    for content in (*(text.encode() for text in texts), texts[2].encode("utf-16"), texts[2].encode("latin-1")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(
            InputError, match=f"{name}: cannot be read as sound: its content is text, no sound; give the"
        ):
            read_audio(tmp_path / name)
    (tmp_path / name).write_bytes(b"A" + 60 * JUNK)
    with pytest.raises(InputError, match="cannot be read as sound") as error:
        read_audio(tmp_path / name)
    assert "moov" not in str(error.value)
    assert "Invalid data" not in str(error.value)


def test_a_recording_that_was_not_finished_is_called_so(tmp_path):
    path = encode(tmp_path / "a.m4a", voice(3, 48000), sample_rate=48000)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(
        InputError, match=r"a\.m4a: cannot be read as sound: moov atom not found: the recording was not"
    ):
        read_audio(path)


@pytest.mark.parametrize("size", [1, 100, 1000, 300000])
@pytest.mark.parametrize("ending", [".wav", ".mp3", ".m4a", ".raw", ".vox", ".au"])
def test_bytes_that_are_no_sound_are_refused(tmp_path, size, ending):
    (tmp_path / f"a{ending}").write_bytes((b"A" + 60 * JUNK)[:size])
    with pytest.raises(InputError, match=rf"a\{ending}: cannot be read as sound"):
        read_audio(tmp_path / f"a{ending}")


@pytest.mark.parametrize("rate", [1, 999, 2_000_000_000])
def test_sample_rates_that_no_recording_has_are_refused(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", np.zeros(8000, np.float32), rate)
    with pytest.raises(InputError, match=rf"a\.wav: its header says {rate} samples per second"):
        read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_the_length_is_bounded(tmp_path, monkeypatch, name):
    monkeypatch.setattr(sound_file, "MAX_DURATION_S", 3600)
    soundfile.write(tmp_path / name, np.zeros(3700 * 1000, np.int16), 1000)
    with pytest.raises(InputError, match="longer than 1 hours; cut it"):
        read_audio(tmp_path / name, 100)


def test_without_ffmpeg_libsndfile_reads_what_it_can(tmp_path, monkeypatch):
    for name in ("a.m4a", "a.mp3", "a.flac", "a.wav"):
        encode(tmp_path / name, voice(SECONDS, 24000), sample_rate=24000)
    no_xing(tmp_path / "b.mp3", voice(SECONDS, 24000), sample_rate=24000)

    def none() -> str:
        raise ffmpeg.NoFfmpeg("ffmpeg was not found: `pip install imageio-ffmpeg`")

    monkeypatch.setattr(ffmpeg, "ffmpeg_command", none)
    with pytest.raises(InputError, match=r"a\.m4a: ffmpeg was not found: `pip install imageio-ffmpeg`$"):
        read_audio(tmp_path / "a.m4a")
    for name in ("a.mp3", "b.mp3", "a.flac"):
        waveform, found = read_with_warnings(tmp_path / name)
        assert len(waveform) / RATE == pytest.approx(SECONDS, abs=0.1)
        assert found.startswith(f"{tmp_path / name}: ffmpeg was not found")
        assert "announces" not in found
    assert len(read_audio(tmp_path / "a.wav")) == round(SECONDS * RATE)


def test_warnings_reach_the_caller_and_notices_do_not_repeat_them(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.stack([voice(1, 8000), -voice(1, 8000)], axis=1), 8000)
    with pytest.warns(InputWarning, match=r"a\.wav: its channels cancel each other in their mean; channel 1 is used"):
        waveform, notices = read_audio_noted(tmp_path / "a.wav")
    assert notices == ["the sound has 8000 Hz and 2 channel(s): read as one channel at 16000 Hz"]
    assert np.abs(waveform[1000:-1000] - voice(1)[1000:-1000]).max() < 0.01
