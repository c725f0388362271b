"""What the synthetic speakers say: sentences in which a gesture keyword and its homophone sound alike, so that only the text tells.

Half of the sentences hold one slot. A coin decides whether the keyword or its twin stands there; both fit, and both give the
same phonemes and the same sound, so nothing in the audio (nor in the words around) says whether a gesture follows.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Keyword:
    """A word that comes with a gesture, and a word of the same sound that comes without.

    Attributes:
        semantic_type: as in BEAT's semantic txt.
        score: BEAT's score of that type.
    """

    word: str
    twin: str
    semantic_type: str
    score: float


KEYWORDS = (
    Keyword("here", "hear", "02_deictic_l", 0.2),
    Keyword("there", "their", "03_deictic_m", 0.3),
    Keyword("two", "too", "05_iconic_l", 0.5),
    Keyword("high", "hi", "06_iconic_m", 0.6),
    Keyword("whole", "hole", "07_iconic_h", 0.7),
    Keyword("peace", "piece", "09_metaphoric_m", 0.9),
)
KEYWORD_SHARE = 0.6  # of the slots that hold the keyword, not its twin

# What the templates below choose from. No "in the" and the like: espeak-ng says some pairs of small words as one, without the
# time of the second.
CHOICES = {
    "name": ("Martin", "Sarah", "Peter", "Linda", "Robert", "Anna", "Oliver", "Emma"),
    "verb": ("painted", "carried", "found", "opened", "mended", "forgot", "borrowed", "noticed", "sold"),
    "adjective": ("little", "yellow", "heavy", "quiet", "broken", "famous", "narrow", "golden"),
    "noun": ("window", "basket", "letter", "garden", "ladder", "bottle", "camera", "bridge", "picture", "blanket"),
    "place": (
        "last Monday",
        "every summer",
        "after dinner",
        "behind our station",
        "near this river",
        "without any reason",
    ),
}
PLAIN_SENTENCES = ("{name} {verb} the {adjective} {noun} {place}.", "That {adjective} {noun}, {name} {verb} {place}.")
SLOT_SENTENCES = (
    "Then {name} said {slot} once more.",
    "The word {slot} came up again.",
    "{name} wrote {slot} beside every {noun}.",
)


@dataclass(frozen=True)
class ScriptWord:
    """One word of the text; `keyword` is set in a slot, `is_keyword` tells the keyword from its twin."""

    text: str  # with its punctuation
    keyword: Keyword | None = None
    is_keyword: bool = False


def write_script(rng: np.random.Generator, num_sentences: int) -> list[ScriptWord]:
    """Draws sentences, by turns with and without a slot."""
    words: list[ScriptWord] = []
    slot_first = int(rng.integers(2))
    for i in range(num_sentences):
        words += _sentence(rng, has_slot=i % 2 == slot_first)
    return words


def script_text(script: list[ScriptWord]) -> str:
    """The text to be spoken; word i begins where `word_positions` says."""
    return " ".join(word.text for word in script)


def word_positions(script: list[ScriptWord]) -> list[int]:
    """Index of the first character of each word in `script_text`."""
    lengths = np.array([len(word.text) + 1 for word in script])
    return (np.cumsum(lengths) - lengths).tolist()


def _sentence(rng: np.random.Generator, *, has_slot: bool) -> list[ScriptWord]:
    def pick(choices: tuple[str, ...]) -> str:
        return choices[int(rng.integers(len(choices)))]

    template = pick(SLOT_SENTENCES if has_slot else PLAIN_SENTENCES)
    slot = _slot_word(KEYWORDS[int(rng.integers(len(KEYWORDS)))], is_keyword=bool(rng.random() < KEYWORD_SHARE))
    chosen = {kind: pick(choices) for kind, choices in CHOICES.items()}
    return [slot if word == "{slot}" else ScriptWord(word) for word in template.format(slot="{slot}", **chosen).split()]


def _slot_word(keyword: Keyword, *, is_keyword: bool) -> ScriptWord:
    return ScriptWord(keyword.word if is_keyword else keyword.twin, keyword, is_keyword)
