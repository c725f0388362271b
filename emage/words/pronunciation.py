"""How an English word that no dictionary holds is spoken, in the 39 phones of the CMU dictionary.

Numbers are read out, compounds are taken apart, known words keep their pronunciation under an ending; what is left is
spelled out by rules of letters to sounds. Such guesses are wrong now and then, which an aligner forgives: it needs the
rough sound of the word to find its place.
"""

import re
from collections.abc import Callable

Lookup = Callable[[str], str | None]  # word in lower case -> "HH AH L OW", or None

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
_TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()
_SCALES = ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
_SIGNS = {
    "%": "percent",
    "&": "and",
    "$": "dollars",
    "€": "euros",
    "£": "pounds",
    "+": "plus",
    "=": "equals",
    "@": "at",
}
_PIECES = re.compile(r"[a-z']+|\d+|[%&$€£+=@]")
_ENDINGS = (("'s", "Z"), ("s'", "Z"), ("ing", "IH NG"), ("in'", "IH N"), ("ed", "D"), ("es", "IH Z"), ("s", "Z"))
# Longest first; a letter group at the place of reading -> its phones. "^" holds at the beginning, "$" at the end only.
_RULES: tuple[tuple[str, str], ...] = (
    ("tion", "SH AH N"),
    ("sion", "ZH AH N"),
    ("ough", "AO"),
    ("eigh", "EY"),
    ("igh", "AY"),
    ("tch", "CH"),
    ("sch", "S K"),
    ("^kn", "N"),
    ("^wr", "R"),
    ("^ps", "S"),
    ("^x", "Z"),
    ("^y", "Y"),
    ("le$", "AH L"),
    ("e$", ""),
    ("y$", "IY"),
    ("ch", "CH"),
    ("sh", "SH"),
    ("th", "TH"),
    ("ph", "F"),
    ("wh", "W"),
    ("gh", "G"),
    ("ck", "K"),
    ("qu", "K W"),
    ("ng", "NG"),
    ("ee", "IY"),
    ("ea", "IY"),
    ("ie", "IY"),
    ("oo", "UW"),
    ("ou", "AW"),
    ("ow", "OW"),
    ("oi", "OY"),
    ("oy", "OY"),
    ("ai", "EY"),
    ("ay", "EY"),
    ("au", "AO"),
    ("aw", "AO"),
    ("ei", "EY"),
    ("eu", "Y UW"),
    ("ew", "UW"),
    ("oa", "OW"),
    ("ar", "AA R"),
    ("er", "ER"),
    ("ir", "ER"),
    ("ur", "ER"),
    ("or", "AO R"),
    ("ce", "S EH"),
    ("ci", "S IH"),
    ("cy", "S IY"),
)
_LETTERS = {
    **{"a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH", "j": "JH"},
    **{"k": "K", "l": "L", "m": "M", "n": "N", "o": "AA", "p": "P", "q": "K", "r": "R", "s": "S", "t": "T"},
    **{"u": "AH", "v": "V", "w": "W", "x": "K S", "y": "IH", "z": "Z", "'": ""},
}


def pronounce(word: str, lookup: Lookup) -> str | None:
    """Phones of a word in lower case, parted by spaces.

    Args:
        word: one whitespace-separated word; digits, hyphens and signs may stand in it.
        lookup: the dictionary.

    Returns:
        The phones, or None if nothing in the word is English letters, digits or a sign that is spoken.
    """
    phones: list[str] = []
    for piece in _PIECES.findall(word):
        names = number_words(piece) if piece.isdigit() else [_SIGNS.get(piece, piece)]
        phones += [_pronounce_piece(name, lookup) for name in names]
    return " ".join(" ".join(phones).split()) or None


def number_words(digits: str) -> list[str]:
    """Digits read out: "42" -> forty two; a leading zero or more than twelve digits are read one by one."""
    if len(digits) > 12 or (digits[0] == "0" and len(digits) > 1):
        return [_ONES[int(digit)] for digit in digits]
    value = int(digits)
    if len(digits) == 4 and 1100 <= value < 2000 and value % 100:  # a year: nineteen eighty four
        return number_words(digits[:2]) + number_words(str(value % 100))
    return _read_out(value) or ["zero"]


def _read_out(value: int) -> list[str]:
    for scale, name in _SCALES:
        if value >= scale:
            return [*_read_out(value // scale), name, *_read_out(value % scale)]
    if value >= 20:
        return [_TENS[value // 10], *_read_out(value % 10)]
    return [_ONES[value]] if value else []


def _pronounce_piece(word: str, lookup: Lookup) -> str:
    known = lookup(word)
    if known:
        return known
    for ending, phones in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem != word and len(stem) > 1:
            known = lookup(stem) or (lookup(stem + "e") if ending[0] in "ie" else None)
            if known:
                return f"{known} {phones}"
    return letters_to_sounds(word)


def letters_to_sounds(word: str) -> str:
    """Phones of a word by rules of spelling alone."""
    phones, place = [], 0
    while place < len(word):
        length, sound = 1, _LETTERS[word[place]]
        if place and word[place] == word[place - 1] and sound.isalpha() and sound not in ("AE", "EH", "IH", "AA", "AH"):
            sound = ""  # a doubled consonant sounds once
        for group, spoken in _RULES:
            letters = group.strip("^$")
            fits = word.startswith(letters, place)
            fits = fits and (group[0] != "^" or place == 0)
            fits = fits and (group[-1] != "$" or (place > 0 and place + len(letters) == len(word)))
            if fits:
                length, sound = len(letters), spoken
                break
        phones.append(sound)
        place += length
    return " ".join(" ".join(phones).split())
