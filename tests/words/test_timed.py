import pytest

from emage.errors import collected_warnings
from emage.words import TimedWord, read_words, within_sound, write_words_json

WORDS = [
    TimedWord("a", 0.5, 0.9, 1.0),
    TimedWord("b", 1.8, 2.5, 0.5),
    TimedWord("c", 2.0, 2.2, 1.0),
    TimedWord("d", 9, 9, 0),
]


def test_words_after_the_end_of_the_sound_go_and_the_one_over_it_is_cut():
    with collected_warnings() as messages:
        words = within_sound(WORDS, 2.0, "w.json")
    assert words == [WORDS[0], TimedWord("b", 1.8, 2.0, 0.5)]
    assert (
        "w.json: 2 of 4 words begin after the end of the sound at 2.00 s and were left out, the first is 'c'"
        in messages[0]
    )
    assert "'b' ends at 2.50 s, after the sound at 2.00 s; it was cut there" in messages[1]


def test_words_within_the_sound_and_small_excesses_are_not_warned_of():
    words = [TimedWord("a", 0.5, 2.05, 1.0), TimedWord("-", 2.0005, 2.0005, 0.0)]  # words.json is rounded to ms
    with collected_warnings() as messages:
        assert within_sound(words, 2.0, "w") == [TimedWord("a", 0.5, 2.0, 1.0), TimedWord("-", 2.0, 2.0, 0.0)]
        assert within_sound([], 2.0, "w") == []
    assert messages == []


def test_a_file_of_another_sound_is_asked_about():
    with collected_warnings() as messages:
        assert within_sound(WORDS[1:], 1.0, "w") == []
    assert "3 of 3 words" in messages[0]
    assert "are its times not seconds?" in messages[0]


@pytest.mark.parametrize("ending", [".json", ".srt", ".TextGrid"])
def test_every_reader_knows_the_end_of_the_sound(tmp_path, ending):
    path = tmp_path / f"w{ending}"
    if ending == ".json":
        write_words_json(path, WORDS[:2])
    elif ending == ".srt":
        path.write_text("1\n00:00:00,500 --> 00:00:00,900\na\n\n2\n00:00:01,800 --> 00:00:02,500\nb\n")
    else:
        path.write_text('"ooTextFile" "TextGrid" 0 3 <exists> 1 "IntervalTier" "words" 0 3 2 0.5 0.9 "a" 1.8 2.5 "b"')
    with collected_warnings() as messages:
        assert [(word.word, word.end_s) for word in read_words(path, 2.0)] == [("a", 0.9), ("b", 2.0)]
        assert [word.word for word in read_words(path, 1.0)] == ["a"]
    assert len(messages) == 2
