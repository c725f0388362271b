import shutil
import subprocess

import imageio_ffmpeg
import numpy as np
import pytest
from sounds import encode, voice

from emage.errors import InputError
from emage.ffmpeg import NoFfmpeg, ffmpeg_command, input_arguments, open_sound_track

PLAYLIST = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\n{path}\n#EXT-X-ENDLIST\n"
SCRIPT = "ffconcat version 1.0\nfile '{path}'\n"


def test_the_sound_arrives_in_blocks(tmp_path):
    sound = np.stack([voice(2, 8000), -0.5 * voice(2, 8000)], axis=1)
    path = encode(tmp_path / "a.caf", sound, "-c:a", "pcm_f32le", sample_rate=8000)
    with open_sound_track(path) as track:
        blocks = list(track.blocks(3000))
        assert (track.sample_rate, track.num_channels, track.demuxer()) == (8000, 2, "caf")
        assert (track.num_tracks(), track.damage()) == (1, None)
    assert {len(block) for block in blocks[:-1]} == {3000}
    assert np.array_equal(np.concatenate(blocks), sound)


def test_a_reader_that_stops_early_leaves_no_process_behind(tmp_path):
    path = encode(tmp_path / "a.m4a", voice(60, 48000), sample_rate=48000)
    with open_sound_track(path) as track:
        next(track.blocks(100))
        process = track._process
    assert process.returncode is not None


def plainly_decoded(path, *, demuxer: str, more: tuple[str, ...]) -> bool:
    """Whether ffmpeg without our restrictions opens the file that `path` names."""
    command = [ffmpeg_command(), "-v", "error", *more, "-f", demuxer, "-i", str(path), "-f", "null", "-"]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


@pytest.mark.parametrize("ending", [".mp3", ".m4a", ".aac", ".m3u8", ".ffconcat"])
@pytest.mark.parametrize(
    ("text", "demuxer", "more"),
    [
        (PLAYLIST, "hls", ("-allowed_extensions", "ALL", "-extension_picky", "0")),
        (SCRIPT, "concat", ("-safe", "0")),
    ],
)
def test_no_file_makes_ffmpeg_open_another(tmp_path, text, demuxer, more, ending):
    secret = encode(tmp_path / "secret.aac", voice(1))
    path = tmp_path / f"a{ending}"
    path.write_text(text.format(path=secret))
    assert plainly_decoded(path, demuxer=demuxer, more=more)
    with pytest.raises(InputError, match=r"a\.\w+: cannot be read as sound: "), open_sound_track(path) as track:
        list(track.blocks(1000))
    done = subprocess.run([ffmpeg_command(), *input_arguments(path), "-f", "null", "-"], capture_output=True, text=True)
    assert done.returncode != 0
    assert "secret" not in done.stderr


@pytest.mark.parametrize("name", ["-y.m4a", "per%d cent.m4a", "quo'te.m4a", "pipe:0", "http:", "音.m4a"])
def test_no_name_is_an_option_or_a_pattern(tmp_path, monkeypatch, name):
    encode(tmp_path / "a.m4a", voice(1, 48000), sample_rate=48000).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    with open_sound_track(name) as track:
        assert sum(map(len, track.blocks(10000))) == pytest.approx(48000, abs=2400)


def test_errors_name_the_file_the_cause_and_a_remedy(tmp_path):
    path = encode(tmp_path / "a.m4a", voice(1))
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InputError, match=r"^b\.zip: a: cannot be read as sound: moov atom not found: the recording"):
        with open_sound_track(path, "b.zip: a"):
            pass


def test_a_machine_without_ffmpeg(tmp_path, monkeypatch):
    def none() -> str:
        raise RuntimeError("no ffmpeg exe could be found")

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", none)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(NoFfmpeg, match="ffmpeg was not found: `pip install imageio-ffmpeg`"):
        ffmpeg_command()
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert ffmpeg_command() == "/usr/bin/ffmpeg"
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(tmp_path / "absent"))
    with pytest.raises(NoFfmpeg, match="ffmpeg cannot be started: "), open_sound_track(tmp_path / "a.m4a"):
        pass
