"""Outputs over inputs, in the function and in the commands that call it."""

import os

import numpy as np
import pytest
import render_face
import soundfile
import torch
from viewer.results import performance, tone

from emage.cli import main
from emage.errors import InputError
from emage.motion.arkit import write_arkit_json
from emage.motion.face_file import write_codes_npz
from emage.output_paths import check_outputs


def refused(outputs, inputs) -> str:
    with pytest.raises(InputError) as caught:
        check_outputs(outputs, inputs, remedy="give another --out")
    message = str(caught.value)
    assert message.endswith("; give another --out")
    return message


def test_what_is_read_is_refused_by_whatever_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "a.bvh"
    source.write_text("x")
    (tmp_path / "below").mkdir()
    os.symlink("a.bvh", tmp_path / "soft.bvh")
    os.link("a.bvh", tmp_path / "hard.bvh")
    for name in ("a.bvh", "./a.bvh", "below/../a.bvh", str(source), "soft.bvh", "hard.bvh"):
        assert "it is an input" in refused([tmp_path / name if os.path.isabs(name) else name], [source])
        assert "it is an input" in refused(["new.html", name], [None, "a.bvh"])


def test_what_is_new_or_another_file_is_allowed(tmp_path):
    (tmp_path / "a.bvh").write_text("x")
    (tmp_path / "old.html").write_text("x")
    inputs = [tmp_path / "a.bvh", tmp_path / "none.wav", None, "said, not a file " * 100]
    check_outputs([tmp_path / "new.html", None, tmp_path / "old.html"], inputs, remedy="")
    check_outputs([tmp_path / "none.wav"], inputs, remedy="")  # nothing there that could be lost
    check_outputs([], [], remedy="")


def test_files_of_an_input_folder_are_inputs(tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "codes.npz").write_text("x")
    assert "it is an input" in refused([tmp_path / "in" / "deep" / "codes.npz"], [tmp_path / "in"])
    check_outputs([tmp_path / "in" / "new.npz", tmp_path / "in.npz"], [tmp_path / "in"], remedy="")


def test_folders_and_one_file_for_two_results_are_refused(tmp_path):
    assert "it is a folder" in refused([tmp_path], [])
    assert "two results" in refused([tmp_path / "a.json", tmp_path / "b" / ".." / "a.json"], [])


def test_links_without_a_target_and_in_a_circle_are_no_inputs(tmp_path):
    (tmp_path / "a.bvh").write_text("x")
    (tmp_path / "dangling.html").symlink_to("gone")
    (tmp_path / "circle.html").symlink_to("circle.html")
    check_outputs([tmp_path / "dangling.html", tmp_path / "circle.html"], [tmp_path / "a.bvh"], remedy="")


def test_generate_keeps_the_motion_that_it_is_given(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    soundfile.write("speech.wav", tone(1.0).waveform, 16000)
    assert main(["generate", "speech.wav", "--formats", "bvh,words,csv"]) == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    (tmp_path / "here").symlink_to("out")
    keep = ["--keep", "out/speech.bvh"]
    for options in (
        keep,
        [*keep, "--out", "here"],
        [*keep, "--samples", "2", "--keep", "out/speech_2.bvh"],
        ["--words", "out/speech.words.json"],
        ["--emotion", "out/speech.csv"],
    ):
        (tmp_path / "out" / "speech_2.bvh").write_bytes(before["speech.bvh"])
        capsys.readouterr()
        assert main(["generate", "speech.wav", *options]) == 1
        assert "would be replaced; give another --out" in capsys.readouterr().err
    (tmp_path / "out" / "speech_2.bvh").unlink()
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert main(["generate", "speech.wav", *keep, "--formats", "json"]) == 0  # writes no BVH
    assert main(["generate", "speech.wav", *keep, "--out", "two", "--formats", "bvh"]) == 0


def test_convert_face_keeps_its_input(tmp_path, capsys):
    codes, face = tmp_path / "face.npz", tmp_path / "face.json"
    write_codes_npz(codes, torch.zeros(4, 53), "flame_53", 30.0)
    write_arkit_json(face, performance().face, 30.0)
    before = codes.read_bytes(), face.read_bytes()
    assert main(["convert-face", str(codes), str(codes), "--to", "flame100"]) == 1
    assert "would be replaced" in capsys.readouterr().err
    assert main(["convert-face", str(face), str(face), "--to", "arkit"]) == 1
    options = ["--to", "flame100", "--report", str(codes)]
    assert main(["convert-face", str(codes), str(tmp_path / "new.npz"), *options]) == 1
    assert (codes.read_bytes(), face.read_bytes()) == before
    assert main(["convert-face", str(codes), str(tmp_path / "new.npz"), "--to", "flame100"]) == 0


def test_render_face_keeps_its_sound(tmp_path, capsys):
    write_arkit_json(tmp_path / "face.json", performance().face, 30.0)
    soundfile.write(tmp_path / "talk.flac", np.zeros(16000), 16000)
    os.link(tmp_path / "talk.flac", tmp_path / "talk.png")
    before = (tmp_path / "talk.flac").read_bytes()
    options = ["--audio", str(tmp_path / "talk.flac"), "--out", str(tmp_path / "talk.mp4")]
    assert render_face.main([str(tmp_path / "face.json"), *options]) == 1
    assert "talk.png: it is an input of this command" in capsys.readouterr().err
    assert (tmp_path / "talk.flac").read_bytes() == before
