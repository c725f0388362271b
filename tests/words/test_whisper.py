"""Word json as the programs around Whisper write it."""

import json

import pytest

from emage.errors import InputError, collected_warnings
from emage.words import TimedWord, read_words, write_words_json


@pytest.fixture
def read(tmp_path):
    """Reads a json node, or bytes; gives the words and the warnings."""

    def call(node):
        path = tmp_path / "w.json"
        path.write_bytes(node if isinstance(node, bytes) else json.dumps(node).encode())
        with collected_warnings() as messages:
            words = read_words(path)
        return words, messages

    return call


def spans(words):
    return [(word.word, pytest.approx(word.start_s), pytest.approx(word.end_s)) for word in words]


API_WORDS = [{"word": "Today", "start": 0.1, "end": 0.4}, {"word": "house", "start": 2.0, "end": 2.45}]
API_SEGMENTS = [{"id": 0, "start": 0.0, "end": 8.0, "text": " Today house"}]


@pytest.mark.parametrize("segments", [API_SEGMENTS, None, []])
def test_word_times_of_the_api_win_over_its_segments(read, segments):
    node = {"task": "transcribe", "duration": 8.02, "text": "Today house", "words": API_WORDS, "segments": segments}
    assert read(node) == ([TimedWord("Today", 0.1, 0.4, 1.0), TimedWord("house", 2.0, 2.45, 1.0)], [])


@pytest.mark.parametrize("words", [None, []])
def test_segments_share_their_time_where_there_are_no_words(read, words):
    words, messages = read({"text": "Today house", "words": words, "segments": API_SEGMENTS})
    assert [(word.word, word.confidence) for word in words] == [("Today", 0.5), ("house", 0.5)]
    assert (words[0].start_s, words[1].end_s, messages) == (0.0, 8.0, [])


def test_words_of_segments_win_over_their_text_and_a_segment_without_words_keeps_its_text(read):
    first = {"start": 0.0, "end": 3.0, "text": " One", "words": [{"word": " One", "start": 1.0, "end": 1.5}]}
    second = {"start": 3.0, "end": 4.0, "text": " two", "words": None}
    expected = [TimedWord("One", 1.0, 1.5, 1.0), TimedWord("two", 3.0, 4.0, 0.5)]
    assert read({"segments": [first, second]})[0] == expected
    assert read([first, second])[0] == expected  # faster-whisper's list of segments


def cpp(*rows):
    return {"transcription": [{"offsets": {"from": a, "to": b}, "text": text} for a, b, text in rows]}


def test_tokens_of_whisper_cpp_are_joined_to_words(read):
    rows = [(0, 0, ""), (100, 300, " Tod"), (300, 420, "ay"), (420, 900, ","), (930, 1000, " wan"), (1000, 1100, "t")]
    words, _ = read(cpp(*rows))
    assert spans(words) == [("Today,", 0.1, 0.42), ("want", 0.93, 1.1)]  # a comma takes no time
    rows = [(0, 100, " пр"), (100, 200, "ив"), (200, 300, "ет"), (300, 400, " мир")]
    assert spans(read(cpp(*rows))[0]) == [("привет", 0.0, 0.3), ("мир", 0.3, 0.4)]


def test_full_json_of_whisper_cpp_is_read_by_its_tokens(read):
    tokens = [
        ("[_BEG_]", 0, 0, 0.9),
        (" Tod", 0, 200, 0.8),
        ("ay", 200, 400, 0.6),
        (" I", 450, 500, 1.0),
        ("[_TT_50]", 500, 500, 0),
    ]
    row = {
        "timestamps": {"from": "00:00:00,000", "to": "00:00:02,000"},
        "offsets": {"from": 0, "to": 2000},
        "text": " Today I",
        "tokens": [{"text": text, "offsets": {"from": a, "to": b}, "p": p, "t_dtw": -1} for text, a, b, p in tokens],
    }
    words, _ = read({"result": {"language": "en"}, "transcription": [row]})
    assert words == [TimedWord("Today", 0.0, 0.4, pytest.approx(0.7)), TimedWord("I", 0.45, 0.5, 1.0)]
    for token in row["tokens"]:
        del token["offsets"]
    assert [word.confidence for word in read({"transcription": [row]})[0]] == [0.5, 0.5]
    del row["offsets"]
    assert read({"transcription": [row]})[0][1].end_s == 2.0


def test_a_letter_cut_into_tokens_is_put_together_and_a_bad_byte_is_replaced(read):
    text = json.dumps(cpp((100, 300, " caf"), (300, 350, "X"), (350, 400, "Y"), (400, 500, " naZve"))).encode()
    words, messages = read(text.replace(b"X", b"\xc3").replace(b"Y", b"\xa9").replace(b"Z", b"\xef"))
    assert spans(words) == [("café", 0.1, 0.4), ("na\ufffdve", 0.4, 0.5)]
    assert "not valid UTF-8; they were replaced" in messages[0]
    words, messages = read([{"word": "a\ud800", "start": 0, "end": 1}])  # half of a pair, legal in json, not in UTF-8
    assert (words[0].word, len(messages)) == ("a\ufffd", 1)


def test_only_spaces_that_the_program_writes_tell_words_from_their_parts(read):
    def words_of(*texts):
        rows = [{"word": text, "start": number / 10, "end": number / 10 + 0.1} for number, text in enumerate(texts)]
        return [word.word for word in read({"words": rows})[0]]

    assert words_of(" Well", "-known", " facts", ".") == ["Well-known", "facts."]
    assert words_of("Today", "I", "want") == ["Today", "I", "want"]
    assert words_of("Today", ",", "I", "go", ".") == ["Today,", "I", "go."]
    assert words_of(" Today", "I", "want") == ["Today", "I", "want"]  # one stray space
    assert words_of(" It", "'s") == ["It's"]
    assert words_of("Today ", "I ", "want") == ["Today", "I", "want"]
    assert words_of("你", "好", " OpenAI", "的", "。") == ["你", "好", "OpenAI", "的。"]


def test_a_segment_begins_a_word(read):
    rows = [[" One", " two"], ["Three", " four"]]
    segments = [
        {
            "start": 2 * n,
            "end": 2 * n + 2,
            "words": [{"word": w, "start": 2 * n + k, "end": 2 * n + k + 1} for k, w in enumerate(row)],
        }
        for n, row in enumerate(rows)
    ]
    assert [word.word for word in read({"segments": segments})[0]] == ["One", "two", "Three", "four"]


def test_chunks_of_transformers_may_lack_their_last_end(read):
    chunks = [{"text": " Hello", "timestamp": [0.0, None]}, {"text": " my good friend", "timestamp": [1.5, None]}]
    words, messages = read({"text": " Hello my good friend", "chunks": chunks})
    assert words[0] == TimedWord("Hello", 0.0, 1.5, 0.5)
    assert [word.word for word in words[1:]] == ["my", "good", "friend"]
    assert 1.5 == words[1].start_s < words[3].end_s < 3.0
    assert "'Hello' (and 1 more) has no start or no end" in messages[0]


def test_missing_times_of_whisperx_come_from_the_neighbours_within_the_segment(read):
    words = [
        {"word": "In", "start": 0.1, "end": 0.2, "score": 0.9},
        {"word": "2024", "start": 0.3},
        {"word": "we", "end": 1.0},
    ]
    words += [{"word": "say", "start": 1.2, "end": 1.4}, {"word": "$5."}]
    following = {"start": 5.0, "end": 6.0, "text": "Yes", "words": [{"word": "Yes", "start": 5.1, "end": 5.4}]}
    node = {"segments": [{"start": 0.1, "end": 2.0, "text": "x", "words": words}, following], "word_segments": []}
    words, messages = read(node)
    assert spans(words) == [("In", 0.1, 0.2), ("2024", 0.3, words[1].end_s), ("we", words[1].end_s, 1.0)] + [
        ("say", 1.2, 1.4),
        ("$5.", 1.4, 2.0),
        ("Yes", 5.1, 5.4),
    ]
    assert [word.confidence for word in words] == [0.9, 0.5, 0.5, 1.0, 0.0, 1.0]
    assert 0.3 < words[1].end_s < 1.0
    assert "'2024' (and 2 more) has no start or no end" in messages[0]


def test_an_item_that_ends_before_it_begins_keeps_its_place_with_confidence_0(read):
    rows = [(0.1, 0.4), (0.6, 0.5), (0.9, 1.2), (9.0, 1.0), (1.5, 1.6)]
    node = {"words": [{"word": str(n), "start": a, "end": b} for n, (a, b) in enumerate(rows)]}
    words, messages = read(node)
    assert [word.word for word in words] == ["0", "1", "2", "3", "4"]
    assert words[1] == TimedWord("1", 0.6, 0.9, 0.0)
    assert words[3] == TimedWord("3", 1.2, 1.5, 0.0)
    assert "'1' (and 1 more) ends before it begins" in messages[0]


def test_words_out_of_order_are_sorted_with_a_warning(read):
    words, messages = read([{"word": "b", "start": 3, "end": 4}, {"word": "a", "start": 1, "end": 2}])
    assert [word.word for word in words] == ["a", "b"]
    assert "'a' at 1.00 s begins before the word in front of it" in messages[0]


def test_confidence_that_is_none_is_not_changed_silently(read):
    words, messages = read([{"word": "a", "start": 0, "end": 1, "score": float("nan")}])
    assert words == [TimedWord("a", 0.0, 1.0, 0.0)]
    assert "the confidence of 'a' is nan, not between 0 and 1; it was set to 0" in messages[0]
    words, messages = read([{"word": "a", "start": 0, "end": 1, "confidence": 95}])
    assert (words[0].confidence, "is 95, not between" in messages[0]) == (1.0, True)


def test_sound_tags_and_special_tokens_are_not_words(read):
    words = [
        (" And", 0.0, 0.3),
        (" [Music]", 0.3, 0.6),
        (" ♪", 0.6, 0.7),
        (" (soft", 0.7, 0.8),
        (" laughing)", 0.8, 0.9),
        (" so", 1, 2),
    ]
    text = "<|startoftranscript|><|en|><|0.00|> And so<|2.00|>"
    segment = {"start": 0, "end": 2, "text": text, "words": [{"word": w, "start": a, "end": b} for w, a, b in words]}
    assert [word.word for word in read({"segments": [segment]})[0]] == ["And", "so"]
    assert [word.word for word in read({"segments": [{**segment, "words": None}]})[0]] == ["And", "so"]
    blank = {"start": 2, "end": 3, "text": " [BLANK_AUDIO]"}
    words, messages = read({"segments": [blank]})
    assert (words, len(messages)) == ([], 2)
    assert "left out as not spoken: '[BLANK_AUDIO]'" in messages[0]


def test_our_own_file_is_read_as_it_was_written(tmp_path):
    words = [
        TimedWord("[x]", 0.0, 0.5, 0.5),
        TimedWord("-", 0.5, 0.5, 0.0),
        TimedWord(",", 0.5, 0.625, 0.25),
        TimedWord("NOTE:", 1, 2, 1),
    ]
    for rows in (words, []):
        write_words_json(tmp_path / "a.words.json", rows)
        with collected_warnings() as messages:
            assert read_words(tmp_path / "a.words.json") == rows
        assert messages == []


def test_an_empty_list_is_a_sound_without_words(read):
    words, messages = read({"text": "", "segments": [], "language": "en"})  # openai-whisper on silence
    assert (words, ["it holds no words" in message for message in messages]) == ([], [True])


INT400 = int("1" + 400 * "0")


@pytest.mark.parametrize(
    "node, message",
    [
        ({"text": "Hello", "segments": None, "words": None}, "it has a text but no times; give the text with --text"),
        ({"text": "Hello"}, "it has a text but no times"),
        ([{"word": "a"}, {"word": "b"}], "its words have no times"),
        ({"metadata": {}, "results": []}, "no list of words in it, its keys are 'metadata', 'results'"),
        ({"segments": [{"text": "x", "words": 5}]}, "segment 0, words: got 5, no list"),
        ({"segments": {"a": 1}}, "segments: got {'a': 1}, no list"),
        ({"segments": [{"start": 0, "end": 1}]}, "no list of words: segment 0 is"),
        (["a"], "no list of words: word 0 is 'a'"),
        (5, "no list of words"),
        ([{"word": "a", "start": 0, "end": INT400}], r"word 0 \('a'\): from 0 to 1000.*; expected seconds"),
        ({"transcription": [{"text": "a", "offsets": {"from": 0, "to": INT400}}]}, r"row 0 \('a'\): from 0 to 1000"),
        ([{"word": "a", "start": float("nan"), "end": 1}], "from nan to 1"),
        ([{"word": "a", "start": 0, "end": float("inf")}], "from 0 to inf"),
        ([{"word": "a", "start": -1, "end": 1}], "from -1 to 1"),
        ([{"word": "a", "start": True, "end": 2}], "from True to 2"),
        ([{"word": "a", "start": 0, "end": 1, "confidence": {}}], r"word 0 \('a'\): confidence {}; expected 0 to 1"),
        ([{"word": "a", "start": 0, "end": 1, "confidence": "high"}], "confidence 'high'"),
        ([{"word": "a", "start": 0, "end": 1, "confidence": INT400}], "confidence 1000"),
        (3000 * b"[" + 3000 * b"]", "nested too deeply"),
        (b'[{"word": "a", "start": ' + 5000 * b"9" + b"}]", "not valid json"),
    ],
)
def test_what_cannot_be_read_is_one_short_line(read, node, message):
    with pytest.raises(InputError, match=message) as error:
        read(node)
    assert len(str(error.value)) < 500
    assert "\n" not in str(error.value)


VOSK = {"result": [{"conf": 0.9, "start": 0.1, "end": 0.4, "word": "hello"}], "text": "hello"}


@pytest.mark.parametrize(
    "node",
    [
        VOSK,
        [VOSK, {"text": ""}],
        {"alternatives": [{"confidence": 231.5, **VOSK}, {"confidence": 200.0, "text": "hallo"}]},
    ],
    ids=["one utterance", "utterances", "alternatives"],
)
def test_the_words_of_vosk(read, node):
    assert read(node) == ([TimedWord("hello", 0.1, 0.4, 0.9)], [])


def test_a_text_beside_an_unknown_list_is_an_unknown_layout(read):
    with pytest.raises(InputError, match="no list of words in it, its keys are 'monologues', 'text'"):
        read({"monologues": [{"elements": []}], "text": "hello"})
    with pytest.raises(InputError, match="a text but no times"):
        read({"text": "hello"})
