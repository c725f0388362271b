import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emage.errors import InputError
from emage.motion.timecode import parse_timecode, stamp_times, timecode

RATES = (15, 24000 / 1001, 24, 25, 30000 / 1001, 30, 48, 50, 60000 / 1001, 60, 90, 120)


def times(codes: list[str], **hints: float):
    return stamp_times([parse_timecode(code, "a.csv") for code in codes], range(2, 2 + len(codes)), "a.csv", **hints)


def counted(frame: int, fps: float, base: int) -> str:
    """As a program writes that counts in another base."""
    second, thousandths = divmod(round(frame / fps * base * 1000), base * 1000)
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}:{thousandths / 1000:06.3f}"


def drop_frame(number: int, base: int, separator: str) -> str:
    """SMPTE's timecode of a frame: the first numbers of each minute are skipped, but of each tenth."""
    drop = base // 15
    tens, rest = divmod(number, 600 * base - 9 * drop)
    number += 9 * drop * tens + (drop * ((rest - drop) // (60 * base - drop)) if rest >= drop else 0)
    seconds, frame = divmod(number, base)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{separator}{frame:02d}"


@pytest.mark.parametrize(
    ("frame", "fps", "text"),
    [
        (0, 60, "00:00:00:00.000"),
        (59, 60, "00:00:00:59.000"),
        (60, 60, "00:00:01:00.000"),
        (7, 15, "00:00:00:28.000"),
        (29, 30, "00:00:00:58.000"),
        (15 * 3661 + 7, 15, "01:01:01:28.000"),
        (30, 29.97, "00:00:01:00.060"),  # 1.001001 s
        (1, 120, "00:00:00:00.500"),
        (24 * 3600 * 30 + 1, 30, "00:00:00:02.000"),  # the day after
    ],
)
def test_frames_are_counted_in_base_60_at_every_rate(frame, fps, text):
    assert timecode(frame, fps) == text


@pytest.mark.parametrize("fps", RATES)
def test_epics_importer_finds_the_true_times(fps):
    for frame in range(0, 400, 7):
        hours, minutes, seconds, frames = timecode(frame, fps).split(":")
        read_s = int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(frames) / 60
        assert read_s == pytest.approx(frame / fps, abs=1e-3 / 60)


@given(
    fps=st.sampled_from(RATES),
    start_s=st.integers(0, 86399),
    num_frames=st.integers(2, 400),
    is_base_60=st.booleans(),
    lost=st.lists(st.integers(1, 398), max_size=3),
)
def test_the_base_is_measured_at_the_turn_of_a_second(fps, start_s, num_frames, is_base_60, lost):
    """Long enough for more than one turn; whoever wrote it, in which base, with lost rows, over midnight."""
    num_frames = max(num_frames, int(5 * fps))
    base = 60 if is_base_60 else math.ceil(fps - 1e-9)
    kept = [k for k in range(num_frames) if k not in lost]
    first = round(start_s * fps)
    codes = [counted(first + k, fps, base) for k in kept]
    codes = [f"{int(code[:2]) % 24:02d}{code[2:]}" for code in codes]
    found = times(codes)
    assert found.base == base
    np.testing.assert_allclose(found.seconds - found.seconds[0], np.array(kept) / fps, atol=1e-3)


@pytest.mark.parametrize(("fps", "base"), [(30, 30), (30, 60), (24, 24), (25, 25), (60, 60), (29.97, 30)])
def test_without_a_turn_the_rate_or_the_length_tells_the_base(fps, base):
    codes = [counted(k, fps, base) for k in range(int(0.6 * fps))]
    for hints in ({"fps": fps}, {"duration_s": len(codes) / fps}):
        found = times(codes, **hints)
        assert (found.base, found.notices) == (base, [])


def test_without_a_turn_and_a_hint_it_is_base_60_with_a_notice_where_that_is_doubtful():
    assert times([timecode(k, 30) for k in range(15)]).notices == []
    found = times([counted(k, 30, 30) for k in range(15)])
    assert found.base == 60
    assert (
        "read in base 60, 60 fps; if that is wrong, give the rate: `emage convert-face --to arkit --fps`"
        in found.notices[0]
    )
    assert times(["10:00:00:40.5"]).seconds.tolist() == [36000.675]


@pytest.mark.parametrize("base", [30, 60])
@pytest.mark.parametrize("separator", [";", ":"])
def test_drop_frame_timecodes_skip_numbers_but_no_time(base, separator):
    numbers = np.arange(base * 590, base * 735)  # over minutes 10, 11 and 12
    found = times([drop_frame(int(number), base, separator) for number in numbers])
    np.testing.assert_allclose(found.seconds, numbers * 1.001 / base, atol=1e-9)
    fps = base / 1.001
    np.testing.assert_allclose(np.diff(found.seconds), 1 / fps, atol=1e-9)


@pytest.mark.parametrize("rate", [30, 60])
@pytest.mark.parametrize("base", [30, 60])
@pytest.mark.parametrize("start_s", [3, 36057, 86395])
@pytest.mark.parametrize("lost", [(), (40, 41, 42, 95)])
def test_a_semicolon_before_true_times_does_not_stretch_them(rate, base, start_s, lost):
    """The app's stamps of a 29.97 fps recording in base 60, 2.002 apart; over a minute and midnight too."""
    kept = [k for k in range(400) if k not in lost]
    first = round(start_s * rate / 1.001)
    codes = [counted(first + k, rate / 1.001, base) for k in kept]
    found = times([f"{int(code[:2]) % 24:02d}{code[2:8]};{code[9:]}" for code in codes])
    np.testing.assert_allclose(found.seconds - found.seconds[0], np.array(kept) * 1.001 / rate, atol=1e-4)


def test_drop_frame_numbers_in_base_60_are_of_29_97_fps():
    """Whole frames, counted by twos."""
    found = times([f"10:00:{k // 30:02d};{k % 30 * 2:02d}.000" for k in range(300)])
    np.testing.assert_allclose(np.diff(found.seconds), 1.001 / 30, atol=1e-9)


def test_drop_frame_over_midnight():
    day = 24 * 6 * 17982
    found = times([drop_frame(number % day, 30, ";") for number in range(day - 70, day + 70)])
    np.testing.assert_allclose(np.diff(found.seconds), 1.001 / 30, atol=1e-6)


def test_a_semicolon_alone_skips_nothing_where_the_numbers_are_there():
    found = times([counted(k, 30, 30).replace(".000", "")[:8] + ";" + counted(k, 30, 30)[9:11] for k in range(3700)])
    np.testing.assert_allclose(np.diff(found.seconds), 1 / 30, atol=1e-9)


def test_equal_stamps_are_spread_over_the_step_to_the_next():
    found = times([counted(k // 2, 30, 30) for k in range(130)])  # 60 fps under timecodes of 30
    np.testing.assert_allclose(np.diff(found.seconds), 1 / 60, atol=1e-9)
    assert "65 rows have the timecode of the row before (the first in line 3)" in found.notices[0]
    codes = [timecode(k, 60) for k in (0, 1, 2, 2, 3, 4)]
    np.testing.assert_allclose(times(codes).seconds * 60, [0, 1, 2, 2.5, 3, 4])
    np.testing.assert_allclose(times(["00:00:00:10.000"] * 3).seconds * 60, [10, 11, 12])


def test_rows_out_of_order_are_named():
    with pytest.raises(InputError, match="a.csv: line 4: its timecode lies before that of the line before"):
        times([timecode(k, 60) for k in (0, 5, 3)])


@pytest.mark.parametrize(
    "text",
    ["", "x", "1", "00:00:00", "00:00:00:-1", "00:00:00:nan", "00:00:00:inf", "00:00:00:1e5", "24:00:00:00", "00:60:00:00",
     "00:00:60:00", "9" * 400 + ":00:00:00", "00:00:00:" + "9" * 400, "٠٠:00:00:00", "0_0:00:00:00", "+1:00:00:00"],
)  # fmt: skip
def test_another_text_is_refused_in_one_short_line(text):
    with pytest.raises(InputError, match="line 3: timecode .*expected HH:MM:SS:FF.fff") as caught:
        parse_timecode(text, "a.csv: line 3")
    assert len(str(caught.value)) < 200
