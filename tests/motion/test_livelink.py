import csv
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from emage.errors import InputError
from emage.motion.arkit import write_arkit_json
from emage.motion.layout import ARKIT_51, ARKIT_52
from emage.motion.livelink import HEADER, LIVELINK_CHANNELS, read_livelink_csv, write_livelink_csv
from emage.motion.timecode import timecode

RATES = (15, 24000 / 1001, 24, 25, 30000 / 1001, 30, 50, 60000 / 1001, 60, 120)


def face(num_frames: int, width: int = 51) -> torch.Tensor:
    return torch.rand(num_frames, width, generator=torch.Generator().manual_seed(4))


def test_columns_stand_in_the_order_of_the_app_and_hold_the_channel_they_name(tmp_path):
    weights = face(3)
    write_livelink_csv(tmp_path / "a.csv", weights, 60)
    with open(tmp_path / "a.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    names = list(rows[0])
    assert names[:4] == ["Timecode", "BlendShapeCount", "EyeBlinkLeft", "EyeLookDownLeft"]
    assert names[16:20] == ["JawForward", "JawRight", "JawLeft", "JawOpen"]
    assert names[53:56] == ["TongueOut", "HeadYaw", "HeadPitch"]
    assert sorted(LIVELINK_CHANNELS) == sorted(ARKIT_52)
    assert (len(names), len(rows)) == (63, 3)
    for frame, row in enumerate(rows):
        assert row["BlendShapeCount"] == "61"
        for name, weight in zip(ARKIT_51, weights[frame].tolist(), strict=True):
            assert float(row[name[0].upper() + name[1:]]) == pytest.approx(weight, abs=1e-6)
        assert [float(row[name]) for name in ("TongueOut", "HeadYaw", "RightEyeRoll")] == [0, 0, 0]


@given(
    fps=st.sampled_from(RATES),
    num_frames=st.integers(2, 200),
    width=st.sampled_from([51, 52]),
)
def test_what_is_written_reads_back(tmp_path_factory, fps, num_frames, width):
    """At any rate and of any length, under a second too."""
    path = tmp_path_factory.getbasetemp() / "round.csv"
    weights = face(num_frames, width)
    write_livelink_csv(path, weights, fps)
    back = read_livelink_csv(path)
    torch.testing.assert_close(back.weights, weights[:, :51], atol=1e-6, rtol=0)
    torch.testing.assert_close(
        back.tongue_out, weights[:, 51] if width == 52 else torch.zeros(num_frames), atol=1e-6, rtol=0
    )
    torch.testing.assert_close(back.times_s, torch.arange(num_frames).double() / fps, atol=1e-3 / 60, rtol=0)
    assert back.fps == pytest.approx(fps, rel=2e-6)
    assert back.valid.all()


def test_one_row_is_read(tmp_path):
    write_livelink_csv(tmp_path / "a.csv", face(1), 30)
    back = read_livelink_csv(tmp_path / "a.csv", 30)
    assert (back.num_frames, back.fps, back.duration_s) == (1, 30, 1 / 30)
    assert read_livelink_csv(tmp_path / "a.csv").fps == 60


def rows_of(path):
    lines = path.read_text().splitlines()
    return lines[0], [line.split(",") for line in lines[1:]]


def save(path, header, rows):
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n")


@pytest.mark.parametrize("kind", ["short", "empty", "zero_count"])
def test_rows_without_a_face_are_not_valid_and_hold_the_face_before(tmp_path, kind):
    path = tmp_path / "a.csv"
    weights = face(90)
    write_livelink_csv(path, weights, 30)
    header, rows = rows_of(path)
    lost = [0, 1, *range(40, 60), 89]
    for k in lost:
        rows[k] = {
            "short": [rows[k][0], "0"],
            "empty": [rows[k][0], "", *[""] * 61],
            "zero_count": [rows[k][0], "0", *["0.000000"] * 61],
        }[kind]
    save(path, header, rows)
    back = read_livelink_csv(path)
    assert (~back.valid).any(dim=1).nonzero().ravel().tolist() == lost
    assert (~back.valid).all(dim=1).nonzero().ravel().tolist() == lost
    torch.testing.assert_close(back.weights[:3], weights[2].expand(3, -1), atol=1e-6, rtol=0)
    torch.testing.assert_close(back.weights[39:60], weights[39].expand(21, -1), atol=1e-6, rtol=0)
    assert back.fps == 30
    assert [text for text in back.notices if "23 of 90 rows hold no face" in text]


def test_empty_cells_are_not_valid(tmp_path):
    write_livelink_csv(tmp_path / "a.csv", face(9), 30)
    header, rows = rows_of(tmp_path / "a.csv")
    rows[3][2] = " "  # EyeBlinkLeft
    save(tmp_path / "a.csv", header, rows)
    back = read_livelink_csv(tmp_path / "a.csv")
    blink = ARKIT_51.index("eyeBlinkLeft")
    assert (~back.valid).nonzero().tolist() == [[3, blink]]
    assert back.weights[3, blink] == back.weights[2, blink]
    assert "1 weights are empty" in back.notices[0]


def test_a_file_in_which_no_row_holds_a_face_is_refused(tmp_path):
    write_livelink_csv(tmp_path / "a.csv", face(9), 30)
    header, rows = rows_of(tmp_path / "a.csv")
    save(tmp_path / "a.csv", header, [[row[0], "0"] for row in rows])
    with pytest.raises(InputError, match="a.csv: no row holds a face"):
        read_livelink_csv(tmp_path / "a.csv")


def test_a_recording_over_midnight_is_read(tmp_path):
    write_livelink_csv(tmp_path / "a.csv", face(200), 60)
    header, rows = rows_of(tmp_path / "a.csv")
    for k, row in enumerate(rows):
        row[0] = timecode(24 * 3600 * 60 - 100 + k, 60)
    save(tmp_path / "a.csv", header, rows)
    back = read_livelink_csv(tmp_path / "a.csv")
    assert back.fps == 60
    torch.testing.assert_close(back.times_s - back.times_s[0], torch.arange(200) / 60.0, check_dtype=False)


def test_what_programs_add_around_the_cells_is_passed_over(tmp_path):
    """A byte order mark, CRLF, blank lines, spaces, trailing commas, another order and spelling, angles left out."""
    path = tmp_path / "a.csv"
    weights = face(70)
    write_livelink_csv(path, weights, 60)
    header, rows = rows_of(path)
    names = [name[0].lower() + name[1:] for name in header.split(",")[:54]]
    names = [name.removesuffix("Left") + "_L" if name.endswith("Left") and len(name) > 9 else name for name in names]
    order = [0, 1, *range(53, 1, -1)]
    lines = [", ".join(names[k] for k in order)] + [", ".join(row[k] for k in order) + "," for row in rows]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*lines[:3], "", *lines[3:], "", ""]).encode())
    torch.testing.assert_close(read_livelink_csv(path).weights, weights, atol=1e-6, rtol=0)


def test_a_last_row_that_is_cut_off_is_left_out_with_a_notice(tmp_path):
    path = tmp_path / "a.csv"
    write_livelink_csv(path, face(90), 30)
    for cut in (5, 200):
        text = path.read_text()
        path.write_text(text[: text.rstrip().rindex("\n") + cut])
        back = read_livelink_csv(path)
        assert "is cut off and left out" in back.notices[0]
    assert back.num_frames == 89


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

    assert "line 3: timecode 'x'" in broken(3, good[2].replace("00:00:00:02.000", "x"))
    assert "line 5: its timecode lies before" in broken(5, good[2])
    assert "line 4: 2 values, the header has 63" in broken(4, "00:00:00:04.000,61")
    assert "line 4: 64 values, the header has 63" in broken(4, good[3] + ",7")
    row = "00:00:00:00.000,61,{}," + ",".join(["0"] * 60)
    for value in ("wide", "nan", "inf", "1e999", "-inf", "1_0", "0.5x", "9" * 5000):
        found = broken(2, row.format(value))
        assert "line 2, column 3: '" in found
        assert len(found) < 300
    for value in ("1e300", "1000000", "-3"):
        assert "line 2, column 3: EyeBlinkLeft is" in broken(2, row.format(value))
    assert "divide them by 100" in broken(2, row.format("55"))
    assert "line 1: no Live Link Face header: it lacks browDownLeft" in broken(1, ",".join(f"c{k}" for k in range(63)))
    assert "line 1: no Live Link Face header: it lacks mouthFunnel" in broken(1, good[0].replace("MouthFunnel", "X"))
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        assert f"separated by {name}" in broken(1, good[0].replace(",", mark))
    times = [good[0], *(f"00:{2 * k // 60:02d}:{2 * k % 60:02d}:00.000" + line[15:] for k, line in enumerate(good[1:]))]
    path.write_text("\n".join(times))
    with pytest.raises(InputError, match="times lie 2 s apart, which is no frame rate"):
        read_livelink_csv(path)
    path.write_text(good[0])
    with pytest.raises(InputError, match="0 frames"):
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


def test_a_real_recording_of_the_app_is_read_at_its_rate(shared_data):
    talk, lost = (
        read_livelink_csv(shared_data("livelink_csv") / name) for name in ("talk.csv", "talk_with_lost_rows.csv")
    )
    assert (talk.num_frames, talk.fps, talk.duration_s) == (2028, 30, pytest.approx(67.67, abs=0.01))
    assert talk.valid.all()
    assert (lost.num_frames, lost.fps) == (1939, 30)
    assert int((~lost.valid).all(dim=1).sum()) == 277
    assert "277 of 1939 rows hold no face" in lost.notices[0]
