"""Sounds as people have them, through the commands: what is made of them, and what stderr says."""

import io

import numpy as np
import pytest
import soundfile
from other_systems import write_system
from sounds import RATE, encode, film, run_ffmpeg, voice
from tiny_bundles import camn_bundle
from viewer.results import performance

from emage.checkpoint import save_bundle
from emage.cli import main
from emage.performance_file import read_performance_file

SECONDS = 2.4


def doubtful(path) -> str:
    """Writes a sound with an oddity by its name; gives what the warning says."""
    sound = voice(SECONDS)
    if path.name == "inverted.wav":
        soundfile.write(path, np.stack([sound, -sound], axis=1), RATE)
        return "its channels cancel each other"
    if path.name == "scaled.wav":
        soundfile.write(path, 32768 * sound, RATE, subtype="FLOAT")
        return "divided by 32768"
    if path.name == "piped.wav":
        buffer = io.BytesIO()
        soundfile.write(buffer, sound, RATE, format="WAV")
        content = buffer.getvalue()
        path.write_bytes(content[:40] + b"\xff\xff\xff\xff" + content[44:])
        return "its header gives no length"
    encode(path, np.concatenate([sound, sound]), "-b:a", "64k")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return "its header announces 4.80 s"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint") / "best"
    save_bundle(folder, camn_bundle())
    return folder


@pytest.mark.parametrize("name", ["inverted.wav", "scaled.wav", "piped.wav", "cut.mp3"])
def test_generate_and_view_warn_once_about_doubtful_sound(tmp_path, checkpoint, capsys, name):
    told = doubtful(tmp_path / name)
    options = ["--checkpoint", str(checkpoint), "--out", str(tmp_path / "out"), "--formats", "npz"]
    assert main(["generate", str(tmp_path / name), *options]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert len(lines) == 1
    assert lines[0].startswith(f"warning: {tmp_path / name}: ")
    assert told in lines[0]
    result = read_performance_file((tmp_path / "out" / name).with_suffix(".npz"))
    assert result.num_frames / result.fps == pytest.approx(SECONDS, abs=0.15)
    performance().save_npz(tmp_path / "a.npz")
    page = ["--audio", str(tmp_path / name), "--out", str(tmp_path / "page.html")]
    assert main(["view", str(tmp_path / "a.npz"), *page]) == 0
    assert [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")] == lines


@pytest.mark.parametrize("name", ["a.m4a", "a.aac", "a.webm", "a.mp4", "a.mov"])
def test_generate_view_and_evaluate_take_phones_and_browsers_recordings(tmp_path, checkpoint, capsys, name):
    (tmp_path / "audio").mkdir()
    sound = encode(tmp_path / "audio" / name, voice(6, 48000), sample_rate=48000)
    if name in ("a.mp4", "a.mov"):
        film(tmp_path / "mute.mp4", 6)
        run_ffmpeg("-i", str(tmp_path / "mute.mp4"), "-i", str(sound), "-c", "copy", str(tmp_path / name))
        (tmp_path / name).replace(sound)
    options = ["--checkpoint", str(checkpoint), "--out", str(tmp_path / "out"), "--formats", "bvh"]
    assert main(["generate", str(sound), *options]) == 0
    page = tmp_path / "page.html"
    assert main(["view", str(tmp_path / "out" / "a.bvh"), "--audio", str(sound), "--out", str(page)]) == 0
    assert '"sound": null' not in page.read_text(encoding="utf-8")
    real = write_system(tmp_path / "real", ("a",), fps=30.0)
    folders = ["--generated", str(real), "--reference", str(real), "--audio", str(sound.parent)]
    code = main(["evaluate", *folders, "--out", str(tmp_path / "report")])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    assert "warning: " not in captured.err
    assert '"beat_align"' in (tmp_path / "report" / "metrics.json").read_text()
