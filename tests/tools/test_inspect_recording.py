import matplotlib.image
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_corpus import make_raw_recording

from dataloaders.clip import make_clip
from dataloaders.corpora import DATASETS
from emage.config import DataConfig
from tools.inspect_recording import main, spread, stream_line, stream_rows, wrist_speeds_cm_s


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    make_raw_recording(folder, "2_scott_0_1_1", 3.0)
    return folder


def clip_of(root):
    config = DataConfig(root=str(root))
    (recording,) = DATASETS["raw"].find_recordings(config)
    return make_clip(DATASETS["raw"].read_sources(recording, config), 15, 16000)


@pytest.fixture(scope="module")
def clip(root):
    return clip_of(root)


def test_streams_of_57_seconds_as_the_users_of_the_corpus_know_them(tmp_path, capsys):
    make_raw_recording(tmp_path, "6_carla_0_73_73", 57.0, emotion=2)
    out = tmp_path / "picture.png"
    assert main(["6_carla_0_73_73", f"data.root={tmp_path}", "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "6_carla_0_73_73: speaker 6 (carla), english speech, take 73, 57.00 s at 15 fps"
    assert lines[1] == (
        "pose (855,141) ... audio (912000) ... facial (855,51) ... word (855) id (1) emo (855) sem (855)"
    )
    rows = {line.split()[0]: line.split()[1] for line in lines[3:10]}
    assert " ".join(f"{name} {shape}" for name, shape in rows.items()) == (
        "pose (855,141) audio (912000) facial (855,51) word (855) id (1) emo (855) sem (855)"
    )
    assert "notice: Frame Time 0.008333 read as 1/120" in lines
    assert out.stat().st_size > 10_000


def test_rows_hold_the_first_values(clip):
    rows = {row.split()[0]: row for row in stream_rows(clip)}
    spine = clip.motion[0, 6:9]  # beat_141 begins with Spine
    assert f"{spine[0]:.4g},{spine[1]:.4g},{spine[2]:.4g}," in rows["pose"]
    assert f"{clip.waveform[0]:.4g},{clip.waveform[1]:.4g}," in rows["audio"]
    assert "- the - first - ..." in rows["word"]
    assert rows["id"].split()[:3] == ["id", "(1)", "2"]
    assert rows["emo"].endswith("neutral")
    assert "0.1,0.1," in rows["sem"]
    assert stream_line(clip).startswith("pose (45,141) ... audio (48000) ... facial (45,51)")


def test_wrists_that_stand_still_but_for_the_walk_of_the_hips(clip):
    clip = type(clip)(**vars(clip))
    clip.motion = np.zeros_like(clip.motion)
    clip.motion[:, 0] = np.arange(clip.num_frames) * 2.0  # 2 cm a frame at 15 fps
    speeds = wrist_speeds_cm_s(clip)
    assert set(speeds) == {"right", "left"}
    np.testing.assert_allclose(np.stack(list(speeds.values())), 30.0, rtol=1e-4)


def test_only_the_moving_arm_has_speed(clip):
    clip = type(clip)(**vars(clip))
    clip.motion = np.zeros_like(clip.motion)
    clip.motion[:, 3 + 3 * clip.skeleton.index("LeftArm")] = np.linspace(0, 90, clip.num_frames)
    speeds = wrist_speeds_cm_s(clip)
    assert speeds["right"].max() == 0
    assert speeds["left"].min() > 1


def test_picture_has_every_curve(root, tmp_path):
    out = tmp_path / "deep" / "scott.png"
    assert main(["2_scott_0_1_1", "--root", str(root), "--out", str(out), "--seconds", "0.5", "2.5"]) == 0
    pixels = (matplotlib.image.imread(out)[..., :3] * 255).round().astype(int).reshape(-1, 3)
    for colour in ("#6b7a8f", "#c8553d", "#2f6690", "#3a7d44", "#8e5ea2"):  # sound, right, left, jaw, meaning
        distance = np.abs(pixels - list(bytes.fromhex(colour[1:]))).sum(axis=1)  # thin lines are mixed with white
        assert (distance < 40).sum() > 50, colour


def test_the_real_recording(beat_sample, tmp_path, capsys):
    assert main(["2_scott_0_1_1", "--root", str(beat_sample), "--out", str(tmp_path / "a.png")]) == 0
    out = capsys.readouterr().out
    assert "pose (600,141) ... audio (640000) ... facial (600,51) ... word (600) id (1) emo (600) sem (600)" in out
    assert "notice: unequal lengths, the shortest counts: audio 64.10 s, motion 40.00 s, face 40.00 s" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["2_scot_0_1_1"], "no recording '2_scot_0_1_1' among 1; did you mean '2_scott_0_1_1'?"),
        (["2_scott_0_1_1", "--seconds", "2", "1"], "--seconds 2 1: the recording goes from 0 to 3 s"),
        (["2_scott_0_1_1", "--seconds", "0", "4"], "--seconds 0 4: the recording goes from 0 to 3 s"),
        (["2_scott_0_1_1", "data.fsp=30"], "did you mean data.fps?"),
    ],
)
def test_errors_are_one_line(root, tmp_path, capsys, arguments, message):
    assert main([*arguments, f"data.root={root}", "--out", str(tmp_path / "a.png")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def test_missing_root(tmp_path, capsys):
    assert main(["2_scott_0_1_1", "--root", str(tmp_path / "nowhere")]) == 1
    assert "no such folder" in capsys.readouterr().err


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "python tools/inspect_recording.py -c configs/beat/camn.yaml 2_scott_0_1_1" in capsys.readouterr().out


def test_spread_known_case():
    np.testing.assert_allclose(spread(np.array([0.0, 0.1, 5.0]), 1.0), [-0.45, 0.55, 5.0])
    assert spread(np.zeros(0), 1.0).tolist() == []


@given(st.lists(st.floats(0, 100), max_size=30), st.floats(0.01, 5))
def test_spread_keeps_order_and_distance_and_leaves_what_is_free(places, gap):
    places = np.sort(places)
    moved = spread(places, gap)
    assert (np.diff(moved) >= gap - 1e-6).all()
    if (np.diff(places) >= gap).all():
        np.testing.assert_allclose(moved, places, atol=1e-6)
    assert abs(moved.sum() - places.sum()) < 1e-6 * max(1, len(places)) * 100
