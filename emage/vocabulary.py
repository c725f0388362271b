"""Words <-> ids, counted on the training split and saved as json with a checkpoint.

Words are normalised at both doors, building and looking up: the reference does so at one only, and loses every word
that stands before a comma.
"""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from emage.errors import InputError
from emage.text import normalise_word

PAD, SOS, EOS, UNK = 0, 1, 2, 3  # PAD is silence
SPECIAL_WORDS = ("<pad>", "<sos>", "<eos>", "<unk>")


class Vocabulary:
    """The known words, the four special entries first.

    Attributes:
        words: every entry; the place in the tuple is the id.
        overflow: how many different words found no place when the vocabulary was built.
    """

    def __init__(self, words: Iterable[str] = (), overflow: int = 0) -> None:
        self.words: tuple[str, ...] = (*SPECIAL_WORDS, *words)
        self.overflow = overflow
        self._ids = {word: i for i, word in enumerate(self.words)}
        assert len(self._ids) == len(self.words), "a word stands twice in the vocabulary"

    @classmethod
    def build(cls, counts: "Counter[str]", capacity: int) -> "Vocabulary":
        """Takes the most frequent words, equal counts in alphabetical order.

        Args:
            counts: how often each word is spoken; spellings that normalise to the same word are added up.
            capacity: how many entries there may be, the four special ones included.

        Raises:
            InputError: the capacity does not even hold the special entries.
        """
        if capacity < len(SPECIAL_WORDS):
            raise InputError(f"model.num_words: got {capacity}; it must be at least {len(SPECIAL_WORDS)}")
        merged: Counter[str] = Counter()
        for word, count in counts.items():
            merged[normalise_word(word)] += count
        merged.pop("", None)
        ranked = sorted(merged, key=lambda word: (-merged[word], word))
        room = capacity - len(SPECIAL_WORDS)
        return cls(ranked[:room], overflow=max(0, len(ranked) - room))

    def id(self, word: str) -> int:
        """The id of a word, UNK for an unknown one, PAD for one without a letter ("", "...")."""
        word = normalise_word(word)
        return self._ids.get(word, UNK) if word else PAD

    def __len__(self) -> int:
        return len(self.words)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.words == other.words

    __hash__ = None  # type: ignore[assignment]  # compared by content, so no key of a dict

    def save(self, path: str | Path) -> None:
        """Writes the words as json, most frequent first."""
        data = {"words": list(self.words[len(SPECIAL_WORDS) :]), "overflow": self.overflow}
        Path(path).write_text(json.dumps(data, ensure_ascii=False, indent=0), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "Vocabulary":
        """Reads what `save` wrote.

        Raises:
            InputError: the file is missing or holds no list of different words.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
            words, overflow = data["words"], int(data["overflow"])
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}; it belongs to the checkpoint") from error
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: no vocabulary: {error!r}; expected json with `words` and `overflow`") from error
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise InputError(f"{path}: `words`: expected a list of strings")
        if len({*SPECIAL_WORDS, *words}) != len(SPECIAL_WORDS) + len(words):
            raise InputError(f"{path}: `words`: a word stands twice; each may stand once")
        return cls(words, overflow)
