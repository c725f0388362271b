"""PocketSphinx asked two things about a stretch of sound: where the words of a chain are, and how well any phones fit.

The chain is a grammar of words in their order. It may be entered at one of its first words and left before its end, so
that a stretch need not hold all of it. The free search says what the best sequence of any phones scores; the difference
of the two, frame by frame, tells whether the words are what is said ("goodness of pronunciation", Witt & Young 2000).

Shapes: S samples, F frames of 10 ms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:  # loaded when a transcript is aligned
    import pocketsphinx

SAMPLE_RATE = 16000
FRAMES_PER_S = 100
# Narrow beams are fast and enough where the words are right; wider ones find odd voices too, at a price: without
# pruning, a minute of sound takes several.
BEAMS = (
    {"beam": 1e-80, "wbeam": 1e-60, "pbeam": 1e-80},
    {"beam": 1e-150, "wbeam": 1e-100, "pbeam": 1e-150},
    {"beam": 1e-220, "wbeam": 1e-160, "pbeam": 1e-220},
)
_FREE_BEAM = 1e-15
_FREE_SCORE_SHIFT = 1024  # the free search counts in coarser units than the chain (SENSCR_SHIFT of PocketSphinx)
_NO_SCORE = 1e-300
_EXIT_PROBABILITY = 0.01
_MIN_FRAMES = 10


class Found(NamedTuple):
    """A word of the chain and its frames; `log_score` is the mean per frame, natural logarithm."""

    index: int
    first_frame: int
    stop_frame: int
    log_score: float


class PhoneSearch:
    """Decoders for US English, made when they are first needed."""

    def __init__(self) -> None:
        self._decoders: dict[int, pocketsphinx.Decoder] = {}
        self._added: dict[str, str] = {}  # our name of a word that the dictionary lacks -> phones
        self._free: pocketsphinx.Decoder | None = None

    def lookup(self, word: str) -> str | None:
        """Phones of a dictionary word in lower case, or None."""
        return self._decoder(0).lookup_word(word)

    def add(self, phones: str) -> str:
        """Gives the dictionary a word of these phones; returns its name."""
        name = next((name for name, own in self._added.items() if own == phones), None)
        if name is None:
            name = f"unknown{len(self._added)}"
            self._added[name] = phones
            for decoder in self._decoders.values():
                decoder.add_word(name, phones, True)
        return name

    def chain(
        self, waveform: np.ndarray, words: Sequence[str], *, entries: int, first_exit: int, width: int
    ) -> list[Found]:
        """Finds the words of a chain in a stretch of sound.

        Args:
            waveform: (S,) at 16 kHz, full scale = 1.
            words: names in the dictionary, in their order.
            entries: the chain may begin at word 0 to `entries`.
            first_exit: the chain may end behind word `first_exit` (counted from 1) or any later one.
            width: which of BEAMS.

        Returns:
            The words found, without gaps in their indices; none if the sound does not fit at all.
        """
        decoder = self._decoder(width)
        final = len(words) + 1
        arcs: list[tuple] = [(place, place + 1, 1.0, word) for place, word in enumerate(words)]
        arcs += [(0, place, 1 / (1 + entries)) for place in range(1, min(entries, len(words) - 1) + 1)]
        arcs += [(place, final, _EXIT_PROBABILITY) for place in range(max(1, first_exit), len(words))]
        arcs += [(len(words), final, 1.0)]
        decoder.add_fsg("chain", decoder.create_fsg("chain", 0, final, arcs))
        decoder.activate_search("chain")
        segments = _decode(decoder, waveform)
        spoken = [segment for segment in segments if segment.word[0] not in "<[("]
        names = [segment.word.partition("(")[0] for segment in spoken]
        starts = [e for e in range(entries + 1) if list(words[e : e + len(names)]) == names]
        if not names or not starts:
            return []
        return [
            Found(starts[0] + place, segment.start_frame, segment.end_frame + 1, _log_score(segment))
            for place, segment in enumerate(spoken)
        ]

    def free_log_scores(self, waveform: np.ndarray) -> np.ndarray:
        """What the best sequence of phones scores in each frame, (F,), natural logarithm; (S,) at 16 kHz."""
        if self._free is None:
            import pocketsphinx

            model = pocketsphinx.get_model_path("en-us/en-us-phone.lm.bin")
            config = pocketsphinx.Config(
                lm=None, allphone=model, lw=2.0, beam=_FREE_BEAM, pbeam=_FREE_BEAM, loglevel="FATAL"
            )
            self._free = pocketsphinx.Decoder(config)
        scores = np.zeros(len(waveform) * FRAMES_PER_S // SAMPLE_RATE + 8)
        for segment in _decode(self._free, waveform):
            scores[segment.start_frame : segment.end_frame + 1] = _FREE_SCORE_SHIFT * _log_score(segment)
        return scores

    def _decoder(self, width: int) -> pocketsphinx.Decoder:
        if width not in self._decoders:
            import pocketsphinx

            decoder = pocketsphinx.Decoder(pocketsphinx.Config(lm=None, loglevel="FATAL", **BEAMS[width]))
            for name, phones in self._added.items():
                decoder.add_word(name, phones, False)
            self._decoders[width] = decoder
        return self._decoders[width]


def _decode(decoder: pocketsphinx.Decoder, waveform: np.ndarray) -> list:
    """The segments of the best path; none if there is no path, or next to no sound."""
    if len(waveform) < _MIN_FRAMES * SAMPLE_RATE // FRAMES_PER_S:
        return []
    pcm = (np.clip(waveform, -1, 1) * 32767).astype("<i2").tobytes()
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    segments = decoder.seg() if decoder.hyp() is not None else None
    return [] if segments is None else list(segments)


def _log_score(segment: pocketsphinx.Segment) -> float:
    return math.log(max(segment.ascore, _NO_SCORE)) / (segment.end_frame + 1 - segment.start_frame)
