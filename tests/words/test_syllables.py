import pytest
from hypothesis import given
from hypothesis import strategies as st

from emage.words.syllables import spread, syllable_count


@pytest.mark.parametrize(
    "word, count",
    [
        ("to", 1),
        ("Banana,", 3),
        ("make", 1),
        ("table", 2),
        ("Straße", 2),
        ("über", 2),
        ("привет", 2),
        ("こんにちは", 5),
        ("日本", 2),
        ("مرحبا", 2),
        ("b", 1),
        ("42", 2),
        ("--", 0),
        ("", 0),
    ],
)
def test_syllables_are_counted_in_any_script(word, count):
    assert syllable_count(word) == count


def test_words_share_the_stretches_and_none_lies_in_a_pause():
    assert spread(["to", "banana"], [(1.0, 2.0), (5.0, 6.0)]) == [(1.0, 1.5), (5.0, 6.0)]
    assert spread(["-", "to"], [(1.0, 2.0)]) == [(1.0, 1.0), (1.0, 2.0)]
    assert spread(["to"], []) == [(0.0, 0.0)]
    assert spread([], [(0.0, 1.0)]) == []


@given(
    words=st.lists(st.text(min_size=1, max_size=8), max_size=20),
    lengths=st.lists(st.floats(0.01, 5), min_size=1, max_size=6),
)
def test_times_never_run_backwards(words, lengths):
    spans, at = [], 0.0
    for length in lengths:
        spans.append((at, at + length))
        at += length + 0.5
    times = spread(words, spans)
    assert len(times) == len(words)
    for (start_s, end_s), (later_s, _) in zip(times, [*times[1:], (at, at)], strict=False):
        assert 0 <= start_s <= end_s <= at
        assert start_s <= later_s + 1e-6
