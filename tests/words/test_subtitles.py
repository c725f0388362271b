"""SubRip and WebVTT as captioners, players and YouTube write them."""

import pytest

from emage.errors import InputError, collected_warnings
from emage.words import TimedWord, read_words


@pytest.fixture
def read(tmp_path):
    """Reads a text as a file of an ending; gives the words and the warnings."""

    def call(text, ending=".srt", encoding="utf-8"):
        path = tmp_path / f"a{ending}"
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        with collected_warnings() as messages:
            words = read_words(path)
        return words, messages

    return call


def texts(words):
    return [word.word for word in words]


def srt(*cues):
    """Cues of (start, end in whole seconds, text)."""
    rows = (f"{n}\n00:00:{a:02},000 --> 00:00:{b:02},000\n{text}\n" for n, (a, b, text) in enumerate(cues, 1))
    return "\n".join(rows)


YOUTUBE = """WEBVTT
Kind: captions
Language: en

00:00:00.160 --> 00:00:02.429 align:start position:0%
~
Today<00:00:00.560><c> I</c><00:00:00.720><c> want</c>

00:00:02.429 --> 00:00:02.439 align:start position:0%
Today I want
~

00:00:02.439 --> 00:00:05.749 align:start position:0%
Today I want
the<00:00:03.000><c> big</c><00:00:03.160><c> house</c>

00:00:05.749 --> 00:00:05.759 align:start position:0%
the big house
~
""".replace("~", " ")  # YouTube writes a line of one space


def test_rolling_captions_of_youtube_give_each_word_once_at_its_mark(read):
    words, messages = read(YOUTUBE, ".vtt")
    starts = [("Today", 0.16), ("I", 0.56), ("want", 0.72), ("the", 2.439), ("big", 3.0), ("house", 3.16)]
    assert [(word.word, word.start_s, word.confidence) for word in words] == [(*start, 1.0) for start in starts]
    assert all(first.end_s <= second.start_s for first, second in zip(words, words[1:], strict=False))
    assert messages == []


@pytest.mark.parametrize(
    "cues",
    [
        [(0, 2, "we want to"), (2, 4, "we want to\ntalk about"), (4, 6, "talk about\nthe house")],
        [
            (0, 2, "we want to"),
            (2, 2, "we want to"),
            (2, 4, "we want to\n \ntalk about"),
            (4, 6, "talk about\nthe house"),
        ],
        [(0, 2, "we want to"), (2, 4, "we want to talk about"), (4, 6, "talk about the house")],
        [(0, 2, "we want to"), (2, 4, "we want to\ntalk about"), (4, 6, "we want to\ntalk about\nthe house")],
    ],
    ids=["two lines", "with flashes", "one line", "growing"],
)
def test_rolling_captions_without_marks_give_each_word_once(read, cues):
    words, messages = read(srt(*cues))
    assert texts(words) == "we want to talk about the house".split()
    num_repeated = sum(len(text.split()) for *_, text in cues) - len(words)
    assert f"rolling captions: {num_repeated} words that a cue repeats from the one before were left out" in messages[0]
    assert [word.start_s for word in words if word.word in ("we", "talk", "the")] == [0.0, 2.0, 4.0]


def test_what_is_said_twice_stays_twice(read):
    words, _ = read(srt((0, 1, "No."), (1, 2, "No."), (2, 3, "I said no."), (3, 4, "Okay.")))
    assert texts(words) == "No. No. I said no. Okay.".split()
    assert texts(read(srt((0, 1, "Yes."), (1, 3, "Yes. I do.")))[0]) == ["Yes.", "Yes.", "I", "do."]


@pytest.mark.parametrize(
    "lines",
    [
        ["I have a dream", "a dream that one day", "one day this nation", "this nation will rise"],
        ["we shall fight", "we shall fight on the beaches", "and in the fields", "and in the hills"],
        ["I came to say", "to say that you\nare the one", "the one who knows", "who knows"],
        ["No, no, no.", "No, no, no.", "No, no, no. I said", "I said no"],
        ["yes we can", "yes we can", "yes we can", "and we will"],
    ],
)
def test_a_repetition_of_a_speaker_is_no_rolling_caption(read, lines):
    words, messages = read(srt(*((2 * place, 2 * place + 2, line) for place, line in enumerate(lines))))
    assert (texts(words), messages) == (" ".join(lines).split(), [])


def test_only_an_empty_line_ends_a_vtt_cue(read):
    text = "WEBVTT\n\n00:01.000 --> 00:03.000\none\n \ntwo\n\nthree\n\n00:03.000 --> 00:04.000\nfour\n"
    words, messages = read(text, ".vtt")
    assert texts(words) == ["one", "two", "four"]
    assert "line 8: text behind the empty line that ends a cue was left out" in messages[0]


def test_blocks_identifiers_settings_and_markup_of_vtt_are_not_words(read):
    text = (
        "\ufeffWEBVTT - title\nKind: captions\n\nSTYLE\n::cue { color: red }\n\nREGION\nid:fred\n\nNOTE a --> b\nof two lines\n\n"
        "intro\n00:01.000 --> 00:02.000 align:start line:0\n<v Mary Ann>Hello <i>there</i> &amp;&nbsp;you</v>\n\nNOTE\n\n"
        "2\n00:02.000 --> 00:03.000\n<c.yellow>Bye</c>\n"
    )
    words, messages = read(text, ".vtt")
    assert (texts(words), messages) == (["Hello", "there", "&", "you", "Bye"], [])


def test_time_marks_inside_a_word_do_not_split_it_and_falling_marks_are_held_back(read):
    text = "WEBVTT\n\n00:00.000 --> 00:02.000\nHel<00:00.500>lo <00:01.000>you <00:00.200>all <00:09.000>now\n"
    words, _ = read(text, ".vtt")
    assert words == [
        TimedWord("Hello", 0.0, 1.0, 1.0),
        TimedWord("you", 1.0, 1.0, 1.0),
        TimedWord("all", 1.0, 2.0, 1.0),
        TimedWord("now", 2.0, 2.0, 1.0),
    ]


def test_empty_lines_inside_a_srt_cue_stay_in_it(read):
    text = "1\n00:00:00,000 --> 00:00:02,000\nHello\n\nthere 42\n\n2\n00:00:02,000 --> 00:00:03,000\nBye\n"
    assert texts(read(text)[0]) == ["Hello", "there", "42", "Bye"]
    for lines in ("\n\n", "\r\r\n", "\r\n", "\r"):  # some programs double the line ends
        assert texts(read(text.replace("\n", lines))[0]) == ["Hello", "there", "42", "Bye"]
    assert texts(read("00:00:00,000 --> 00:00:02,000\nI am 42\n\n00:00:02,000 --> 00:00:03,000\nBye\n")[0])[2] == "42"


@pytest.mark.parametrize(
    "line, start_s, end_s",
    [
        ("00:00:01,500 --> 00:00:02,250", 1.5, 2.25),
        ("00:00:01.500 --> 00:00:02.250", 1.5, 2.25),
        ("0:0:1,5 --> 0:0:2,25", 1.5, 2.25),
        ("00:01.500-->00:02.250 position:0%", 1.5, 2.25),
        ("00:00:01:500 --> 00:00:02:250", 1.5, 2.25),
        ("00:00:01 –> 00:00:02", 1.0, 2.0),
        ("01:00:01,000 --> 01:00:02,000", 3601.0, 3602.0),
    ],
)
def test_times_in_every_spelling(read, line, start_s, end_s):
    assert read(f"1\n{line}\nHi\n")[0] == [TimedWord("Hi", start_s, end_s, 0.5)]


@pytest.mark.parametrize("ending, head", [(".srt", "1\n"), (".vtt", "WEBVTT\n\n")])
@pytest.mark.parametrize("text", ["word " * 100_000, "word\n" * 100_000, "- " * 100_000 + "word"])
def test_a_cue_of_any_length_is_read(read, ending, head, text):
    """Its words took a time that grew with the square of their number: a minute and more."""
    words, _ = read(f"{head}00:00:00.000 --> 00:00:09.000\n{text}\n", ending)
    assert len(words) == text.count("word")
    assert (words[0].start_s, words[-1].end_s) == (0.0, pytest.approx(9.0))


def test_long_cues_of_one_word_are_compared(read):
    words, _ = read(srt((0, 1, "no " * 100_000 + "yes"), (1, 2, "no " * 100_000 + "well")))
    assert len(words) == 200_002


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_is_told_with_and_without_its_mark(read, encoding):
    words, messages = read(srt((0, 1, "Grüße 你好")), encoding=encoding)
    assert (texts(words), messages) == (["Grüße", "你好"], [])


def test_windows_1252_is_read_with_a_warning(read):
    words, messages = read(srt((0, 1, "Grüße"), (1, 2, "“café”")), encoding="cp1252")
    assert texts(words) == ["Grüße", "“café”"]
    assert "line 3: not UTF-8; it was read as Windows-1252" in messages[0]


def test_sounds_labels_and_tags_are_not_words(read):
    cues = [
        (0, 1, "[door\nslams]"),
        (1, 2, "{\\an8}<font color='#fff'>Hello<br>there</font>\\Nfriend"),
        (2, 3, "- Yes.\n- No."),
        (3, 4, "&gt;&gt; MARY: (sighs) Fine."),
        (4, 5, "♪ ♪"),
        (5, 6, "MAN 1: *laughs* I &lt;3 you"),
        (6, 7, "Note: it is 3:45\nin the morning"),
    ]
    words, messages = read(srt(*cues))
    assert texts(words) == "Hello there friend Yes. No. Fine. I <3 you Note: it is 3:45 in the morning".split()
    assert words[0].start_s == 1.0
    assert "left out as not spoken: '[door slams]', " in messages[0]


def test_cues_out_of_order_are_sorted_and_repeated_ones_dropped(read):
    words, messages = read(srt((5, 6, "late"), (0, 1, "early"), (0, 1, "early")))
    assert (texts(words), words[0].start_s) == (["early", "late"], 0.0)
    assert "not in the order of their times; they were sorted" in messages[0]


def test_words_end_where_the_next_cue_begins_if_cues_stay_on_the_screen(read):
    words, _ = read(srt((0, 3, "one"), (2, 5, "two"), (4, 6, "three")))
    assert [(word.start_s, word.end_s) for word in words] == [(0.0, 2.0), (2.0, 4.0), (4.0, 6.0)]
    words, _ = read(srt((0, 1, "one"), (1, 4, "two"), (2, 3, "three"), (5, 6, "four")))  # two speak at once
    assert (words[1].end_s, words[2].end_s) == (4.0, 3.0)


def test_a_cue_that_ends_before_it_begins_keeps_its_place(read):
    words, messages = read(srt((0, 1, "one"), (2, 1, "two"), (4, 5, "three")))
    assert words[1] == TimedWord("two", 2.0, 4.0, 0.0)
    assert "line 6: the cue ends at 1 s, before it begins at 2 s" in messages[0]


def test_a_cue_whose_times_cannot_be_read_is_left_out_with_a_warning(read):
    text = srt((0, 1, "one"), (2, 3, "two"), (4, 5, "three")).replace("00:00:02,000", "-00:00:02,000")
    words, messages = read(text)
    assert texts(words) == ["one", "three"]
    assert "line 6: '-00:00:02,000 --> 00:00:03,000' are not the times of a cue" in messages[0]


def test_underlined_words_are_times_only_where_a_file_marks_each_word(read):
    words, _ = read(srt((0, 1, "This is <u>big</u> news"), (1, 2, "for us")))
    assert texts(words) == ["This", "is", "big", "news", "for", "us"]
    words, _ = read(srt((0, 1, "<u>one</u> two"), (1, 2, "one two"), (2, 3, "one <u>two</u>"), (4, 5, "<u>Yes</u>")))
    assert [(word.word, word.start_s) for word in words] == [("one", 0.0), ("two", 2.0), ("Yes", 4.0)]
    words, _ = read(srt((0, 1, "<u>one</u> two"), (2, 1, "one <u>two</u>"), (4, 5, "<u>Yes</u>")))
    assert words[1] == TimedWord("two", 2.0, 4.0, 0.0)


def test_a_file_without_words_is_empty_with_a_warning(read):
    for text in ("WEBVTT\n", "WEBVTT\n\n00:00.000 --> 00:01.000\n[Music]\n"):
        words, messages = read(text, ".vtt")
        assert (words, "it holds no words" in messages[-1]) == ([], True)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "no subtitle in it"),
        (b"1\n" + 400 * b"9" + b":00:00,000 --> 00:00:01,000\nx\n", "line 2: '999.*later than a day"),
        (b"1\n00:00:00,000 --> " + 5000 * b"9" + b":00:00,500\nx\n", "line 2: .*later than a day"),
        (b"1\n25:00:00,000 --> 26:00:00,500\nx\n", "line 2: .*later than a day"),
        (b"PK\x03\x04\x00\x00", "an office document, not text"),
        (bytes(range(256)), "it is not text but binary data"),
        (b"\xff\xfe\xfa", "not UTF-8 and not UTF-16"),
    ],
)
def test_what_is_no_subtitle_is_one_line(read, content, message):
    with pytest.raises(InputError, match=message) as error:
        read(content)
    assert len(str(error.value)) < 500
