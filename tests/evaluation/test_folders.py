from pathlib import Path

import pytest

from emage.evaluation.folders import Folders


@pytest.fixture
def root(tmp_path) -> Path:
    for name in (
        "own/a.bvh",
        "real/a.bvh",
        "real/a.mp4",
        "real/a.mp3",
        "audio/a.mp4",
        "audio/b/a.M4A",
        "audio/z/a.wav",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_a_sound_file_comes_before_a_video_and_a_wav_before_both(root):
    for expected in ("z/a.wav", "b/a.M4A", "a.mp4"):
        found = Folders.find(root / "own", root / "real", audio=root / "audio")
        assert found.audio == {"a": root / "audio" / expected}
        (root / "audio" / expected).unlink()
    assert Folders.find(root / "own", root / "real", audio=root / "audio").audio == {}


def test_a_video_beside_the_real_motion_is_not_taken_for_its_sound(root):
    assert Folders.find(root / "own", root / "real").audio == {"a": root / "real" / "a.mp3"}
    (root / "real" / "a.mp3").unlink()
    assert Folders.find(root / "own", root / "real").audio == {}
