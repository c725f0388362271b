"""Words <-> ids, counted on the training split and saved as json with a checkpoint.

Words are normalised at both doors, building and looking up: the reference does so at one only, and loses every word
that stands before a comma.
"""

import json
import zlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from emage.errors import InputError
from emage.text import normalise_word

PAD, SOS, EOS, UNK = 0, 1, 2, 3  # PAD is silence
SPECIAL_WORDS = ("<pad>", "<sos>", "<eos>", "<unk>")


class Vocabulary:
    """The known words, the four special entries first.

    Attributes:
        words: every entry; the place in the tuple is the id.
        overflow: how many different words found no place when the vocabulary was built.
        first_bucket: the id behind which unknown words are sorted by their spelling; 0 where they are all UNK.
        num_buckets: how many ids they share.
    """

    def __init__(
        self, words: Iterable[str] = (), overflow: int = 0, *, first_bucket: int = 0, num_buckets: int = 0
    ) -> None:
        self.words: tuple[str, ...] = (*SPECIAL_WORDS, *words)
        self.overflow = overflow
        self.first_bucket, self.num_buckets = first_bucket, num_buckets
        assert not num_buckets or first_bucket >= len(self.words), "a bucket would have the id of a word"
        self._ids = {word: i for i, word in enumerate(self.words)}
        assert len(self._ids) == len(self.words), "a word stands twice in the vocabulary"

    @classmethod
    def build(cls, counts: "Counter[str]", capacity: int, num_buckets: int = 0) -> "Vocabulary":
        """Takes the most frequent words, equal counts in alphabetical order.

        Args:
            counts: how often each word is spoken; spellings that normalise to the same word are added up.
            capacity: how many entries there may be, the four special ones included.
            num_buckets: ids behind the capacity for words that are not known; 0: they are all UNK.

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
        overflow = max(0, len(ranked) - room)
        return cls(ranked[:room], overflow, first_bucket=capacity if num_buckets else 0, num_buckets=num_buckets)

    def id(self, word: str) -> int:
        """The id of a word, its bucket (or UNK) if it is unknown, PAD for one without a letter ("", "...")."""
        word = normalise_word(word)
        if not word:
            return PAD
        return self._ids[word] if word in self._ids else self.bucket(word)

    def bucket(self, word: str) -> int:
        """The id that an unknown word has: always the same one for the same spelling, UNK without buckets."""
        if not self.num_buckets:
            return UNK
        return self.first_bucket + zlib.crc32(normalise_word(word).encode()) % self.num_buckets

    def buckets(self) -> list[int]:
        """For each known word the id that it would have if it were unknown; the special entries keep theirs."""
        special = len(SPECIAL_WORDS)
        return [*range(special), *(self.bucket(word) for word in self.words[special:])]

    def __len__(self) -> int:
        return len(self.words)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return False
        mine, theirs = ((v.words, v.first_bucket, v.num_buckets) for v in (self, other))
        return mine == theirs

    __hash__ = None  # type: ignore[assignment]  # compared by content, so no key of a dict

    def save(self, path: str | Path) -> None:
        """Writes the words as json, most frequent first."""
        data: dict[str, Any] = {"words": list(self.words[len(SPECIAL_WORDS) :]), "overflow": self.overflow}
        if self.num_buckets:
            data |= {"first_bucket": self.first_bucket, "num_buckets": self.num_buckets}
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
            buckets = {name: int(data.get(name, 0)) for name in ("first_bucket", "num_buckets")}
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}; it belongs to the checkpoint") from error
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: no vocabulary: {error!r}; expected json with `words` and `overflow`") from error
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise InputError(f"{path}: `words`: expected a list of strings")
        if len({*SPECIAL_WORDS, *words}) != len(SPECIAL_WORDS) + len(words):
            raise InputError(f"{path}: `words`: a word stands twice; each may stand once")
        if buckets["num_buckets"] and buckets["first_bucket"] < len(SPECIAL_WORDS) + len(words):
            raise InputError(f"{path}: `first_bucket`: {buckets['first_bucket']} is the id of a word")
        return cls(words, overflow, **buckets)
