"""Which word is said when: read from the files of other programs, or found in the sound for a plain transcript."""

from emage.words.alignment import Alignment, align_text
from emage.words.files import read_words
from emage.words.timed import TimedWord, spoken, write_words_json

__all__ = ["Alignment", "TimedWord", "align_text", "read_words", "spoken", "write_words_json"]
