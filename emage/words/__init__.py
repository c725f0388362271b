"""Which word is said when: read from the files of other programs, or found in the sound for a plain transcript."""

from emage.words.alignment import Alignment, align_text
from emage.words.files import read_words
from emage.words.timed import TimedWord, spoken, within_sound, write_words_json
from emage.words.transcript import text_or_file

__all__ = [
    "Alignment",
    "TimedWord",
    "align_text",
    "read_words",
    "spoken",
    "text_or_file",
    "within_sound",
    "write_words_json",
]
