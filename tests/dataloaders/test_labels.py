import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataloaders.labels import Interval, emotion_from_take, labels_per_frame, read_emotion_csv, read_semantic_txt
from emage.errors import InputError


@pytest.mark.parametrize(
    ("take", "emotion"),
    [
        (1, 0),
        (64, 0),
        (65, 1),
        (72, 1),
        (73, 2),
        (81, 3),
        (86, 3),
        (87, 4),
        (95, 5),
        (103, 6),
        (111, 7),
        (118, 7),
        (119, 0),
    ],
)
def test_emotion_of_a_take(take, emotion):
    assert emotion_from_take(take, is_conversation=False) == emotion
    assert emotion_from_take(take, is_conversation=True) == 0


def test_emotion_csv(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("02_anger,0,10.5,10.5,2\n\n00_netural,10.5,60,49.5,0\n")
    intervals, notices = read_emotion_csv(path)
    assert intervals == [Interval(0, 10.5, 2, "02_anger"), Interval(10.5, 60, 0, "00_netural")]
    assert notices == ["emotion '00_netural' with score 0 read as neutral"]


def test_the_score_counts_where_the_name_contradicts(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("01_happiness,0,1,1,3\n01_happiness,1,2,1,3\n")
    intervals, notices = read_emotion_csv(path)
    assert {interval.value for interval in intervals} == {3}
    assert notices == ["emotion '01_happiness' with score 3 read as sadness"]


def test_semantic_txt(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(
        "01_beat_align\t0\t3.1\t3.1\t0.1\t\r\n10_metaphoric_h\t3.1\t4\t0.9\t1.0\tMonday, \xe9t\xe9\r\n".encode(
            "latin-1"
        )
    )
    assert read_semantic_txt(path) == [
        Interval(0, 3.1, 0.1, "01_beat_align"),
        Interval(3.1, 4, 1.0, "10_metaphoric_h"),
    ]
    path.write_text("")
    assert read_semantic_txt(path) == []


def test_the_real_labels(beat_sample):
    intervals = read_semantic_txt(next(beat_sample.rglob("2_scott_0_1_1.txt")))
    assert len(intervals) == 21
    assert intervals[7] == Interval(13.494, 15.358, 1.0, "10_metaphoric_h")
    emotion, notices = read_emotion_csv(next(beat_sample.rglob("*.csv")))
    assert emotion == [Interval(0, 63.908, 0, "00_netural")]
    assert len(notices) == 1


@pytest.mark.parametrize(
    ("reader", "text", "message"),
    [
        (read_semantic_txt, "a\t0\t1\t1\t0.1\t\na\t1\t2\n", "line 2: 3 fields; expected 5"),
        (read_semantic_txt, "a\t0\tx\t1\t0.1\t\n", "line 1: end 'x'; expected a number"),
        (read_semantic_txt, "a\tnan\t1\t1\t0.1\t\n", "line 1: start 'nan'"),
        (read_semantic_txt, "\na\t0\t1\t1\t1.5\t\n", "line 2: semantic score '1.5'; expected a number from 0 to 1"),
        (read_semantic_txt, "a\t2\t1\t1\t0.5\t\n", "line 1: ends at 1 s, before its start at 2 s"),
        (
            read_emotion_csv,
            "00_netural,0,1,1,0\n01_x,1,2,1,8\n",
            r"line 2: emotion '8'; expected a whole number 0\.\.7",
        ),
        (read_emotion_csv, "01_x,1,2,1,0.5\n", "line 1: emotion '0.5'"),
        (read_emotion_csv, "01_x;1;2;1;0\n", "line 1: 1 fields; expected 5 separated by ','"),
        (read_emotion_csv, "\n", "empty: expected rows"),
    ],
)
def test_malformed_rows_are_named(tmp_path, reader, text, message):
    path = tmp_path / "labels"
    path.write_text(text)
    with pytest.raises(InputError, match=f"labels: {message}"):
        reader(path)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="none.txt: cannot be read"):
        read_semantic_txt(tmp_path / "none.txt")


def test_labels_per_frame_known_case():
    intervals = [Interval(0.2, 0.4, 5, ""), Interval(0.6, 0.7, 6, "")]
    assert labels_per_frame(intervals, 9, 10, default=1).tolist() == [1, 1, 5, 5, 1, 1, 6, 1, 1]
    assert labels_per_frame(intervals, 9, 10, default=1, hold=True).tolist() == [5, 5, 5, 5, 5, 5, 6, 6, 6]
    assert labels_per_frame([], 3, 10, default=2, hold=True).tolist() == [2, 2, 2]
    assert labels_per_frame([Interval(0, math.inf, 3, "")], 2, 15, default=0).tolist() == [3, 3]


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 2)), max_size=8), st.integers(0, 40))
def test_labels_per_frame_equal_the_definition(spans, num_frames):
    intervals = [Interval(start_s, start_s + length_s, i, "") for i, (start_s, length_s) in enumerate(spans)]
    values = labels_per_frame(intervals, num_frames, 15, default=-1)
    for frame, value in enumerate(values):
        holding = [interval for interval in intervals if interval.start_s <= frame / 15 < interval.end_s]
        latest = max((interval.start_s for interval in holding), default=None)
        assert value == -1 if not holding else value in {i.value for i in holding if i.start_s == latest}
    assert np.isfinite(values).all()
