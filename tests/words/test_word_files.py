import json
from pathlib import Path

import pytest

from emage.errors import InputError, collected_warnings
from emage.text import Word
from emage.words import TimedWord, read_words, spoken, write_words_json

WORDS = [TimedWord("Hello,", 0.5, 0.9, 0.75), TimedWord("wörld", 1.0, 1.5, 1.0)]


def test_our_own_file_reads_back_and_is_one_entry_a_word(tmp_path):
    write_words_json(tmp_path / "a.words.json", WORDS)
    node = json.loads((tmp_path / "a.words.json").read_text(encoding="utf-8"))
    assert node[0] == {"word": "Hello,", "start_s": 0.5, "end_s": 0.9, "confidence": 0.75}
    assert read_words(tmp_path / "a.words.json") == WORDS
    write_words_json(tmp_path / "none.json", [])
    assert json.loads((tmp_path / "none.json").read_text()) == []
    with pytest.raises(ValueError, match="not all finite"):
        write_words_json(tmp_path / "b.json", [TimedWord("a", float("nan"), 1, 1)])


def words_of(folder: Path, node: object) -> list[TimedWord]:
    path = folder / "w.json"
    path.write_text(json.dumps(node))
    return read_words(path)


HELLO, WORLD = {"word": " Hello,", "start": 0.5, "end": 0.9}, {"word": " wörld", "start": 1.0, "end": 1.5}


@pytest.mark.parametrize(
    "node, confidences",
    [
        ({"segments": [{"text": "x", "words": [{**HELLO, "probability": 0.75}]}, {"words": [WORLD]}]}, (0.75, 1.0)),
        ({"segments": [{"words": [{**HELLO, "score": 0.75}, WORLD]}], "word_segments": []}, (0.75, 1.0)),
        ({"text": "x", "words": [HELLO, WORLD]}, (1.0, 1.0)),
        (
            {
                "transcription": [
                    {"offsets": {"from": 500, "to": 900}, "text": " Hello,"},
                    {"offsets": {"from": 1000, "to": 1500}, "text": " wörld"},
                ]
            },
            (1.0, 1.0),
        ),
    ],
    ids=["whisper", "whisperx", "api", "whisper.cpp"],
)
def test_words_of_every_whisper_are_understood(tmp_path, node, confidences):
    expected = [word._replace(confidence=c) for word, c in zip(WORDS, confidences, strict=True)]
    assert words_of(tmp_path, node) == expected


def test_a_segment_without_words_shares_its_time_by_syllables(tmp_path):
    words = words_of(tmp_path, {"segments": [{"text": " to banana", "start": 2.0, "end": 4.0}]})
    assert words == [TimedWord("to", 2.0, 2.5, 0.5), TimedWord("banana", 2.5, 4.0, 0.5)]


def test_a_word_without_times_stands_between_its_neighbours(tmp_path):
    with collected_warnings() as messages:
        words = words_of(tmp_path, {"words": [HELLO, {"word": "42"}, WORLD, {"word": "end"}]})
    assert "'42' (and 1 more) has no start or no end" in messages[0]
    assert [word.word for word in words] == ["Hello,", "42", "wörld", "end"]
    assert words[1] == TimedWord("42", 0.9, 1.0, 0.0)
    assert words[3] == TimedWord("end", 1.5, 1.5, 0.0)
    assert spoken(words) == [Word("Hello,", 0.5, 0.9), Word("42", 0.9, 1.0), Word("wörld", 1.0, 1.5)]


@pytest.mark.parametrize(
    "node, message",
    [
        ("{", "not valid json"),
        ({"segments": [3]}, "segments: expected"),
        ({"frames": []}, "no list of words"),
        ([{"start": 1}], "no list of words"),
        ([{"word": "a", "start": 2, "end": "x"}], r"word 0 \('a'\): from 2 to 'x'"),
    ],
)
def test_a_broken_json_is_told_in_one_line(tmp_path, node, message):
    (tmp_path / "w.json").write_text(node if isinstance(node, str) else json.dumps(node))
    with pytest.raises(InputError, match=message):
        read_words(tmp_path / "w.json")


SRT = """1
00:00:01,000 --> 00:00:02,000
to banana

2
01:00:00,500 --> 01:00:01,500
<i>Second</i> &amp; last
"""


def test_cues_of_srt_and_vtt_share_their_time(tmp_path):
    (tmp_path / "a.srt").write_bytes(("\ufeff" + SRT.replace("\n", "\r\n")).encode())
    words = read_words(tmp_path / "a.srt")
    assert words[:2] == [TimedWord("to", 1.0, 1.25, 0.5), TimedWord("banana", 1.25, 2.0, 0.5)]
    assert [word.word for word in words[2:]] == ["Second", "&", "last"]
    assert (words[2].start_s, words[3].end_s, words[-1].end_s) == (3600.5, words[4].start_s, 3601.5)
    (tmp_path / "a.vtt").write_text("WEBVTT\n\nNOTE a --> comment\n\n01:00.000 --> 01:02.000 align:start\n<v Bob>a b\n")
    assert read_words(tmp_path / "a.vtt") == [TimedWord("a", 60.0, 61.0, 0.5), TimedWord("b", 61.0, 62.0, 0.5)]


def test_times_of_single_words_are_taken_where_a_file_has_them(tmp_path):
    (tmp_path / "a.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:03.000\none<00:02.000><c> two</c>\n")
    assert read_words(tmp_path / "a.vtt") == [TimedWord("one", 1.0, 2.0, 1.0), TimedWord("two", 2.0, 3.0, 1.0)]
    highlighted = (
        "1\n00:00:01,000 --> 00:00:02,000\n<u>one</u> two\n\n2\n00:00:02,000 --> 00:00:02,500\none <u>two</u>\n"
    )
    (tmp_path / "b.srt").write_text(highlighted)
    assert read_words(tmp_path / "b.srt") == [TimedWord("one", 1.0, 2.0, 1.0), TimedWord("two", 2.0, 2.5, 1.0)]


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.srt", b"nothing", "no subtitle in it"),
        ("a.vtt", b"\xff\xfe\xfa", "not UTF-8"),
        ("a.docx", b"x", "give a plain transcript as text"),
    ],
)
def test_broken_subtitles_are_told_in_one_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_words(tmp_path / name)
    with pytest.raises(InputError):
        read_words(tmp_path / ("no" + name))


def test_a_textgrid_gives_its_words(beat_sample):
    words = read_words(beat_sample / "2" / "2_scott_0_1_1.TextGrid")
    assert (len(words), words[0].word, words[0].confidence) == (199, "the", 1.0)


def test_our_own_file_of_a_speech_without_words_is_read(tmp_path):
    write_words_json(tmp_path / "a.words.json", [])
    assert read_words(tmp_path / "a.words.json") == []
