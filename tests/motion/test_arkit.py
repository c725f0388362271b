import json
import math
from pathlib import Path

import pytest
import torch

from emage.errors import InputError
from emage.motion.arkit import read_arkit, write_arkit_json
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


@pytest.mark.parametrize("spell", [str.upper, lambda n: n.replace("Left", "_L").replace("Right", "_R")])
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
