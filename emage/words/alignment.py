"""A plain transcript and its sound -> when each word is said.

English is aligned by its phones, stretch by stretch: a stretch ends in a pause, some 25 s on; the chain of the next words
is laid over it, as many as fit, and the next stretch begins where those end. Memory does not grow with the length. What
cannot be aligned (another language, no speech, a transcript of something else) is spread over the loud parts of the sound
by syllables with confidence 0, and the result says so.

Shapes: S samples, N words.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emage.audio import resample_audio
from emage.errors import InputError
from emage.text import normalise_word
from emage.words.phone_search import FRAMES_PER_S, SAMPLE_RATE, Found, PhoneSearch
from emage.words.pronunciation import pronounce
from emage.words.speech_spans import BLOCK_S, block_levels_db, runs, speech_mask
from emage.words.syllables import spread, syllable_count
from emage.words.timed import TimedWord
from emage.words.transcript import text_or_file as text_or_file  # callers that align a file find both here

STRETCH_S = (15.0, 25.0)  # a stretch ends in the longest pause between these
LAST_STRETCH_S = 32.0  # what is left goes into one stretch if it is no longer
FASTEST_WORDS_PER_S = 6.0
RATE_BAND = (0.4, 1.8)  # words in a stretch, as a share of what the mean rate lets expect
DROPPED_WORDS = 2  # at the end of a stretch are aligned again in the next: its cut may have hit them
RESYNC_WORDS = 30  # after a stretch that did not fit, the chain may begin up to so many words later
MIN_ENGLISH = 0.5  # share of words that the dictionary must hold, or the text is taken for another language
GOOD_FIT, FIT_WIDTH = -3.2, 0.6  # goodness of pronunciation (log per frame) at confidence 0.5, and its spread
FEW_WORDS = 60  # a chain so short may be searched with the widest beams
LOST = 0.35  # a stretch below this mean confidence has lost the text
DOUBTFUL_MEAN, DOUBTFUL_RUN, RUN_WORDS, SHORTEST_RUN = 0.6, 0.3, 12, 4
UNTOLD_S = 3.0  # so much speech between two words: something is said that the transcript does not hold


@dataclass(frozen=True)
class Alignment:
    """Words of a transcript in their order and spelling, with their times.

    Attributes:
        words: one for each whitespace-separated word.
        method: "phones", or "loudness" where the words were only spread over the loud parts.
        problem: one line about what is wrong with the transcript or the method; None if nothing seems so.
    """

    words: list[TimedWord]
    method: str
    problem: str | None

    @property
    def confidence(self) -> float:
        """Mean over the words that can be spoken."""
        values = [word.confidence for word in self.words if syllable_count(word.word)]
        return sum(values) / len(values) if values else 0.0


def align_text(text: str, waveform: np.ndarray, sample_rate: int, *, language: str = "en") -> Alignment:
    """Finds when each word of a transcript is said.

    Args:
        text: the transcript.
        waveform: (S,) speech, full scale = 1.
        sample_rate: its samples per second.
        language: "en" is aligned by phones, anything else spread over the loud parts.

    Returns:
        One entry for each whitespace-separated word. `problem` names a transcript that does not fit the sound.

    Raises:
        InputError: a text without any word.
    """
    words = text.split()
    if not any(map(syllable_count, words)):
        raise InputError("transcript: it holds no word; give what is said, or leave it out")
    samples = resample_audio(np.asarray(waveform, dtype=np.float32), sample_rate, SAMPLE_RATE)
    speech = speech_mask(block_levels_db(samples, SAMPLE_RATE))
    if language != "en":
        return _by_loudness(words, speech, f"no aligner for the language {language!r}")
    search = PhoneSearch()
    spellings = [normalise_word(word) for word in words]
    known = [bool(search.lookup(spelling)) for spelling in spellings if spelling]
    if sum(known) < MIN_ENGLISH * len(known):
        return _by_loudness(words, speech, f"{len(known) - sum(known)} of {len(known)} words are not English")
    if not speech.any():
        return _by_loudness(words, speech, "no speech is heard")
    aligner = _Aligner(search, samples, speech)
    places = aligner.align([_name(spelling, search) for spelling in spellings])
    if not any(places):
        return _by_loudness(words, speech, "none of the words is heard")
    timed = _fill_gaps(words, places, speech)
    return Alignment(timed, "phones", _doubts(timed) or _untold(timed, speech))


def _name(spelling: str, search: PhoneSearch) -> str | None:
    """Name of a word in the dictionary; None if it cannot be spoken as English."""
    if spelling and search.lookup(spelling):
        return spelling
    phones = pronounce(spelling, search.lookup)
    return search.add(phones) if phones else None


class _Aligner:
    """The way through one recording, stretch by stretch."""

    def __init__(self, search: PhoneSearch, samples: np.ndarray, speech: np.ndarray) -> None:
        self.search, self.samples, self.speech = search, samples, speech
        self.offset = float(samples.mean(dtype=np.float64))
        self.gain = 0.9 / max(1e-4, float(np.abs(samples).max()) + abs(self.offset))

    def align(self, names: Sequence[str | None]) -> list[tuple[float, float, float] | None]:
        """(start_s, end_s, confidence) of each word, None for one that was not found."""
        places: list[tuple[float, float, float] | None] = [None] * len(names)
        spoken = [place for place, name in enumerate(names) if name is not None]
        done, start, lost = 0, 0, False  # words of `spoken`, blocks of 10 ms
        while done < len(spoken) and start < len(self.speech):
            stop = self._stretch_end(start)
            is_last = stop == len(self.speech)
            expected = self._expected(start, stop, len(spoken) - done)
            chain = spoken[done : done + self._most_words(start, stop, expected) + (RESYNC_WORDS if lost else 0)]
            least = len(chain) if is_last and not lost else int(RATE_BAND[0] * expected)
            found = self._search(start, stop, [names[place] for place in chain], least, lost)
            confidence = sum(c for *_, c in found) / max(len(found), expected, 1.0)
            lost = confidence < LOST
            if not is_last and not lost:
                found = found[: max(1, len(found) - DROPPED_WORDS)]
            for index, first, end, score in found:
                places[chain[index]] = (first * BLOCK_S, end * BLOCK_S, score)
            if found and not lost:
                done += found[-1][0] + 1
                start = found[-1][2] if not is_last else stop
            else:
                done += max(round(expected) - RESYNC_WORDS // 2, 0)
                start = stop
        return places

    def _search(
        self, start: int, stop: int, chain: list[str], least: int, lost: bool
    ) -> list[tuple[int, int, int, float]]:
        """(index in the chain, first and last block, confidence) of the words found in a stretch."""
        hop = round(BLOCK_S * SAMPLE_RATE)
        sound = (self.samples[start * hop : stop * hop] - self.offset) * self.gain
        entries = min(RESYNC_WORDS, len(chain) - 1) if lost else 0
        found: list[Found] = []
        tries = [(least, 0), (least, 1), *([(least, 2)] if len(chain) <= FEW_WORDS else []), (1, 0)]
        for first_exit, width in tries:
            path = self.search.chain(sound, chain, entries=entries, first_exit=first_exit, width=width)
            found = max(found, path, key=len)
            if path and path[-1].index + 1 >= first_exit:  # else the search broke off where the sound stopped fitting
                break
        if not found:
            return []
        free = self.search.free_log_scores(sound)
        rows = []
        for word in found:
            fit = word.log_score - free[word.first_frame : word.stop_frame].mean()
            confidence = 1 / (1 + math.exp(min(50.0, (GOOD_FIT - fit) / FIT_WIDTH)))
            rows.append((word.index, start + word.first_frame, start + word.stop_frame, confidence))
        return rows

    def _stretch_end(self, start: int) -> int:
        """The middle of the longest pause at the right distance; the end of the sound if that is near."""
        per_s = round(1 / BLOCK_S)
        if len(self.speech) - start <= LAST_STRETCH_S * per_s:
            return len(self.speech)
        low, high = (start + round(limit * per_s) for limit in STRETCH_S)
        pauses = runs(self.speech[low:high], value=False)
        if not pauses:
            return high
        first, stop = max(pauses, key=lambda pause: pause[1] - pause[0])
        return low + (first + stop) // 2

    def _expected(self, start: int, stop: int, words_left: int) -> float:
        """How many words the stretch should hold, if people speak at one rate."""
        return words_left * self.speech[start:stop].sum() / max(1, self.speech[start:].sum())

    def _most_words(self, start: int, stop: int, expected: float) -> int:
        seconds = self.speech[start:stop].sum() / FRAMES_PER_S
        return 8 + math.ceil(max(RATE_BAND[1] * expected, FASTEST_WORDS_PER_S * seconds))


def _by_loudness(words: list[str], speech: np.ndarray, why: str) -> Alignment:
    """Every word by its syllables over the loud parts, or over the whole sound if there are none."""
    spans = [(first * BLOCK_S, stop * BLOCK_S) for first, stop in runs(speech)] or [(0.0, len(speech) * BLOCK_S)]
    timed = [TimedWord(word, *time, 0.0) for word, time in zip(words, spread(words, spans), strict=True)]
    problem = f"{why}: the words were not aligned but spread over the loud parts of the sound by their syllables"
    return Alignment(timed, "loudness", problem)


def _fill_gaps(
    words: list[str], places: Sequence[tuple[float, float, float] | None], speech: np.ndarray
) -> list[TimedWord]:
    """Gives the words that were not found the loud parts between their neighbours, with confidence 0."""
    timed: list[TimedWord] = []
    place = 0
    while place < len(words):
        found = places[place]
        if found is not None:
            timed.append(TimedWord(words[place], *found))
            place += 1
            continue
        stop = next((later for later in range(place, len(words)) if places[later] is not None), len(words))
        low_s = timed[-1].end_s if timed else 0.0
        behind = places[stop] if stop < len(words) else None
        high_s = behind[0] if behind is not None else len(speech) * BLOCK_S
        first, last = round(low_s / BLOCK_S), round(high_s / BLOCK_S)
        spans = [(low_s + a * BLOCK_S, low_s + b * BLOCK_S) for a, b in runs(speech[first:last])]
        times = spread(words[place:stop], spans or [(low_s, max(low_s, high_s))])
        timed += [TimedWord(word, *time, 0.0) for word, time in zip(words[place:stop], times, strict=True)]
        place = stop
    return timed


def _doubts(words: list[TimedWord]) -> str | None:
    """One line about a transcript that is not what is said, as a whole or over a run of words."""
    said = [word for word in words if syllable_count(word.word)]
    confidence = np.array([word.confidence for word in said])
    if confidence.mean() < DOUBTFUL_MEAN:
        return f"the transcript does not seem to be what is said: mean confidence {confidence.mean():.2f}"
    length = min(RUN_WORDS, len(said) // 2)  # half of a short transcript
    if length >= SHORTEST_RUN:
        means = np.convolve(confidence, np.full(length, 1 / length), mode="valid")
        if means.min() < DOUBTFUL_RUN:
            first = said[int(means.argmin())]
            return (
                f"from {first.start_s:.1f} s on ({first.word!r} ...) the transcript does not seem to be what is said: "
                f"mean confidence {means.min():.2f} over {length} words"
            )
    return None


def _untold(words: list[TimedWord], speech: np.ndarray) -> str | None:
    """One line about speech that no word of the transcript belongs to."""
    untold = speech.copy()
    for word in words:
        untold[round(word.start_s / BLOCK_S) : round(word.end_s / BLOCK_S)] = False
    told = np.zeros(len(speech) + 1, dtype=np.int64)
    for word in words:
        told[min(round(word.start_s / BLOCK_S), len(speech))] += 1
    between = np.cumsum(told[:-1])  # how many words began before each block
    seconds = np.bincount(between, weights=untold) * BLOCK_S
    if seconds.max(initial=0) < UNTOLD_S:
        return None
    first = int(np.flatnonzero((between == seconds.argmax()) & untold)[0])
    return f"from {first * BLOCK_S:.1f} s on {seconds.max():.0f} s of speech have no words in the transcript"
