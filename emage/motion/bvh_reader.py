"""The grammar of BVH files: text in, hierarchy and numbers out; every fault is named with its line.

Differences between exporters are accepted: keywords in any case, braces anywhere, tabs, blank lines, CRLF, a byte order
mark, joint names with spaces, `Frames: 7200.0`. Decimal commas and a `Frame Time` that is a rate are accepted with an
`InputWarning`. A row must hold one finite number per channel.

Source: the format has no standard; J. Lander, "Working with Motion Capture File Formats" (1998), repeats Biovision's
own description.

Shapes: T frames, J joints, C channels of all joints together.
"""

import codecs
import math
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from emage.errors import InputError, warn_input
from emage.motion.frame_time import frame_time

CHANNELS = ("Xposition", "Yposition", "Zposition", "Xrotation", "Yrotation", "Zrotation")

_CHANNEL_OF = {channel.upper(): channel for channel in CHANNELS}
_WORD = re.compile(r"[{}]|[^\s{}]+")
_FRAMES = re.compile(r"\s*frames\s*:?\s*([^\s:]+)\s*", re.IGNORECASE)
_FRAME_TIME = re.compile(r"\s*frame\s*time\s*:?\s*([^\s:]+)\s*", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
LARGEST_VALUE = 1e6  # degrees or units of length: 10 km in centimetres; beyond, positions lose their precision
MOST_FRAMES, MOST_FRAMES_AT_REST = 10**8, 10**5  # of a file that moves, and of one without channels, which has no rows


@dataclass
class BvhHeader:
    """What stands above the numbers of a BVH file.

    Attributes:
        names: joint names in file order, in the file's spelling.
        parents: index of each joint's parent, -1 for the root.
        offsets: OFFSET of each joint in the file's own unit.
        channels: channel names of each joint in file order.
        end_sites: (index of the joint that holds it, OFFSET) of every End Site.
        num_frames: what the `Frames:` line says.
        frame_time_s: what the `Frame Time:` line says, in seconds.
        first_row: index of the first line below the header.
        decimal_commas: whether a number of the header is written with one.
    """

    names: list[str] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    offsets: list[tuple[float, ...]] = field(default_factory=list)
    channels: list[tuple[str, ...]] = field(default_factory=list)
    end_sites: list[tuple[int, tuple[float, ...]]] = field(default_factory=list)
    num_frames: int = 0
    frame_time_s: float = 0.0
    first_row: int = 0
    decimal_commas: bool = False

    @property
    def columns(self) -> list[str]:
        """Name of each of the C columns, e.g. "Hips.Xposition"."""
        joints = zip(self.names, self.channels, strict=True)
        return [f"{name}.{channel}" for name, channels in joints for channel in channels]


def read_lines(path: str | Path) -> list[str]:
    """The lines of a text file in whatever encoding and line ends its exporter chose.

    Raises:
        InputError: if there is no such file.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = data.decode("utf-16", errors="replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("latin-1")  # some old code page; only joint names can be concerned
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.rstrip("\n\x1a").split("\n")  # DOS programs close a text with Ctrl-Z


class _Scanner:
    """The words of the header one by one, with the line they stand on."""

    def __init__(self, lines: list[str], path: str | Path) -> None:
        self.lines, self.path = lines, path
        self.row = self.column = 0
        self.decimal_commas = False

    def error(self, problem: str) -> InputError:
        return InputError(f"{self.path}, line {min(self.row + 1, len(self.lines))}: {problem}")

    def word(self, expected: str) -> str:
        """The next word, on this line or below; a brace is a word of its own."""
        while self.row < len(self.lines):
            match = _WORD.search(self.lines[self.row], self.column)
            if match:
                self.column = match.end()
                return match.group()
            self.row, self.column = self.row + 1, 0
        raise self.error(f"the file ends where {expected} should stand; it is cut off")

    def rest(self) -> str:
        """What stands between here and the next brace or the end of the line: a name may hold spaces."""
        line = self.lines[self.row]
        brace = line.find("{", self.column)
        start, self.column = self.column, len(line) if brace < 0 else brace
        return line[start : self.column].strip()

    def number(self, expected: str) -> float:
        word = self.word(expected)
        value = self.parse(word)
        if value is None or not math.isfinite(value):
            raise self.error(f"got {word[:40]!r} where {expected} should stand")
        if abs(value) > LARGEST_VALUE:
            raise self.error(f"{expected} is {word[:40]!r}; expected at most {LARGEST_VALUE:g}")
        return value

    def parse(self, word: str) -> float | None:
        """`parse_number` that accepts a decimal comma too."""
        if _DECIMAL_COMMA.fullmatch(word):
            self.decimal_commas = True
            word = word.replace(",", ".")
        return parse_number(word)


@dataclass
class _Block:
    """A joint or an End Site whose closing brace has not come yet."""

    label: str
    index: int  # of the joint; an End Site has its parent's
    is_end_site: bool
    offset: tuple[float, ...] | None = None
    channels: tuple[str, ...] | None = None


def parse_number(word: str) -> float | None:
    """The number that a word stands for (NaN and infinity too), None if it is none."""
    try:
        return float(word) if word.isascii() and "_" not in word else None  # Python alone would read 1_0 as ten
    except ValueError:
        return None


def parse_header(lines: list[str], path: str | Path) -> BvhHeader:
    """Reads the hierarchy, `Frames:` and `Frame Time:`.

    Args:
        lines: the whole file, from `read_lines`.
        path: for messages only.

    Raises:
        InputError: what is missing, unknown or twice, with its line.
    """
    scanner, header, opened = _Scanner(lines, path), BvhHeader(), []
    first = scanner.word("HIERARCHY")
    if first.upper() != "HIERARCHY":
        raise scanner.error(f"a BVH file begins with HIERARCHY: got {first[:40]!r}")
    while True:
        word = scanner.word("the end of the hierarchy and MOTION")
        key = word.upper()
        if key in ("ROOT", "JOINT", "END", "ENDSITE"):
            _open_block(key, scanner, header, opened)
        elif key == "MOTION" and not opened:
            break
        elif not opened:
            raise scanner.error(f"got {word[:40]!r} where {'MOTION' if header.names else 'ROOT'} should stand")
        elif key == "OFFSET" and opened[-1].offset is None:
            opened[-1].offset = tuple(scanner.number(f"the {axis} of OFFSET of {opened[-1].label}") for axis in "XYZ")
        elif key == "CHANNELS" and opened[-1].channels is None:
            opened[-1].channels = _read_channels(scanner, opened[-1].label)
        elif key == "}":
            _close_block(scanner, header, opened.pop())
        elif key in ("OFFSET", "CHANNELS"):
            raise scanner.error(f"a second {key} in {opened[-1].label}")
        else:
            raise scanner.error(
                f"got {word[:40]!r} inside {opened[-1].label}; expected OFFSET, CHANNELS, JOINT, End Site or '}}'"
            )
    if not header.names:
        raise scanner.error("MOTION before any ROOT: the hierarchy is empty")
    _read_timing(scanner, header)
    header.decimal_commas = scanner.decimal_commas
    if header.decimal_commas:
        _warn_of_commas(path)
    return header


def _warn_of_commas(path: str | Path) -> None:
    warn_input(f"{path}: its numbers have decimal commas; they are read as decimal points")


def _open_block(key: str, scanner: _Scanner, header: BvhHeader, opened: list[_Block]) -> None:
    name = scanner.rest()
    is_end_site = key in ("END", "ENDSITE")
    if not is_end_site and not name:
        raise scanner.error(f"{key} without a name")
    if key == "ROOT" and header.names:
        raise scanner.error(f"a second ROOT ({name}) beside {header.names[0]}; save each person to a file of its own")
    if key != "ROOT" and not opened:
        raise scanner.error(f"{key} {name} stands outside of a ROOT")
    if opened and opened[-1].is_end_site:
        raise scanner.error(f"{key} {name} inside of an End Site")
    brace = scanner.word(f"the opening brace of {name or 'the End Site'}")
    if brace != "{":
        raise scanner.error(f"got {brace[:40]!r} where the opening brace of {name or 'the End Site'} should stand")
    parent = opened[-1].index if opened else -1
    if is_end_site:
        opened.append(_Block(f"the End Site of {header.names[parent]}", parent, is_end_site=True))
        return
    opened.append(_Block(f"joint {name}", len(header.names), is_end_site=False))
    header.names.append(name)
    header.parents.append(parent)
    header.offsets.append(())  # both are known when the joint closes
    header.channels.append(())


def _close_block(scanner: _Scanner, header: BvhHeader, block: _Block) -> None:
    if block.offset is None:
        raise scanner.error(f"{block.label} closes without an OFFSET")
    if not block.is_end_site:
        header.offsets[block.index] = block.offset
        header.channels[block.index] = block.channels or ()
    elif block.channels:
        raise scanner.error(f"{block.label} has CHANNELS; only joints move")
    else:
        header.end_sites.append((block.index, block.offset))


def _read_channels(scanner: _Scanner, label: str) -> tuple[str, ...]:
    count = scanner.number(f"the number of CHANNELS of {label}")
    if count not in range(len(CHANNELS) + 1):
        raise scanner.error(f"CHANNELS {count:g} of {label}: expected 0 to {len(CHANNELS)}")
    channels: list[str] = []
    for _ in range(int(count)):
        word = scanner.word(f"the name of a channel of {label}")
        channel = _CHANNEL_OF.get(word.upper())
        if channel is None or channel in channels:
            problem = "stands twice" if channel else f"is none of {', '.join(CHANNELS)}"
            raise scanner.error(f"channel {word[:40]!r} of {label}, which announces {count:g}, {problem}")
        channels.append(channel)
    return tuple(channels)


def _read_timing(scanner: _Scanner, header: BvhHeader) -> None:
    """The two lines below MOTION; `scanner` stands right behind that word."""
    if scanner.rest():
        raise scanner.error("the line of MOTION holds more than that word")
    found: dict[str, float] = {}
    while len(found) < 2:
        missing = "'Frames: N'" if "frames" not in found else "'Frame Time: seconds'"
        scanner.row += 1
        while scanner.row < len(scanner.lines) and not scanner.lines[scanner.row].strip():
            scanner.row += 1
        if scanner.row >= len(scanner.lines):
            raise scanner.error(f"the file ends where {missing} should stand; it is cut off")
        line = scanner.lines[scanner.row]
        for key, pattern in (("frames", _FRAMES), ("time", _FRAME_TIME)):
            match = pattern.fullmatch(line)
            if match and key not in found:
                found[key] = _frames(scanner, header, match[1]) if key == "frames" else _frame_time(scanner, match[1])
                break
        else:
            raise scanner.error(f"got {line.strip()[:40]!r} where {missing} should stand")
    header.num_frames, header.frame_time_s, header.first_row = int(found["frames"]), found["time"], scanner.row + 1


def _frames(scanner: _Scanner, header: BvhHeader, word: str) -> float:
    count = parse_number(word)
    if count is None or not (count >= 0 and count % 1 == 0):
        raise scanner.error(f"Frames: got {word[:40]!r}; expected a whole number")
    most = MOST_FRAMES if any(header.channels) else MOST_FRAMES_AT_REST
    if count > most:
        reason = "" if any(header.channels) else ", since no joint has CHANNELS"
        raise scanner.error(f"Frames: got {word[:40]!r}; expected at most {most}{reason}")
    return count


def _frame_time(scanner: _Scanner, word: str) -> float:
    value = scanner.parse(word)
    if value is None or not 0 < value < math.inf:
        raise scanner.error(f"Frame Time: got {word[:40]!r}; expected seconds above 0, e.g. 0.008333")
    try:
        seconds, warning = frame_time(word.replace(",", "."))
    except ValueError as error:
        raise scanner.error(f"Frame Time: {error}") from error
    if warning:
        warn_input(f"{scanner.path}, line {scanner.row + 1}: {warning}")
    return seconds


def parse_frames(lines: list[str], header: BvhHeader, path: str | Path) -> np.ndarray:
    """Reads every row of numbers below the header, however many `Frames:` announces.

    Args:
        lines: the whole file.
        header: of the same file.
        path: for messages only.

    Returns:
        (T, C) float64, all finite.

    Raises:
        InputError: a row that does not hold one number per channel, or a number that is NaN, infinite or above
            LARGEST_VALUE, with its line.
    """
    num_channels = sum(map(len, header.channels))
    body = lines[header.first_row :]
    if all(not line or line.isspace() for line in body):
        return np.empty((0, num_channels))
    values, has_commas = _table(body), False
    if values is None and any("," in line for line in body):
        values, has_commas = _table(_with_decimal_points(body)), True
    usable = values is not None and values.shape[1] == num_channels and np.isfinite(values).all()
    if not usable or np.abs(values).max(initial=0) > LARGEST_VALUE:
        raise _find_fault(body, header, path)
    if has_commas and not header.decimal_commas:
        _warn_of_commas(path)
    return values


def _table(body: list[str]) -> np.ndarray | None:
    """One C pass, 50 times faster than float(); what it refuses is looked at again line by line."""
    try:
        return np.loadtxt(body, dtype=np.float64, comments=None, ndmin=2)
    except ValueError:
        return None


def _with_decimal_points(body: list[str]) -> list[str]:
    """Lines whose decimal commas are points; a comma that is none, e.g. between two numbers, stays."""
    return [" ".join(w.replace(",", ".") if _DECIMAL_COMMA.fullmatch(w) else w for w in line.split()) for line in body]


def _find_fault(body: list[str], header: BvhHeader, path: str | Path) -> InputError:
    """The first row that cannot be used, told in words."""
    columns = header.columns
    rows = [(number, line) for number, line in enumerate(body, header.first_row + 1) if line.strip()]
    for frame, (number, line) in enumerate(rows):
        where, words = f"{path}, line {number} (frame {frame})", line.split()
        stray = next((word for word in words if "," in word and not _DECIMAL_COMMA.fullmatch(word)), "")
        if stray:
            return InputError(f"{where}: got {stray[:40]!r}; separate the values by blanks, decimals by a point")
        if len(words) != len(columns):
            cut = number == rows[-1][0] and len(words) < len(columns)
            remedy = "the file may be cut off here" if cut else "a frame is one line with one number per channel"
            return InputError(f"{where}: {len(words)} values, expected {len(columns)}; {remedy}")
        for column, word in zip(columns, words, strict=True):
            value = parse_number(word.replace(",", "."))
            if value is None or not math.isfinite(value):
                return InputError(f"{where}: {column} is {word[:40]!r}; expected a finite number")
            if abs(value) > LARGEST_VALUE:
                return InputError(f"{where}: {column} is {word[:40]!r}; expected at most {LARGEST_VALUE:g}")
    return InputError(f"{path}: below line {header.first_row}: not a table with {len(columns)} numbers a line")
