"""Text files in the encodings that programs write them in.

UTF-8, UTF-16 and UTF-32 are recognised by their byte order mark, UTF-16 without a mark by its zero bytes (WHATWG Encoding
Standard, "BOM sniff", and the layout of ASCII characters in UTF-16). What is not UTF-8 is read as Windows-1252, which
most Western programs write when they write no Unicode.
"""

import codecs
import re
from pathlib import Path

from emage.errors import InputError, warn_input

_MARKS = (  # the mark of UTF-32-LE begins with that of UTF-16-LE
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_PROBED_BYTES = 4096
_MIN_ZERO_SHARE = 0.02  # of the bytes of UTF-16: line ends, spaces and digits have a zero byte in every language
_CONTROL = re.compile("[\x00-\x08\x0e-\x19\x1c-\x1f]")
_KINDS = (
    (b"PK\x03\x04", "a zip file or an office document"),
    (b"%PDF", "a PDF"),
    (b"{\\rtf", "an RTF document"),
    (b"\xd0\xcf\x11\xe0", "an office document"),
    (b"RIFF", "a sound or video file"),
    (b"OggS", "a sound file"),
    (b"fLaC", "a sound file"),
    (b"ID3", "a sound file"),
)


def read_bytes(path: str | Path) -> bytes:
    """Reads a whole file.

    Raises:
        InputError: the file does not exist or cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: cannot be read: no such file") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def read_text(path: str | Path) -> str:
    """Reads a text file; its lines end in "\\n".

    Bytes that the encoding does not allow are replaced by U+FFFD. They, and a file that is no Unicode, are warned of.

    Raises:
        InputError: the file does not exist, or is no text.
    """
    return decode_text(read_bytes(path), path).replace("\r\r\n", "\n").replace("\r\n", "\n").replace("\r", "\n")


def decode_text(raw: bytes, path: str | Path) -> str:
    """Text of the bytes of a file, without byte order mark; see `read_text`.

    Raises:
        InputError: the bytes are no text.
    """
    for start, kind in _KINDS:
        if raw.startswith(start):
            raise InputError(f"{path}: it is {kind}, not text; save the text alone as a UTF-8 text file")
    mark, encoding = next(((mark, name) for mark, name in _MARKS if raw.startswith(mark)), (b"", None))
    raw = raw[len(mark) :]
    encoding = encoding or _unmarked_utf16(raw)
    try:
        text = raw.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        text = _repaired(raw, encoding, error, path)
    if len(_CONTROL.findall(text)) > 2 + 0.01 * len(text):
        raise InputError(f"{path}: it is not text but binary data; give a text file in UTF-8")
    return text


def _unmarked_utf16(raw: bytes) -> str | None:
    """The byte order of UTF-16 without a mark; None for other encodings, which have no zero bytes."""
    probe = raw[:_PROBED_BYTES]
    even, odd = probe[::2].count(0), probe[1::2].count(0)
    if even + odd < max(1.0, _MIN_ZERO_SHARE * len(probe)):
        return None
    if odd > 10 * even:
        return "utf-16-le"
    return "utf-16-be" if even > 10 * odd else None


def _repaired(raw: bytes, encoding: str | None, error: UnicodeDecodeError, path: str | Path) -> str:
    """The text of bytes that `encoding` (None: UTF-8) does not allow, with a warning."""
    if encoding is not None:
        text = raw.decode(encoding, "replace")
        if 10 * text.count("\ufffd") > len(text):
            raise InputError(f"{path}: not UTF-8 and not UTF-16 text; save it as UTF-8") from error
        warn_input(f"{path}: byte {error.start}: not valid {encoding.upper()}; bad bytes were replaced by U+FFFD")
        return text
    line = raw.count(b"\n", 0, error.start) + 1
    text = raw.decode("utf-8", "replace")
    valid = sum(letter > "\x7f" for letter in text) - text.count("\ufffd")
    if valid > text.count("\ufffd"):  # UTF-8 with a few bad bytes, not an encoding of one byte a letter
        warn_input(f"{path}: line {line}: not valid UTF-8; bad bytes were replaced by U+FFFD")
        return text
    warn_input(f"{path}: line {line}: not UTF-8; it was read as Windows-1252, save it as UTF-8 if letters are wrong")
    return raw.decode("cp1252", "replace")
