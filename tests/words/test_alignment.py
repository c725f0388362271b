"""Forced alignment: on the real recording where it lies beside the project, on made sound everywhere."""

import random

import numpy as np
import pytest

from emage.audio import read_audio
from emage.errors import InputError
from emage.text import read_textgrid
from emage.words import align_text
from emage.words.speech_spans import block_levels_db, runs, speech_mask

RATE = 16000
OTHER = (
    "On a grey morning the ferry left the harbour with forty passengers and a cargo of old bicycles, and nobody on board "
    "knew that the captain had never before sailed beyond the lighthouse, which he thought was the end of every map."
)


def bursts(*spans: tuple[float, float], seconds: float = 4.0, rate: int = RATE) -> np.ndarray:
    """Noise where somebody "speaks", next to nothing elsewhere."""
    draw = np.random.default_rng(0)
    sound = 1e-4 * draw.normal(size=round(seconds * rate))
    for start_s, end_s in spans:
        first, stop = round(start_s * rate), round(end_s * rate)
        sound[first:stop] += 0.2 * draw.normal(size=stop - first)
    return sound.astype(np.float32)


def test_speech_is_where_it_is_loud():
    mask = speech_mask(block_levels_db(bursts((0.5, 1.5), (2.0, 3.25)) + 0.3, RATE))  # an offset is no sound
    assert np.allclose(np.array(runs(mask)) / 100, [(0.5, 1.5), (2.0, 3.25)], atol=0.02)
    assert not speech_mask(block_levels_db(np.zeros(RATE, np.float32), RATE)).any()
    assert len(speech_mask(np.zeros(0))) == 0


@pytest.mark.parametrize("text", ["Привет мир как дела", "これは 日本語 です", "xqzt vbrrk zzwt plkk"])
def test_another_language_is_spread_over_the_loud_parts_and_it_says_so(text):
    result = align_text(text, bursts((0.5, 1.5), (2.0, 3.0)), RATE)
    assert [word.word for word in result.words] == text.split()
    assert result.method == "loudness"
    assert "were not aligned but spread over the loud parts" in result.problem
    assert {word.confidence for word in result.words} == {0.0}
    for word in result.words:
        assert any(a - 0.03 <= word.start_s <= word.end_s <= b + 0.03 for a, b in ((0.5, 1.5), (2.0, 3.0)))


def test_a_named_language_is_never_aligned_as_english():
    result = align_text("the first thing", bursts((0.5, 1.5)), RATE, language="de")
    assert result.method == "loudness"
    assert "no aligner for the language 'de'" in result.problem


@pytest.mark.parametrize("seconds", [0.02, 0.3, 2.0])
@pytest.mark.parametrize("kind", ["silence", "noise", "tone"])
def test_words_over_what_is_no_speech_are_flagged_and_none_is_lost(seconds, kind):
    times = np.arange(round(seconds * RATE)) / RATE
    sounds = {"silence": 0 * times, "noise": bursts((0, seconds), seconds=seconds), "tone": 0.3 * np.sin(900 * times)}
    text = "Well -- this is\n nobody's   speech, 42 times."
    result = align_text(text, sounds[kind], RATE)
    assert [word.word for word in result.words] == text.split()
    assert result.problem is not None
    assert all(0 <= word.start_s <= word.end_s <= seconds + 0.02 for word in result.words)
    assert result.words[1].confidence == 0  # a dash cannot be spoken


def test_a_text_without_a_word_is_an_error():
    with pytest.raises(InputError, match="holds no word"):
        align_text(" -- \n", bursts((0, 1)), RATE)


@pytest.fixture(scope="module")
def real(beat_sample):
    stem = beat_sample / "2" / "2_scott_0_1_1"
    return read_textgrid(f"{stem}.TextGrid"), read_audio(f"{stem}.wav")


def test_words_of_real_speech_start_when_the_aligner_of_the_corpus_says(real):
    words, waveform = real
    result = align_text(" ".join(word.text for word in words), waveform, RATE)
    assert result.problem is None
    assert result.method == "phones"
    assert [word.word for word in result.words] == [word.text for word in words]
    errors_s = np.array([ours.start_s - theirs.start_s for ours, theirs in zip(result.words, words, strict=True)])
    assert (abs(errors_s) <= 0.1).mean() >= 0.85
    assert abs(np.median(errors_s)) <= 0.02


def test_spelling_unknown_words_and_the_sample_rate_do_not_matter(real):
    words, waveform = real
    stretch = [word for word in words if word.end_s < 20.3]
    texts = [word.text.capitalize() + "," for word in stretch]
    texts[10] = "Blorptangle"
    texts.insert(20, "--")
    low = waveform[: round(20.3 * RATE) : 2]  # 8 kHz
    result = align_text(" ".join(texts), 0.05 * low + 0.1, RATE // 2)
    assert [word.word for word in result.words] == texts
    ours = [word for word in result.words if word.word != "--"]
    hits = [abs(a.start_s - b.start_s) <= 0.1 for a, b in zip(ours, stretch, strict=True)]
    assert np.mean(hits) >= 0.85
    assert result.problem is None


@pytest.mark.parametrize("kind", ["shuffled", "half wrong", "another", "half missing"])
def test_a_transcript_of_something_else_is_flagged(real, kind):
    words, waveform = real
    end_s = 30.5
    texts = [word.text for word in words if word.end_s < end_s]
    half = len(texts) // 2
    mixed = random.Random(3).sample(texts, len(texts))
    wrong = {
        "shuffled": mixed,
        "half wrong": texts[:half] + OTHER.split(),
        "another": OTHER.split() * 2,
        "half missing": texts[:half],
    }
    stretch = waveform[: round(end_s * RATE)]
    assert align_text(" ".join(texts), stretch, RATE).problem is None
    result = align_text(" ".join(wrong[kind]), stretch, RATE)
    assert result.problem is not None
    assert [word.word for word in result.words] == wrong[kind]
