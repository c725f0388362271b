"""`emage convert-face` and `tools/fit_face_map.py`, as a user runs them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from face_corpora import make_beat2, make_emoca_sequence, singing_codes

from emage.cli import main
from emage.errors import InputError, InputWarning, collected_warnings
from emage.motion.arkit import read_arkit, write_arkit_json
from emage.motion.arkit_file import read_arkit_file
from emage.motion.arkit_flame import load_face_map
from emage.motion.face_file import read_face
from emage.motion.flame_file import read_flame
from emage.motion.layout import ARKIT_51
from emage.motion.livelink import write_livelink_csv
from tools import fit_face_map


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A fitted map, and a face of each kind."""
    root = tmp_path_factory.mktemp("faces")
    arguments = ["--synthetic", "1500", "--kinds", "linear", "squares", "--out", str(root / "map.safetensors")]
    assert fit_face_map.main(arguments) == 0
    weights, _ = fit_face_map.synthetic_pairs(60, seed=9)
    write_arkit_json(root / "face.json", weights.float(), 60)
    np.savez(root / "singing.npz", **singing_codes(50))
    make_emoca_sequence(root / "emoca", frames=30)
    make_beat2(root / "beat2", frames=30)
    return root


def test_arkit_to_flame_and_back_is_reported_and_near(folder, tmp_path, capsys):
    report = tmp_path / "cost.json"
    out, back = tmp_path / "face.npz", tmp_path / "back.json"
    options = ["--map", str(folder / "map.safetensors"), "--report", str(report)]
    assert main(["convert-face", str(folder / "face.json"), str(out), "--to", "flame50", *options]) == 0
    cost = json.loads(report.read_text())
    assert cost["there_and_back_rmse_mouth"] < 0.05
    assert cost["jaw_correlation"] > 0.8
    assert cost["held_out_mean_predictor_rmse"] > cost["held_out_there_and_back_rmse"]
    codes = read_flame(out)
    assert codes.values.shape == (60, 59)
    assert read_face(out).fps == 60
    assert main(["convert-face", str(out), str(back), "--to", "arkit", *options]) == 0
    cost = json.loads(report.read_text())
    assert {"expression_rmse", "jaw_rmse_rad", "saturated_at_0", "saturated_at_1"} <= cost.keys()
    made, real = read_arkit(back), read_arkit(folder / "face.json")
    assert made.fps == 60
    mouth = [k for k, name in enumerate(real.names) if name.startswith("mouth")]
    assert (made.weights - real.weights)[:, mouth].square().mean().sqrt() < 0.05
    assert "there_and_back_rmse_mouth" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "fps", "frames"),
    [
        ("singing.npz", 30, 50),
        ("emoca/trainset/V0-GRID/V0-s1-00001", 25, 30),
        ("beat2/smplxflame_30/2_scott_0_1_1.npz", 30, 30),
    ],
)
def test_codes_of_every_corpus_become_arkit(folder, tmp_path, source, fps, frames):
    out = tmp_path / "out.json"
    options = ["--to", "arkit", "--map", str(folder / "map.safetensors")]
    assert main(["convert-face", str(folder / source), str(out), *options]) == 0
    face = read_arkit(out)
    assert (face.fps, face.num_frames) == (fps, frames)


def phone_csv(path: Path, lost: slice) -> Path:
    """60 frames at 30 fps, some of them without a face."""
    weights, _ = fit_face_map.synthetic_pairs(60, seed=4)
    write_livelink_csv(path, weights.float(), 30)
    lines = path.read_text().splitlines()
    rows = lines[1:]
    rows[lost] = [row[:15] + ",0" for row in rows[lost]]
    path.write_text("\n".join([lines[0], *rows]))
    return path


def test_frames_in_which_the_phone_lost_the_face_stay_marked(folder, tmp_path, capsys):
    source = phone_csv(tmp_path / "phone.csv", slice(20, 35))
    assert main(["convert-face", str(source), str(tmp_path / "a.json"), "--to", "arkit"]) == 0
    assert "warning: " in (error := capsys.readouterr().err)
    assert "15 of 60 rows hold no face" in error
    assert read_arkit(tmp_path / "a.json").num_frames == 45
    known = [k for k in range(60) if not 20 <= k < 35]
    face = read_face(tmp_path / "a.json")
    assert (len(face.values), face.fps) == (60, 30)
    assert face.valid.nonzero().ravel().tolist() == known
    options = ["--to", "flame50", "--map", str(folder / "map.safetensors")]
    assert main(["convert-face", str(source), str(tmp_path / "a.npz"), *options]) == 0
    face = read_face(tmp_path / "a.npz")
    assert (len(face.values), face.fps, face.valid.nonzero().ravel().tolist()) == (60, 30, known)
    np.savez(tmp_path / "b.npz", **dict(np.load(tmp_path / "a.npz")) | {"valid": np.ones(7)})
    with pytest.raises(InputError, match=r"valid is float64 \(7,\); expected bool \(60,\)"):
        read_face(tmp_path / "b.npz")


def test_audio2face_is_converted_at_the_rate_given_where_it_names_none(tmp_path):
    node = {"facsNames": list(ARKIT_51), "weightMat": [[0.25] * 51] * 8}
    (tmp_path / "a.json").write_text(json.dumps(node))
    arguments = ["convert-face", str(tmp_path / "a.json"), str(tmp_path / "b.json"), "--to", "arkit"]
    assert main(arguments) == 1
    assert main([*arguments, "--fps", "25"]) == 0
    assert read_arkit(tmp_path / "b.json").fps == 25
    assert main([*arguments, "--fps", "nan"]) == 1


def test_flame_to_flame_needs_no_map_and_keeps_the_head(folder, tmp_path):
    wide, narrow = tmp_path / "wide.npz", tmp_path / "narrow.npz"
    assert main(["convert-face", str(folder / "singing.npz"), str(wide), "--to", "flame100"]) == 0
    assert read_face(wide).layout == "flame_103"
    assert main(["convert-face", str(wide), str(narrow), "--to", "flame50"]) == 0
    np.testing.assert_array_equal(read_flame(narrow).values, read_flame(folder / "singing.npz").values)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["face.json", "out.npz", "--to", "flame50"], "ARKit and FLAME need a map"),
        (["face.json", "out.json", "--to", "flame50", "--map", "map.safetensors"], "writes a .npz file"),
        (["nothing.npz", "out.json", "--to", "arkit", "--map", "map.safetensors"], "no such file"),
        (["map.safetensors", "out.json", "--to", "arkit"], "no face file"),
        (["beat2", "out.json", "--to", "arkit"], "no expcode.npy"),
    ],
)
def test_what_cannot_be_converted_is_one_line(folder, tmp_path, monkeypatch, capsys, arguments, reason):
    monkeypatch.chdir(folder)
    assert main(["convert-face", *arguments]) == 1
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1


def test_a_map_is_fitted_on_pairs_of_files_of_one_name(tmp_path, capsys):
    weights, codes = fit_face_map.synthetic_pairs(1200, seed=2)
    for number in range(6):
        rows = slice(200 * number, 200 * (number + 1))
        (tmp_path / "flame").mkdir(exist_ok=True)
        pose = torch.cat([torch.zeros(200, 6), codes[rows, 50:]], dim=1)
        np.savez(tmp_path / "flame" / f"{number}.npz", expcodes=codes[rows, :50], posecodes=pose, fps=30.0)
        # The weights at twice the rate: they are brought to the codes' by time.
        double = torch.repeat_interleave(weights[rows], 2, dim=0).float()
        write_arkit_json(tmp_path / "arkit" / f"{number}.json", double, 60)
    out = tmp_path / "map.safetensors"
    arguments = ["--arkit", str(tmp_path / "arkit"), "--flame", str(tmp_path / "flame"), "--out", str(out)]
    assert fit_face_map.main([*arguments, "--kinds", "linear"]) == 0
    errors = load_face_map(out).errors
    assert errors["num_reported"] == 200
    assert errors["flame_to_arkit_rmse"] < 0.6 * errors["mean_predictor_rmse"]
    assert f"{out}: 1200 frames, 43 channels, flame_53" in capsys.readouterr().out
    assert fit_face_map.main(["--arkit", str(tmp_path), "--flame", str(tmp_path), "--out", str(out)]) == 1
    assert "of one name" in capsys.readouterr().err


def test_help_of_both_has_an_example(capsys):
    for command, example in ((main, "emage convert-face face.json"), (fit_face_map.main, "--synthetic 8000")):
        with pytest.raises(SystemExit, match="0"):
            command(["convert-face", "--help"] if command is main else ["--help"])
        assert example in capsys.readouterr().out


def test_the_rate_of_a_short_csv_is_given_as_its_warning_says(tmp_path, capsys):
    """Half a second counted at 30 fps: read as 60 with a warning, at the true rate after `convert-face --fps`."""
    write_livelink_csv(tmp_path / "a.csv", torch.full((15, 51), 0.1), 30)
    lines = (tmp_path / "a.csv").read_text().splitlines()
    for frame in range(15):
        lines[frame + 1] = f"10:00:00:{frame:02d}" + lines[frame + 1][lines[frame + 1].index(",") :]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    with pytest.warns(InputWarning, match="60 fps; if that is wrong, .* `emage convert-face --to arkit --fps`"):
        assert read_arkit_file(tmp_path / "a.csv").fps == 60
    assert (
        main(["convert-face", str(tmp_path / "a.csv"), str(tmp_path / "b.json"), "--to", "arkit", "--fps", "30"]) == 0
    )
    assert "warning" not in capsys.readouterr().err
    with collected_warnings() as doubts:
        assert read_arkit_file(tmp_path / "b.json").fps == 30
    assert doubts == []
