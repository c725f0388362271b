import json
from collections import Counter

import pytest

from emage.errors import InputError
from emage.vocabulary import EOS, PAD, SOS, UNK, Vocabulary


def test_most_frequent_first_equal_counts_by_alphabet_and_the_rest_is_overflow():
    vocabulary = Vocabulary.build(Counter({"rare": 1, "the": 9, "zoo": 2, "ant": 2, "once": 1}), capacity=7)
    assert vocabulary.words == ("<pad>", "<sos>", "<eos>", "<unk>", "the", "ant", "zoo")
    assert (PAD, SOS, EOS, UNK) == (0, 1, 2, 3)
    assert len(vocabulary) == 7
    assert vocabulary.overflow == 2
    assert [vocabulary.id(word) for word in ("the", "zoo", "rare", "")] == [4, 6, UNK, PAD]


def test_spellings_with_punctuation_are_one_word_at_both_doors():
    vocabulary = Vocabulary.build(Counter({"Hello,": 1, "hello": 1, "world.": 1, "...": 50, "": 99}), capacity=10)
    assert vocabulary.words[4:] == ("hello", "world")
    assert vocabulary.id("hello!") == vocabulary.id("Hello,") == 4
    assert vocabulary.id("...") == PAD


def test_a_special_entry_cannot_be_spoken():
    vocabulary = Vocabulary.build(Counter({"<unk>": 3, "pad": 2}), capacity=10)
    assert vocabulary.words[4:] == ("unk", "pad")


def test_order_of_counting_does_not_matter():
    words = {"b": 2, "a": 2, "c": 5, "A,": 1}
    forward = Vocabulary.build(Counter(words), capacity=20)
    assert Vocabulary.build(Counter(dict(reversed(words.items()))), capacity=20) == forward


def test_save_and_load(tmp_path):
    vocabulary = Vocabulary.build(Counter({"été": 3, "don't": 2, "x": 1}), capacity=6)
    vocabulary.save(tmp_path / "vocab.json")
    loaded = Vocabulary.load(tmp_path / "vocab.json")
    assert loaded == vocabulary
    assert loaded.overflow == vocabulary.overflow == 1
    assert loaded.id("Don't") == vocabulary.id("don't")


def test_capacity_below_the_special_entries():
    assert len(Vocabulary.build(Counter({"a": 1}), capacity=4)) == 4
    with pytest.raises(InputError, match="model.num_words: got 3"):
        Vocabulary.build(Counter(), capacity=3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no vocabulary"),
        ('{"words": []}', "no vocabulary.*overflow"),
        ('{"words": "abc", "overflow": 0}', "expected a list of strings"),
        ('{"words": [1], "overflow": 0}', "expected a list of strings"),
        (json.dumps({"words": ["a", "a"], "overflow": 0}), "a word stands twice"),
    ],
)
def test_broken_files(tmp_path, text, message):
    (tmp_path / "vocab.json").write_text(text)
    with pytest.raises(InputError, match=f"vocab.json: .*{message}"):
        Vocabulary.load(tmp_path / "vocab.json")


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="vocab.json: cannot be read"):
        Vocabulary.load(tmp_path / "vocab.json")
