import codecs

import numpy as np
import pytest
import textgrid
from hypothesis import given
from hypothesis import strategies as st
from raw_corpus import words_until, write_textgrid

from emage.errors import InputError, collected_warnings
from emage.text import Word, normalise_word, read_alignment, read_phones, read_textgrid, word_indices

SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
2.5
<exists>
2
"TextTier"
"points"
0
2.5
1
1
"here"
"IntervalTier"
"Words"
0
2.5
4
0
0.5
""
0.5
1
"say ""hi"" now"
1
1.5
"sil"
1.5
2.5
"don't"
"""


@pytest.fixture
def grid(tmp_path):
    """Writes a text as a TextGrid and returns its path."""

    def write(text: str, encoding: str = "utf-8"):
        path = tmp_path / "x.TextGrid"
        path.write_bytes(text.encode(encoding))
        return path

    return write


def test_long_form_with_silences(tmp_path):
    words = words_until(4.0)
    write_textgrid(tmp_path / "x.TextGrid", words, 4.0)
    assert read_textgrid(tmp_path / "x.TextGrid") == [Word(*word) for word in words]
    phones = read_phones(tmp_path / "x.TextGrid")
    assert [phone.text for phone in phones] == ["AH0", "T"] * len(words)
    assert read_alignment(tmp_path / "x.TextGrid") == ([Word(*word) for word in words], phones)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_short_form_in_every_encoding_with_points_quotes_and_silence_marks(grid, encoding):
    expected = [Word('say "hi" now', 0.5, 1.0), Word("don't", 1.5, 2.5)]
    assert read_textgrid(grid(SHORT, encoding)) == expected
    assert read_textgrid(grid(SHORT.replace("\n", "\r\n"), encoding)) == expected


def test_big_endian_utf_16_and_letters_beyond_ascii(grid):
    path = grid("")
    path.write_bytes(codecs.BOM_UTF16_BE + SHORT.replace("don't", "naïve 你好").encode("utf-16-be"))
    assert read_textgrid(path)[-1].text == "naïve 你好"


def test_what_is_no_string_number_or_flag_is_comment(grid):
    spaced = SHORT.replace("<exists>", "tiers? <exists> ! 5 of them").replace("\n4\n", "\n intervals: size = 4\n")
    assert read_textgrid(grid(spaced)) == read_textgrid(grid(SHORT))


def test_reads_what_the_textgrid_package_reads(beat_sample):
    path = next(beat_sample.rglob("*.TextGrid"))
    tier = textgrid.TextGrid.fromFile(str(path))[0]
    expected = [Word(i.mark, i.minTime, i.maxTime) for i in tier if i.mark]
    assert len(expected) > 100
    assert read_textgrid(path) == expected


def test_reads_what_the_textgrid_package_writes(tmp_path):
    tier = textgrid.IntervalTier("words", 0, 3)
    tier.add(0.25, 1.5, 'a "quoted" word')
    grid = textgrid.TextGrid(maxTime=3)
    grid.append(tier)
    grid.write(str(tmp_path / "x.TextGrid"))
    assert read_textgrid(tmp_path / "x.TextGrid") == [Word('a "quoted" word', 0.25, 1.5)]


def test_missing_tier_names_those_that_are_there(tmp_path, grid):
    write_textgrid(tmp_path / "p.TextGrid", words_until(2.0), 2.0, tiers=["phones", "utterances"])
    with pytest.raises(InputError, match=r"p.TextGrid: no interval tier 'words'; the file has 'phones', 'utterances'"):
        read_textgrid(tmp_path / "p.TextGrid")
    with pytest.raises(InputError, match=r"the file has 'points' \(points\)"):
        read_textgrid(grid(SHORT.split('"IntervalTier"')[0].replace("<exists>\n2", "<exists>\n1")))
    with pytest.raises(InputError, match="the file has no tiers"):
        read_textgrid(grid(SHORT.split("<exists>")[0] + "<absent>\n"))
    assert read_phones(grid(SHORT)) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\n1.5\n2.5\n", "\n1.5\nlate\n", 'line 31: .*got "don\'t" where the number xmax of an interval'),
        ("\n1.5\n2.5\n", "\n2.5\n1.5\n", "line 30: .*an interval from 2.5 s to 1.5 s"),
        ('"don\'t"\n', "", "line 30: .*the file ends where the text of an interval"),
        ('"don\'t"', "\"don't", "line 31: .*does not end"),
        ('"IntervalTier"', '"PitchTier"', "tier 'Words': unknown class 'PitchTier'"),
        ("\n4\n", "\n4.5\n", "line 19: .*got 4.5 as the size of a tier"),
        ('"TextGrid"', '"Pitch"', "line 1: no TextGrid"),
        (SHORT, "", "line 1: .*the file ends"),
    ],
)
def test_corrupt_file_is_named_with_its_line(grid, old, new, message):
    assert old in SHORT
    with pytest.raises(InputError, match=rf"x.TextGrid: {message}"):
        read_textgrid(grid(SHORT.replace(old, new)))


def test_other_bytes_and_missing_file(tmp_path, grid):
    with collected_warnings() as messages:
        assert read_textgrid(grid(SHORT.replace("don't", "naïve"), "latin-1"))[-1].text == "naïve"
    assert "line 31: not UTF-8; it was read as Windows-1252" in messages[0]
    assert read_textgrid(grid(SHORT.replace("don't", "naïve"), "utf-16-be"))[-1].text == "naïve"
    (tmp_path / "x.TextGrid").write_bytes(b"ooBinaryFile\x08TextGrid\x00\x00\x00\x00\x00")
    with pytest.raises(InputError, match="not text but binary data"):
        read_textgrid(tmp_path / "x.TextGrid")
    with pytest.raises(InputError, match="none.TextGrid: cannot be read"):
        read_textgrid(tmp_path / "none.TextGrid")


def tiers(grid, *rows):
    """A TextGrid of interval tiers, each (name, words), a word a second."""
    parts = []
    for name, texts in rows:
        marks = " ".join(f'{n} {n + 1} "{text}"' for n, text in enumerate(texts.split()))
        parts.append(f'"IntervalTier" "{name}" 0 9 {len(texts.split())} {marks}')
    return grid(f'"ooTextFile" "TextGrid" 0 9 <exists> {len(rows)} ' + " ".join(parts))


@pytest.mark.parametrize(
    "name",
    [
        "words",
        "Words ",
        "anna - words",
        "Anna Smith - Words",
        "anna - word",
        "word",
        "ORT-MAU",
        "TokensAlign",
        "words (anna)",
    ],
)
def test_tiers_of_words_of_every_aligner(grid, name):
    path = tiers(grid, ("anna - utterances", "x y z"), (name, "hello sil there"), ("phones", "AH T"))
    with collected_warnings() as messages:
        assert [word.text for word in read_textgrid(path)] == ["hello", "there"]
    assert messages == []


def test_the_fullest_of_several_speakers_is_taken_with_a_warning(grid):
    rows = [("anna - words", "a"), ("anna - phones", "AH AH AH"), ("ben - words", "b c"), ("ben - phones", "B K")]
    path = tiers(grid, *rows, ("cy - words", "sil"))
    with collected_warnings() as messages:
        words, phones = read_alignment(path)
    assert [[entry.text for entry in entries] for entries in (words, phones)] == [["b", "c"], ["B", "K"]]
    assert "it has the tiers 'anna - words', 'ben - words'; 'ben - words' was taken" in messages[0]
    assert len(messages) == 1


def test_canonical_phones_and_other_tiers_are_not_taken(grid):
    path = tiers(grid, ("KAN-MAU", "x"), ("passwords", "x"))
    assert read_phones(path) == []
    with pytest.raises(InputError, match="no interval tier 'words'; the file has 'KAN-MAU', 'passwords'"):
        read_textgrid(path)


@pytest.mark.parametrize(
    "tier, message",
    [
        ('"words" 0 2 1e999', "got 1e999 where the number the size of a tier"),
        ('"words" 0 2 1e300', "got 1e300 where the number the size of a tier"),
        ('"words" 0 2 1 0 1e999 "a"', "got 1e999 where the number xmax"),
        ('"words" 0 2 1 -3 -2 "a"', "an interval from -3 s to -2 s"),
        ('"words" 0 2 2 5 6 "a" 3 4 "b"', "an interval at 3 s behind one at 5 s"),
        ('"words" 0 2 999999999 5 6 "a"', "the file ends where"),
    ],
)
def test_numbers_that_are_no_times_are_one_line(grid, tier, message):
    with pytest.raises(InputError, match=f"corrupt TextGrid: {message}"):
        read_textgrid(grid(f'"ooTextFile" "TextGrid" 0 2 <exists> 1 "IntervalTier" {tier}'))


def test_word_indices_known_case():
    words = [Word("a", 0.0, 0.2), Word("b", 0.2, 0.3), Word("c", 0.55, 9.0)]
    assert word_indices(words, 8, 10).tolist() == [0, 0, 1, -1, -1, -1, 2, 2]
    assert word_indices([], 3, 10).tolist() == [-1, -1, -1]
    assert word_indices(words, 8, 10).dtype == np.int32


@given(
    st.lists(st.tuples(st.floats(0, 5), st.floats(0, 1)), max_size=12),
    st.integers(0, 60),
    st.sampled_from([12.5, 15, 29.97, 30]),
)
def test_word_indices_equal_the_definition(spans, num_frames, fps):
    words = [Word(str(i), start_s, start_s + length_s) for i, (start_s, length_s) in enumerate(spans)]
    for frame, index in enumerate(word_indices(words, num_frames, fps)):
        sounding = [i for i, word in enumerate(words) if word.start_s <= frame / fps < word.end_s]
        latest = max((words[i].start_s for i in sounding), default=None)
        assert index == -1 if not sounding else index in sounding and words[index].start_s == latest


@pytest.mark.parametrize(
    ("word", "expected"),
    [("Hello,", "hello"), ("don’t", "don't"), ('"well-known"', "well-known"), ("...", ""), ("", ""), ("ÉTÉ!", "été")],
)
def test_normalise_word(word, expected):
    assert normalise_word(word) == expected
    assert normalise_word(normalise_word(word)) == expected
