import csv
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emage.errors import InputError
from emage.motion.arkit import write_arkit_json
from emage.motion.layout import ARKIT_51, ARKIT_52
from emage.motion.livelink import HEADER, LIVELINK_CHANNELS, read_livelink_csv, timecode, write_livelink_csv


def face(num_frames: int, width: int = 51) -> torch.Tensor:
    return torch.rand(num_frames, width, generator=torch.Generator().manual_seed(4))


def test_columns_stand_in_the_order_of_the_app_and_hold_the_channel_they_name(tmp_path):
    weights = face(3)
    write_livelink_csv(tmp_path / "a.csv", weights, 60)
    with open(tmp_path / "a.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    names = list(rows[0])
    assert names[:4] == ["Timecode", "BlendshapeCount", "EyeBlinkLeft", "EyeLookDownLeft"]
    assert names[16:20] == ["JawForward", "JawRight", "JawLeft", "JawOpen"]
    assert names[53:56] == ["TongueOut", "HeadYaw", "HeadPitch"]
    assert sorted(LIVELINK_CHANNELS) == sorted(ARKIT_52)
    assert (len(names), len(rows)) == (63, 3)
    for frame, row in enumerate(rows):
        assert row["BlendshapeCount"] == "61"
        for name, weight in zip(ARKIT_51, weights[frame].tolist(), strict=True):
            assert float(row[name[0].upper() + name[1:]]) == pytest.approx(weight, abs=1e-6)
        assert [float(row[name]) for name in ("TongueOut", "HeadYaw", "RightEyeRoll")] == [0, 0, 0]


@pytest.mark.parametrize(
    ("frame", "fps", "text"),
    [
        (0, 60, "00:00:00:00.000"),
        (59, 60, "00:00:00:59.000"),
        (60, 60, "00:00:01:00.000"),
        (15 * 3661 + 7, 15, "01:01:01:07.000"),
        (30, 29.97, "00:00:01:00.030"),  # 1.001001 s
    ],
)
def test_timecodes_tell_the_true_time(frame, fps, text):
    assert timecode(frame, fps) == text


@given(
    fps=st.sampled_from([15.0, 25.0, 29.97, 30.0, 60.0]),
    num_frames=st.integers(2, 200),
    width=st.sampled_from([51, 52]),
)
def test_what_is_written_reads_back(tmp_path_factory, fps, num_frames, width):
    path = tmp_path_factory.getbasetemp() / "round.csv"
    weights = face(num_frames, width)
    write_livelink_csv(path, weights, fps)
    back = read_livelink_csv(path, fps)
    torch.testing.assert_close(back.weights, weights[:, :51], atol=1e-6, rtol=0)
    torch.testing.assert_close(
        back.tongue_out, weights[:, 51] if width == 52 else torch.zeros(num_frames), atol=1e-6, rtol=0
    )
    torch.testing.assert_close(back.times_s, torch.arange(num_frames).double() / fps, atol=1e-4, rtol=0)
    assert back.fps == pytest.approx(fps, rel=1e-3)
    if num_frames > 2 * fps:  # the file itself shows its rate
        assert read_livelink_csv(path).fps == pytest.approx(fps, rel=1e-3)


def test_a_recording_of_the_app_that_begins_at_any_time_of_day_is_read(tmp_path):
    header = [*HEADER[:2], *reversed(HEADER[2:])]
    rows = [f"14:03:{52 + (k + 28) // 60}:{(k + 28) % 60:02d}.207,61," + ",".join(["0.25"] * 61) for k in range(70)]
    (tmp_path / "a.csv").write_text(",".join(header) + "\n" + "\n".join(rows) + "\n\n")
    back = read_livelink_csv(tmp_path / "a.csv")
    assert (back.fps, back.num_frames) == (60.0, 70)
    assert back.weights.eq(0.25).all()


def test_faults_are_told_with_their_line(tmp_path):
    path = tmp_path / "a.csv"
    write_livelink_csv(path, face(40), 30)
    good = path.read_text().splitlines()

    def broken(line: int, text: str) -> str:
        path.write_text("\n".join([*good[: line - 1], text, *good[line:]]))
        with pytest.raises(InputError) as caught:
            read_livelink_csv(path)
        return str(caught.value)

    assert "line 3: timecode 'x'" in broken(3, good[2].replace("00:00:00:01.000", "x"))
    assert "line 5: its timecode does not lie behind" in broken(5, good[3])
    assert "line 4: 2 values, the header has 63" in broken(4, "00:00:00:02.000,61")
    assert "line 2, column 3: 'wide'" in broken(2, "00:00:00:00.000,61,wide," + ",".join(["0"] * 60))
    assert "line 1: no Live Link Face header: it lacks browDownLeft" in broken(1, ",".join(f"c{k}" for k in range(63)))
    path.write_text("\n".join(good[:10]))
    with pytest.raises(InputError, match="shorter than a second.*give fps"):
        read_livelink_csv(path)
    with pytest.raises(InputError, match="no such file"):
        read_livelink_csv(tmp_path / "none.csv")


def test_what_cannot_be_written_leaves_no_file(tmp_path):
    weights = face(4)
    weights[2, 7] = math.nan
    for write in (write_livelink_csv, write_arkit_json):
        with pytest.raises(InputError, match="frame 2 of the face holds NaN"):
            write(tmp_path / "a", weights, 30)
    with pytest.raises(ValueError, match="51 or 52"):
        write_livelink_csv(tmp_path / "a", face(3, 50), 30)
    assert list(tmp_path.iterdir()) == []
