import pytest

from emage.emotions import EMOTIONS, emotion_labels, read_timeline
from emage.errors import InputError

NO_LABELS = [(text, "got .*; choose one of neutral") for text in ("2.7", "-1", "8", "nan", "inf", "9" * 5000, "\u0663")]


@pytest.mark.parametrize("text, label", [("neutral", 0), ("Anger", 2), ("7", 7), ("2.0", 2), (" disgust ", 7)])
def test_a_name_or_a_number_holds_for_every_frame(text, label):
    assert emotion_labels(text, 5, 15.0).tolist() == [label] * 5
    assert len(EMOTIONS) == 8


def test_a_timeline_says_what_holds_when_and_neutral_where_it_is_silent(tmp_path):
    (tmp_path / "a.csv").write_text("start_s,end_s,emotion\n0.2,0.4,happiness\n\n0.4,0.6,3\n")
    assert emotion_labels(str(tmp_path / "a.csv"), 8, 10.0).tolist() == [0, 0, 1, 1, 3, 3, 0, 0]
    (tmp_path / "beat.csv").write_text("00_neutral,0,0.3,0.3,0\n02_anger,0.3,9,8.7,2\n")
    assert emotion_labels(str(tmp_path / "beat.csv"), 5, 10.0).tolist() == [0, 0, 0, 2, 2]


@pytest.mark.parametrize(
    "text, message", [("angre", "did you mean anger"), ("9", "0 to 7"), ("no.csv", "no such"), *NO_LABELS]
)
def test_an_unknown_emotion_is_told(text, message):
    with pytest.raises(InputError, match=message):
        emotion_labels(text, 5, 15.0)


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "no rows"),
        ("start,end,emotion\n", "no rows"),
        ("0,1,joyful\n", "line 1: emotion: got 'joyful'"),
        ("0,1,anger\n1,x,fear\n", "line 2: got '1,x,fear'"),
        ("2,1,anger\n", "line 1: it ends at 1 s, before it begins"),
        ("0,1\n", "line 1: got '0,1'"),
        ("0,1,2\n1,2,2.7\n", "line 2: emotion: got '2.7'; choose one of"),
        ("02_anger,0,1,1,2.7\n", "line 1: emotion: got '2.7'"),
        ('0,1,"anger' + "x" * 140_000, "not a table of comma separated values"),
    ],
)
def test_a_broken_timeline_is_told_with_its_line(tmp_path, content, message):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        read_timeline(tmp_path / "a.csv")
