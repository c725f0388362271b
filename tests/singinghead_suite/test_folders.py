import shutil

import pytest

from emage.errors import InputError
from emage.singinghead_suite.folders import find_results


@pytest.mark.parametrize(
    ("folder", "method"),
    [
        ("gt_videos", "gt"),
        ("gt", "gt"),
        ("method1_generaed_videos", "method1"),
        ("method1_generated_videos", "method1"),
        ("method1_videos", "method1"),
        ("method1_flame_seqs", "method1"),
        ("my_talking_head_landmarks", "my_talking_head"),
        ("video_diffusion", "video_diffusion"),
    ],
)
def test_names_of_methods(tmp_path, folder, method):
    for name in {folder, "gt_flame", "another_flame"}:
        (tmp_path / "generated" / name).mkdir(parents=True)
        (tmp_path / "generated" / name / "id0.npz").touch()
    if method == "gt" and folder != "gt_flame":
        shutil.rmtree(tmp_path / "generated" / "gt_flame")
    found = find_results(tmp_path)
    assert method in {found.ground_truth.name, *(row.name for row in found.methods)}
    assert found.notices == ("no folder input_audio/: without sound there is no beat alignment",)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ((), "no folder generated/"),
        (("generated/a_videos/x.mp4",), "no ground truth; expected gt_videos/"),
        (("generated/gt_videos/x.mp4",), "nothing beside the ground truth"),
        (("generated/gt/x.npz", "generated/a/x.npz", "generated/a/x.pkl"), "x.pkl: .*x.npz is of the same recording"),
        (("generated/gt/x.mp4", "generated/a_videos/x.mp4", "generated/a/x.mov"), "is of the same recording"),
        (("generated/gt/x.npz", "generated/a/x.npz", "generated/a/s0/x.npz"), "FLAME files beside folders of samples"),
    ],
)
def test_folders_that_cannot_be_scored_are_named(tmp_path, files, message):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=message):
        find_results(tmp_path)


def test_a_video_is_the_sound_of_a_recording_without_a_sound_file(tmp_path):
    files = (
        "generated/gt/a.npz",
        "generated/m/a.npz",
        *(f"input_audio/{name}" for name in ("a.mp4", "a.m4a", "b.mov", "c.txt")),
    )
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    audio = find_results(tmp_path).audio
    assert {key: path.name for key, path in audio.items()} == {"a": "a.m4a", "b": "b.mov"}
    (tmp_path / "input_audio" / "a.wav").touch()
    with pytest.raises(InputError, match="is of the same recording; keep one of them"):
        find_results(tmp_path)
