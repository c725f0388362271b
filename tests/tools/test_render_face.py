"""Pictures of faces: every kind of face, with a model and without one; what moves is seen to move."""

from pathlib import Path

import numpy as np
import pytest
import torch
from face_corpora import make_emoca_sequence, singing_codes, sound, wav_bytes
from PIL import Image

from emage.motion.arkit import write_arkit_json
from emage.motion.layout import ARKIT_51
from tools import make_flame_model

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    assert make_flame_model.main(["--out", str(root / "model")]) == 0
    weights = torch.zeros(24, 51)
    weights[12:, ARKIT_51.index("jawOpen")] = 0.8
    weights[:, ARKIT_51.index("browInnerUp")] = torch.linspace(0, 0.5, 24)
    write_arkit_json(root / "face.json", weights, 24)
    np.savez(root / "song.npz", **singing_codes(20))
    make_emoca_sequence(root / "emoca", frames=15)
    (root / "face.wav").write_bytes(wav_bytes(sound(1)))
    return root


@pytest.fixture
def render_face(monkeypatch):
    """The tool as its script sees itself, with its own folder on the path."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    import render_face

    return render_face


def faces_of(sheet: Path, columns: int = 6, rows: int = 2) -> list[np.ndarray]:
    """The pictures of a contact sheet, in order."""
    image = np.asarray(Image.open(sheet).convert("L"), dtype=float)
    cell = image.shape[1] // columns
    return [
        image[r * cell + 24 : (r + 1) * cell, c * cell : (c + 1) * cell] for r in range(rows) for c in range(columns)
    ]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["face.json"], "landmarks of a made-up head"),
        (["song.npz", "--model", "model"], "mesh of model"),
        (["emoca/trainset/V0-GRID/V0-s1-00001", "--model", "model", "--no-head"], "mesh of model"),
        (["song.npz"], "landmarks of a made-up head: the jaw only (no model, no map)"),
    ],
)
def test_every_kind_of_face_gets_its_sheet(folder, tmp_path, monkeypatch, render_face, capsys, arguments, what):
    monkeypatch.chdir(folder)
    out = tmp_path / "x.mp4"
    assert render_face.main([*arguments, "--out", str(out), "--no-video"]) == 0
    assert what in capsys.readouterr().out
    faces = faces_of(out.with_suffix(".png"))
    assert all(face.std() > 5 for face in faces)
    assert not out.exists()


def test_an_open_jaw_is_seen(folder, tmp_path, render_face):
    out = tmp_path / "x.mp4"
    assert render_face.main([str(folder / "face.json"), "--out", str(out), "--no-video"]) == 0
    faces = faces_of(out.with_suffix(".png"))
    lower = [face[len(face) // 2 :] for face in faces]
    assert np.abs(lower[0] - lower[11]).mean() > 3 * np.abs(lower[0] - lower[4]).mean()


def test_a_video_has_its_frames_and_its_sound(folder, tmp_path, render_face):
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    out = tmp_path / "x.mp4"
    options = ["--audio", str(folder / "face.wav"), "--seconds", "0.25", "0.75", "--out", str(out)]
    assert render_face.main([str(folder / "face.json"), *options]) == 0
    reader = imageio_ffmpeg.read_frames(str(out))
    facts = next(reader)
    assert facts["fps"] == 24
    assert facts["source_size"] == (1200, 480)
    assert sum(1 for _ in reader) == 12
    assert facts["audio_codec"] == "aac"
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["face.json", "--out", "x.avi"], "a video is an .mp4 file"),
        (["face.json", "--out", "x.mp4", "--model", "model"], "ARKit weights need a map"),
        (["face.json", "--out", "x.mp4", "--seconds", "5", "9"], "--seconds: 5 to 9 of a face of 1.00 s"),
        (["song.npz", "--out", "x.mp4", "--model", "emoca"], "no FLAME model in it"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(folder, monkeypatch, render_face, capsys, arguments, reason):
    monkeypatch.chdir(folder)
    assert render_face.main(arguments) == 1
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
