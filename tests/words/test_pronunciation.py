import itertools
import string

import pytest

from emage.words.pronunciation import letters_to_sounds, number_words, pronounce

KNOWN = {"hello": "HH AH L OW", "dog": "D AO G", "bake": "B EY K", "forty": "F AO R T IY", "two": "T UW"}
KNOWN |= {"percent": "P ER S EH N T"}
PHONES = set(
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH".split()
)


@pytest.mark.parametrize(
    "word, phones",
    [
        ("hello", "HH AH L OW"),
        ("dogs", "D AO G Z"),
        ("dog's", "D AO G Z"),
        ("baking", "B EY K IH NG"),
        ("hello-dog", "HH AH L OW D AO G"),
        ("42%", "F AO R T IY T UW P ER S EH N T"),
        ("phlish", "F L IH SH"),
        ("kitts", "K IH T S"),
        ("日本", None),
        ("...", None),
    ],
)
def test_what_the_dictionary_lacks_is_put_together_or_spelled_out(word, phones):
    assert pronounce(word, KNOWN.get) == phones


@pytest.mark.parametrize(
    "digits, words",
    [
        ("0", "zero"),
        ("7", "seven"),
        ("15", "fifteen"),
        ("300", "three hundred"),
        ("2024", "two thousand twenty four"),
        ("1984", "nineteen eighty four"),
        ("007", "zero zero seven"),
        ("1200000", "one million two hundred thousand"),
    ],
)
def test_numbers_are_read_out(digits, words):
    assert number_words(digits) == words.split()


def test_every_rule_speaks_phones_of_the_model():
    for letters in itertools.product(string.ascii_lowercase + "'", repeat=3):
        assert set(letters_to_sounds("".join(letters)).split()) <= PHONES
