"""Transcribed pieces with incomplete times -> words with times.

Recognisers write pieces: words, tokens (parts of words) or whole segments. A token that continues a word has no space
before it. Times may be missing: WhisperX gives none to numbers, and the last chunk of a stream has no end.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from emage.errors import warn_input
from emage.words.syllables import spread, syllable_count
from emage.words.timed import TimedWord
from emage.words.unspoken import blank_unspoken, warn_removed

SYLLABLE_S = 0.2  # of a word with an end that nothing tells; conversational English has some 5 syllables a second
SHARED_TIME = 0.5  # the confidence of a word whose time was told for several, or only half
_MIN_SPACED_SHARE = 1 / 8  # of the pieces begin with a space where spaces tell words from their parts
_CLOSING = re.compile("[,.;:!?…%)\\]}»”’\"'，。、；：！？」』）》】]+")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")  # Thai to Chinese

# "tokens": with their spaces, a word may go on in the next segment; "words": of a program that may have left the spaces
# out; "ours": one word each, nothing is joined or left out.
Kind = Literal["tokens", "words", "ours"]


@dataclass
class Piece:
    """A part of a word, a word or several, as a file has it.

    Attributes:
        text: with the spaces around it.
        start_s, end_s: None where the file gives none.
        confidence: 0 to 1.
        segment: number of the segment that it belongs to, and the time of that, None where the file gives none.
    """

    text: str
    start_s: float | None
    end_s: float | None
    confidence: float
    segment: int = 0
    segment_s: tuple[float | None, float | None] = (None, None)

    def has_time(self) -> bool:
        """Whether the file gives a time of the piece or of its segment."""
        return any(time_s is not None for time_s in (self.start_s, self.end_s, *self.segment_s))

    def is_backward(self) -> bool:
        """Whether it ends before it begins."""
        return self.start_s is not None and self.end_s is not None and self.end_s < self.start_s


def words_of_pieces(pieces: Sequence[Piece], name: str, kind: Kind = "words") -> list[TimedWord]:
    """Joins pieces to words and gives every word a time.

    Args:
        pieces: in their order.
        name: of their file, for warnings.
        kind: what the pieces are.

    Returns:
        One entry for each whitespace-separated word, without sound tags and speaker labels, in the order of their times.
    """
    joined = [piece for piece in pieces if piece.text.strip()]
    if kind != "ours":
        joined = _joined([part for piece in pieces for part in _expanded(piece)], kind)
    split = [(piece.segment, word) for piece in _completed(joined, name) for word in _split(piece)]
    words = [word for _, word in split] if kind == "ours" else _spoken(split, name)
    falling = next((b for a, b in zip(words, words[1:], strict=False) if b.start_s < a.start_s), None)
    if falling is not None:
        warn_input(
            f"{name}: {falling.word[:40]!r} at {falling.start_s:.2f} s begins before the word in front of it; "
            "the words were sorted by their times"
        )
    return sorted(words, key=lambda word: word.start_s)


def _expanded(piece: Piece) -> list[Piece]:
    """A piece of several words as one of each, with their spaces, if it has a time to share among them."""
    parts = re.findall(r"\s*\S+\s*$|\s*\S+", piece.text)
    if len(parts) < 2 or piece.start_s is None or piece.end_s is None or piece.is_backward():
        return [piece]
    times = spread(parts, [(piece.start_s, piece.end_s)])
    confidence = min(piece.confidence, SHARED_TIME)
    return [
        Piece(part, *time, confidence, piece.segment, piece.segment_s) for part, time in zip(parts, times, strict=True)
    ]


def _joined(pieces: Sequence[Piece], kind: Kind) -> list[Piece]:
    """Pieces that begin and end with a word."""
    filled = [piece for piece in pieces if piece.text.strip()]
    spaced = [piece for piece in filled[0 if kind == "tokens" else 1 :] if piece.text[0].isspace()]
    spaces_count = bool(spaced) and (kind == "tokens" or len(spaced) >= _MIN_SPACED_SHARE * len(filled))
    groups: list[list[Piece]] = []
    is_open = False  # the last piece may go on
    for piece in pieces:
        text = piece.text.strip()
        if not text:
            is_open = is_open and not piece.text  # an empty piece says nothing, a space ends the word
            continue
        continues = is_open and not piece.text[0].isspace()
        if continues and not _CLOSING.fullmatch(text):
            # A program that times tokens times all of them: one without a time is a word that was not aligned.
            is_part = kind == "tokens" or (piece.segment == groups[-1][-1].segment and piece.start_s is not None)
            told = spaces_count or (text[0] in "'’-" and filled[0].text[0].isspace())  # It + 's, however short the file
            continues = told and is_part and not _UNSPACED.match(text)
        if continues:
            groups[-1].append(piece)
        else:
            groups.append([piece])
        is_open = not piece.text[-1].isspace()
    return [group[0] if len(group) == 1 else _one_piece(group) for group in groups]


def _one_piece(group: Sequence[Piece]) -> Piece:
    """One piece of several: its time and confidence are those of the parts that have letters."""
    voiced = [piece for piece in group if syllable_count(piece.text)] or list(group)
    return Piece(
        "".join(piece.text for piece in group),
        voiced[0].start_s,
        voiced[-1].end_s,
        sum(piece.confidence for piece in voiced) / len(voiced),
        group[0].segment,
        group[0].segment_s,
    )


def _completed(pieces: Sequence[Piece], name: str) -> list[Piece]:
    """Pieces of which each has a time; see `_fill`."""
    done = list(pieces)
    backward = [piece for piece in pieces if piece.is_backward()]
    for place, piece in enumerate(done):
        if piece.is_backward():
            start_s = piece.start_s if _is_between(done, place) else None
            done[place] = Piece(piece.text, start_s, None, 0.0, piece.segment, piece.segment_s)
    missing = [piece for piece in pieces if piece.start_s is None or piece.end_s is None]
    for what, found in (("ends before it begins", backward), ("has no start or no end", missing)):
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            warn_input(f"{name}: {found[0].text.strip()[:40]!r}{more} {what}; the time was taken from the neighbours")
    place = 0
    while place < len(done):
        stop = place + 1
        if done[place].start_s is None or done[place].end_s is None:
            while _goes_on(done, stop):
                stop += 1
            _fill(done, place, stop)
        place = stop
    return done


def _is_between(pieces: Sequence[Piece], place: int) -> bool:
    """Whether a piece does not begin before the one in front of it, or after the one behind it."""
    around = [pieces[other].start_s for other in (place - 1, place, place + 1) if 0 <= other < len(pieces)]
    starts_s = [start_s for start_s in around if start_s is not None]
    return starts_s == sorted(starts_s)


def _goes_on(pieces: Sequence[Piece], stop: int) -> bool:
    """Whether the run of pieces in front of `stop`, with nothing between to tell them apart, takes in the next."""
    return (
        stop < len(pieces)
        and pieces[stop - 1].end_s is None
        and pieces[stop].start_s is None
        and pieces[stop].segment == pieces[stop - 1].segment
    )


def _fill(pieces: list[Piece], first: int, stop: int) -> None:
    """Spreads the pieces from `first` to `stop` over the time between their neighbours, in place.

    The bounds are the pieces' own where they have them, else the end of the piece before and the start of the piece
    behind, within the segment. Where nothing tells one of the bounds, SYLLABLE_S a syllable is assumed; words at the end
    of the file without any bound have no length.
    """
    run = pieces[first:stop]
    low_s, high_s = run[0].start_s, run[-1].end_s
    estimate_s = SYLLABLE_S * sum(syllable_count(piece.text) for piece in run)
    if low_s is None:
        told_s = (pieces[first - 1].end_s if first else None, run[0].segment_s[0])
        low_s = max((time_s for time_s in told_s if time_s is not None), default=None)
    if high_s is None:
        behind = pieces[stop] if stop < len(pieces) else None
        told_s = [None if behind is None else behind.start_s]
        if low_s is None or (run[-1].segment_s[1] or 0.0) > low_s:
            told_s.append(run[-1].segment_s[1])
        high_s = min((time_s for time_s in told_s if time_s is not None), default=None)
    if low_s is None:
        low_s = 0.0 if high_s is None else max(0.0, high_s - estimate_s)
    if high_s is None:
        high_s = low_s if run[0].start_s is None else low_s + estimate_s
    high_s = max(low_s, high_s)
    times = spread([piece.text for piece in run], [(low_s, high_s)])
    for place, (piece, (start_s, end_s)) in enumerate(zip(run, times, strict=True), first):
        told = piece.start_s is not None or piece.end_s is not None
        confidence = min(piece.confidence, SHARED_TIME) if told else 0.0
        pieces[place] = Piece(piece.text, start_s, end_s, confidence, piece.segment, piece.segment_s)


def _split(piece: Piece) -> list[TimedWord]:
    parts = piece.text.split()
    start_s, end_s = piece.start_s or 0.0, piece.end_s or 0.0
    if len(parts) == 1:
        return [TimedWord(parts[0], start_s, end_s, piece.confidence)]
    confidence = min(piece.confidence, SHARED_TIME)
    times = spread(parts, [(start_s, end_s)])
    return [TimedWord(part, *time, confidence) for part, time in zip(parts, times, strict=True)]


def _spoken(words: Sequence[tuple[int, TimedWord]], name: str) -> list[TimedWord]:
    """The words without sound tags, labels and music signs; the words of each segment, its number first, are a line."""
    lines = [[word for _, word in group] for _, group in groupby(words, key=lambda pair: pair[0])]
    blanked, removed = blank_unspoken([" ".join(word.word for word in line) for line in lines])
    warn_removed(removed, name)
    kept = []
    for line, text in zip(lines, blanked, strict=True):
        place = 0
        for word in line:
            rest = text[place : place + len(word.word)].split()
            place += len(word.word) + 1
            if rest:
                kept.append(word._replace(word="".join(rest)))
    return kept
