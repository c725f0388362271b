import json
import math
import re
from pathlib import Path

import pytest
import torch

from emage.errors import InputError, InputWarning, collected_warnings
from emage.motion.arkit import read_arkit, write_arkit_json
from emage.motion.arkit_motion import valid_at
from emage.motion.layout import ARKIT_51, ARKIT_52


def save(folder: Path, names: list[str], rows: list[list[float]], times: list[float] | None = None) -> Path:
    times = [k / 60 for k in range(len(rows))] if times is None else times
    frames = [{"weights": row, "time": time, "rotation": []} for row, time in zip(rows, times, strict=True)]
    path = folder / "face.json"
    path.write_text(json.dumps({"names": names, "frames": frames}))
    return path


def ramp(names: list[str], num_frames: int = 3) -> list[list[float]]:
    """Each channel's value tells its name: place in ARKIT_52 / 100, plus the frame / 1000."""
    return [[ARKIT_52.index(name) / 100 + frame / 1000 for name in names] for frame in range(num_frames)]


def test_channels_are_found_by_name_whatever_their_order(tmp_path):
    names = list(reversed(ARKIT_51))
    face = read_arkit(save(tmp_path, names, ramp(names)))
    assert face.names == tuple(names)
    assert (face.num_frames, face.fps, face.duration_s) == (3, 60.0, 3 / 60)
    assert (face.tongue_out, face.notices) == (None, ())
    torch.testing.assert_close(face.weights, torch.tensor(ramp(list(ARKIT_51))))


def test_the_52nd_channel_is_kept_apart_with_a_notice(tmp_path):
    names = ["tongueOut", *ARKIT_51]
    face = read_arkit(save(tmp_path, names, ramp(names)))
    torch.testing.assert_close(face.weights, torch.tensor(ramp(list(ARKIT_51))))
    torch.testing.assert_close(face.tongue_out, torch.tensor([0.51, 0.511, 0.512]))
    assert face.notices == ("52 facial channels: tongueOut is kept apart",)


def short_side(name: str, left: str, right: str) -> str:
    is_pure = name in ("jawLeft", "jawRight", "mouthLeft", "mouthRight")  # Apple keeps these
    return name if is_pure else re.sub("Left$", left, re.sub("Right$", right, name))


@pytest.mark.parametrize(
    "spell",
    [
        str.upper,
        lambda n: n[0].upper() + n[1:],
        lambda n: n.replace("Left", "_L").replace("Right", "_R"),
        lambda n: short_side(n, "_L", "_R"),
        lambda n: short_side(n, "_l", "_r"),
        lambda n: short_side(n, ".L", ".R"),
        lambda n: short_side(n, "L", "R"),
        lambda n: re.sub("([A-Z])", lambda found: "_" + found[0].lower(), n),
        lambda n: re.sub("([A-Z])", r" \1", n).title(),
        lambda n: "blendShapes." + n[0].upper() + n[1:],
    ],
)
def test_other_recorders_spellings_are_understood(tmp_path, spell):
    names = [spell(name) for name in ARKIT_51]
    assert names != list(ARKIT_51)
    face = read_arkit(save(tmp_path, names, ramp(list(ARKIT_51))))
    assert face.names == tuple(names)
    torch.testing.assert_close(face.weights, torch.tensor(ramp(list(ARKIT_51))))


@pytest.mark.parametrize(
    ("step_s", "fps"), [(0.016667, 60.0), (1 / 60, 60.0), (0.0667, 15.0), (1001 / 60000, 60000 / 1001), (0.04, 25.0)]
)
def test_the_rate_comes_from_the_times(tmp_path, step_s, fps):
    rows = ramp(list(ARKIT_51), 20)
    face = read_arkit(save(tmp_path, list(ARKIT_51), rows, [5 + k * step_s for k in range(20)]))
    assert face.fps == pytest.approx(fps, rel=1e-9)


def test_columns_that_are_no_weights_are_passed_over(tmp_path):
    """MediaPipe writes _neutral, others the angles of head and eyes in any range, or more shapes of the tongue."""
    names = ["_neutral", *ARKIT_51, "headYaw", "LeftEyePitch", "tongueTipUp"]
    rows = [[0.9, *row, -40.0, 12.5, 0.5] for row in ramp(list(ARKIT_51))]
    torch.testing.assert_close(read_arkit(save(tmp_path, names, rows)).weights, torch.tensor(ramp(list(ARKIT_51))))


def test_missing_channels_are_0_and_not_valid_where_they_may_be_missing(tmp_path):
    names = list(ARKIT_51[3:])
    face = read_arkit(save(tmp_path, names, ramp(names)), partial=True)
    assert (~face.valid).nonzero()[:, 1].unique().tolist() == [0, 1, 2]
    assert face.weights[:, :3].eq(0).all()
    assert face.notices == ("3 of 51 facial channels are missing and stay 0: browDownLeft, browDownRight, browInnerUp",)
    with pytest.raises(InputError, match="1 facial channels; missing browDownLeft"):
        read_arkit(save(tmp_path, ["_neutral"], [[0.0]] * 3), partial=True)


def test_a_rate_in_the_file_that_the_times_contradict_is_a_notice(tmp_path):
    path = save(tmp_path, list(ARKIT_51), ramp(list(ARKIT_51)))
    path.write_text(json.dumps({**json.loads(path.read_text()), "fps": 30}))
    face = read_arkit(path)
    assert (face.fps, face.notices) == (60, ('"fps" says 30, the times say 60; the times are used',))


@pytest.mark.parametrize("has_names", [True, False])
def test_weights_may_be_an_object_by_name(tmp_path, has_names):
    names = [name[0].upper() + name[1:] for name in reversed(ARKIT_51)]
    rows = ramp(list(reversed(ARKIT_51)))
    frames = [{"weights": dict(zip(names, row, strict=True)), "time": k / 60} for k, row in enumerate(rows)]
    del frames[1]["weights"]["JawOpen"]
    path = tmp_path / "face.json"
    path.write_text(json.dumps({"names": names, "frames": frames} if has_names else {"frames": frames}))
    face = read_arkit(path)
    expected, jaw = torch.tensor(ramp(list(ARKIT_51))), ARKIT_51.index("jawOpen")
    expected[1, jaw] = expected[0, jaw]  # held
    torch.testing.assert_close(face.weights, expected)
    assert (~face.valid).nonzero().tolist() == [[1, jaw]]
    assert face.notices == ("1 weights are empty; the weight before is held there, and they are not scored",)


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ([0.1] * 51, r'frame 1: "weights" is no object .* in other frames; write all frames alike'),
        ({"browDownLeft": "x"}, r"frame 1: browDownLeft is 'x'; expected a finite number"),
        ({"browDownLefd": 0.1}, "unknown facial channel 'browDownLefd' .*did you mean browDownLeft"),
        (None, r'frame 1: "weights" is no object'),
    ],
)
def test_a_broken_object_of_weights_is_named(tmp_path, weights, told):
    first = {"weights": dict.fromkeys(ARKIT_51, 0.1), "time": 0}
    path = tmp_path / "face.json"
    path.write_text(json.dumps({"frames": [first, {"weights": weights, "time": 0.1}]}))
    with pytest.raises(InputError, match=told) as caught:
        read_arkit(path)
    assert len(str(caught.value)) < 300


def test_weights_a_little_beyond_1_are_a_notice(tmp_path):
    face = read_arkit(save(tmp_path, list(ARKIT_51), [[1.8, *row[1:]] for row in ramp(list(ARKIT_51))]))
    assert "weights go from 0.01 to 1.8" in face.notices[0]


def test_frames_without_a_face_leave_a_gap(tmp_path):
    weights = torch.rand(40, 51, generator=torch.Generator().manual_seed(0))
    valid = torch.ones(40, dtype=torch.bool)
    valid[[0, *range(10, 20), 39]] = False
    write_arkit_json(tmp_path / "face.json", weights, 20, valid)
    face = read_arkit(tmp_path / "face.json")
    kept = [k for k in range(40) if valid[k] or k in (0, 39)]  # the ends tell start and length
    torch.testing.assert_close(face.times_s, torch.tensor(kept, dtype=torch.float64) / 20)
    torch.testing.assert_close(face.weights, weights[kept], atol=1e-6, rtol=0)
    assert (face.fps, face.duration_s) == (20, 2)
    assert valid_at(face, 20, 40).all(dim=1).nonzero().ravel().tolist() == kept


def test_a_hole_in_the_times_is_a_notice(tmp_path):
    times = [k / 60 + (0.5 if k > 7 else 0) for k in range(100)]
    face = read_arkit(save(tmp_path, list(ARKIT_51), ramp(list(ARKIT_51), 100), times))
    assert len(face.notices) == 1
    assert "0.517 s after frame 7" in face.notices[0]


@pytest.mark.parametrize("width", [51, 52])
def test_what_is_written_reads_back(tmp_path, width):
    weights = torch.rand(31, width, generator=torch.Generator().manual_seed(0))
    write_arkit_json(tmp_path / "new" / "face.json", weights, fps=15)
    face = read_arkit(tmp_path / "new" / "face.json")
    torch.testing.assert_close(face.weights, weights[:, :51], atol=1e-6, rtol=0)
    assert face.fps == 15
    torch.testing.assert_close(face.times_s, torch.arange(31, dtype=torch.float64) / 15, atol=1e-6, rtol=0)
    assert (face.tongue_out is None) == (width == 51)
    if width == 52:
        torch.testing.assert_close(face.tongue_out, weights[:, 51], atol=1e-6, rtol=0)


def test_the_layout_is_beats(tmp_path):
    write_arkit_json(tmp_path / "face.json", torch.full((2, 51), 0.1), fps=60)
    node = json.loads((tmp_path / "face.json").read_text())
    assert node["names"] == list(ARKIT_51)
    assert node["frames"][1] == {"weights": [0.1] * 51, "time": 0.016667, "rotation": []}


GOOD = ramp(list(ARKIT_51))


def spoiled(value: object) -> list[list[object]]:
    return [GOOD[0], GOOD[1], [value, *GOOD[2][1:]]]


@pytest.mark.parametrize(
    ("names", "rows", "times", "message"),
    [
        (
            ["jawOpn", *ARKIT_51[1:]],
            GOOD,
            None,
            r"unknown facial channel 'jawOpn' \(number 0\); did you mean jawOpen\?",
        ),
        ([7, *ARKIT_51[1:]], GOOD, None, "unknown facial channel 7"),
        ([ARKIT_51[1], *ARKIT_51[1:]], GOOD, None, r"'browDownRight' stands twice \(numbers 0 and 1\)"),
        (list(ARKIT_51[1:]), [row[1:] for row in GOOD], None, "50 facial channels; missing browDownLeft"),
        (["tongueOut", *ARKIT_51[1:]], GOOD, None, "51 facial channels; missing browDownLeft"),
        (list(ARKIT_51), [GOOD[0], GOOD[1][:-1]], None, "frame 1: 50 weights, expected 51"),
        (list(ARKIT_51), [GOOD[0], None], None, "frame 1: None weights, expected 51"),
        (list(ARKIT_51), spoiled(math.nan), None, "frame 2: browDownLeft is nan; expected a finite number"),
        (list(ARKIT_51), spoiled(math.inf), None, "frame 2: browDownLeft is inf"),
        (list(ARKIT_51), spoiled(None), None, "frame 2: browDownLeft is None"),
        (list(ARKIT_51), spoiled("0.5x"), None, "frame 2: browDownLeft is '0.5x'"),
        (list(ARKIT_51), spoiled("0.5"), None, "frame 2: browDownLeft is '0.5'; expected a finite number"),
        (list(ARKIT_51), spoiled(True), None, "frame 2: browDownLeft is True; expected a finite number"),
        (list(ARKIT_51), spoiled(10**400), None, r"frame 2: browDownLeft is 10+\.\.\.; expected a finite number"),
        (list(ARKIT_51), spoiled(1e39), None, r"frame 2: browDownLeft is 1e\+39; ARKit weights are 0 to 1"),
        (list(ARKIT_51), spoiled(1e6), None, r"frame 2: browDownLeft is 1e\+06; ARKit weights are 0 to 1; repair"),
        (list(ARKIT_51), spoiled(-3), None, "frame 2: browDownLeft is -3; ARKit weights are 0 to 1; repair"),
        (list(ARKIT_51), spoiled(87.5), None, "is 87.5; .*as percent do: divide them by 100"),
        (list(ARKIT_51), GOOD, [0, 33, 67], "times lie 33 s apart, .*milliseconds: divide them by 1000"),
        (list(ARKIT_51), GOOD, [0, 8.3, 16.7], "times lie 8.3 s apart, .*milliseconds: divide them by 1000"),
        (list(ARKIT_51), GOOD, [0, 1e-300, 2e-300], "times lie 1e-300 s apart, which is no frame rate"),
        (list(ARKIT_51), GOOD, [0, 0.1, 1e12], r"1e\+12 s between frame 1 and the next; repair the times"),
        (list(ARKIT_51), GOOD, [0, 0.1, "0.2"], "frame 2: time is '0.2'; expected seconds"),
        (list(ARKIT_51), GOOD, [0, 0.1, True], "frame 2: time is True; expected seconds"),
        (list(ARKIT_51), GOOD, [0, 0.1, 10**400], r"frame 2: time is 10+\.\.\.; expected seconds"),
        (list(ARKIT_51), spoiled([0.5]), None, r"frame 2: browDownLeft is \[0.5\]"),
        (list(ARKIT_51), GOOD, [0, 0.1, 0.1], "frame 2: time 0.1 s does not lie behind 0.1 s"),
        (list(ARKIT_51), GOOD, [0, 0.1, math.nan], "frame 2: time is nan; expected seconds"),
        (list(ARKIT_51), GOOD[:1], None, "1 frames; at least 2 are needed"),
        (list(ARKIT_51), [], None, "0 frames; at least 2 are needed"),
    ],
)
def test_a_fault_is_told_with_file_frame_and_channel(tmp_path, names, rows, times, message):
    path = save(tmp_path, names, rows, times)
    with pytest.raises(InputError, match=message) as caught:
        read_arkit(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not valid json"),
        ('{"names": [], "frames": [{"wei', "not valid json: .*cut off or damaged"),
        ("\xff\xfe\x00", "not valid json"),
        ("[" * 100_000, "nested too deep"),
        ('{"names": [], "frames": [' + "9" * 5000 + "]}", "a number of thousands of digits"),
        ("[]", 'no list "names"'),
        ('{"names": []}', 'no list "frames"'),
        ('{"names": [], "frames": [1, 2]}', 'frame 0: expected {"weights"'),
        ('{"names": [], "frames": [{"weights": []}]}', "frame 0: expected"),
    ],
)
def test_a_broken_file_is_named(tmp_path, text, message):
    path = tmp_path / "face.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=message):
        read_arkit(path)
    with pytest.raises(InputError, match="nowhere.json: no such file"):
        read_arkit(tmp_path / "nowhere.json")


def test_nan_is_not_written_and_a_wrong_width_is_refused(tmp_path):
    with pytest.raises(InputError, match="frame 1 of the face holds NaN"):
        write_arkit_json(tmp_path / "face.json", torch.tensor([[0.0] * 51, [math.nan] * 51]), fps=15)
    with pytest.raises(ValueError, match=r"\(frames, 51 or 52\): got \(2, 50\)"):
        write_arkit_json(tmp_path / "face.json", torch.zeros(2, 50), fps=15)
    assert list(tmp_path.iterdir()) == []


def test_the_real_recording_reads_and_is_written_alike(beat_sample, tmp_path):
    path = beat_sample / "2" / "2_scott_0_1_1.json"
    face = read_arkit(path)
    assert (tuple(face.weights.shape), face.fps, face.duration_s, face.notices) == ((2400, 51), 60, 40, ())
    assert face.weights[:, ARKIT_51.index("jawOpen")].mean() == pytest.approx(
        0.265, abs=5e-4
    )  # the corpus' CHANNELS.md
    write_arkit_json(tmp_path / "face.json", face.weights, face.fps)
    assert json.loads((tmp_path / "face.json").read_text()) == json.loads(path.read_text())


def test_times_a_second_apart_may_be_frame_numbers(tmp_path):
    path = save(tmp_path, list(ARKIT_51), GOOD, [0, 1, 2])
    with pytest.warns(InputWarning, match="read at 1 frame per second; if its times are frame numbers"):
        assert read_arkit(path).fps == 1


def test_a_file_that_states_1_fps_is_no_list_of_frame_numbers(tmp_path):
    """What is written at 1 fps reads back without the warning; a stated rate that the times contradict does not help."""
    write_arkit_json(tmp_path / "face.json", torch.full((3, 51), 0.1), fps=1)
    with collected_warnings() as doubts:
        assert read_arkit(tmp_path / "face.json").fps == 1
    assert doubts == []
    node = json.loads((tmp_path / "face.json").read_text())
    (tmp_path / "face.json").write_text(json.dumps({**node, "fps": 30}))
    with pytest.warns(InputWarning, match="if its times are frame numbers"):
        read_arkit(tmp_path / "face.json")
