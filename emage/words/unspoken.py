"""What a transcript or a subtitle holds that nobody says, and its removal.

Not spoken, and removed:

- Square and curly brackets with their text: `[music]`, `[00:01.5]`, `[JOHN]`, `{laughs}`. The colon behind a bracket goes
  with it: `[SPEAKER_00]: Hello`.
- Round brackets that begin a line (`(in French) Bonjour`), that name a sound (`(laughs)`) or that are two or more words
  in capitals. Other round brackets are an aside of the speaker and stay: `my brother (the tall one) came`.
- `*sighs*`: between asterisks what names a sound or fills the line. Of other words only the asterisks go.
- Music signs (`♪`), `>>`, emoji, and dashes, dots and colons between spaces or at the beginning of a line. The words of a song stay: they
  are heard. So do `&`, `%` and other signs that have a name.
- Speaker labels. A label stands at the beginning of a line and ends in a colon and a space. It is in capitals (`JOHN:`),
  or a role (`Speaker 1:`), or follows `>>`, or begins two or more lines of the text, or is a name in title case before
  a word in upper case (`Anna: Hello`) at the beginning of a paragraph or where every second line has a label. Words that
  open a sentence (`Note:`, `Question:`, `He said:`) are never a label, and stay. A name and its colon in Markdown's
  emphasis at the beginning of a line (`**Mary:** hi`, `_Mary_: hi`) are a label whatever follows.
- Time stamps at the beginning of a line, if three or more lines begin with one and their times do not fall (two, if the
  first is below a minute). A lone time is a stamp only in the form of a clock: with hours, decimals, an end
  (`00:01 - 00:05`) or the minutes `00`, and only if no word behind it makes it part of a sentence. `00:12 hello` is a
  stamp; `3:45 in the morning`, `0:30 left on the clock` and `1:59:40 is the record` are spoken, and stay.

Sources: the DCMP Captioning Key and Netflix's Timed Text Style Guide (sound effects in brackets, speaker names in
capitals with a colon, music notes, dialogue dashes), and the exports of Otter, Rev, Zoom and YouTube.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

from emage.errors import warn_input
from emage.words.markup import CLOCK, clock_seconds

_SOUNDS = re.compile(
    r"\b(?:laugh|chuckl|giggl|snicker|cackl|sigh|groan|moan|gasp|cough|sneez|sniff|sob|cry|cries|weep|scream|shout|yell|"
    r"whisper|mutter|mumbl|murmur|sing|hum(?:s|ming)\b|whistl|clap|appla|cheer|boo(?:s|ing)\b|music|song|beep|buzz|ring|"
    r"bell|phone|door|knock|bang|thud|crash|click|tick|bark|meow|bird|wind|rain|thunder|footstep|engine|siren|gun|"
    r"explo|static|silen|pause|inaudible|unintelligible|indistinct|cross-?talk|foreign|noise|sound|background|breath|"
    r"inhal|exhal|yawn|throat|snor|gulp|kiss|splash|rustl|creak|squeak|growl|roar|howl|chirp|chatter|audience|crowd|"
    r"blank|speak|narrat|voice|play|translat)",
    re.IGNORECASE,
)
_ASIDE = frozenset(  # words that open a spoken aside, not the name of a sound
    "a an the my your his her its our their this that these those which who whom whose where when while as if or and but "
    "so i you he she it we they in at on of for from with to is was not also then because".split()
)
_PRONOUNS = frozenset("i you he she it we they which who that".split())
_NOT_LABELS = _PRONOUNS | frozenset(
    "note notes warning caution attention question questions answer answers remember example examples instance chapter "
    "step tip tips reminder fact facts problem problems solution conclusion summary result results update important "
    "point points rule rules lesson title hint ps plus also my your his her its our their this these those here there "
    "what when where why how yes no well so and but or because if then now first second third fourth last next finally "
    "say says said saying ask asks asked reply replied tell told think thought thinks is are was were be been do does did "
    "has have had will would can could should must look listen wait okay ok goal task reason truth moral topic "
    "definition quote breaking news headline today tomorrow yesterday monday tuesday wednesday thursday friday saturday "
    "sunday one two three four five reads read like about hello hi".split()
)
_ARTICLES = frozenset("a an the".split())
_ROLES = re.compile(
    r"(?:speaker|spk|person|voice|man|woman|boy|girl|male|female|guest|host|interviewer|interviewee|moderator|narrator|"
    r"reporter|announcer|presenter|participant|respondent|audience|operator|agent|caller|customer|teacher|student|doctor|"
    r"patient|all|both|sprecher|sprecherin|moderatorin|orateur|locuteur|hablante|narrador)(?:[ _-]?(?:\d{1,3}|[a-z]))?",
    re.IGNORECASE,
)
_TITLES = frozenset("dr mr mrs ms prof st sr jr rev sgt lt col gen capt hon sen gov pres".split())
_PARTICLES = frozenset("de la le van von der den di da del al bin ibn of the and".split())

_SQUARE = re.compile(r"\{[^{}\n]{0,120}\}|\[[^\[\]]{0,200}\]|【[^【】]{0,200}】|［[^［］]{0,200}］|〔[^〔〕]{0,200}〕")
_ROUND = re.compile(r"\([^()]{1,120}\)|（[^（）]{1,120}）")
_STARS = re.compile(r"(?<![\w*])(\*{1,2})(?!\s)([^*\n]{1,80}?)(?<!\s)\1(?![\w*])")
_MUSIC = re.compile(r"[♩-♬¶\U0001f3b5\U0001f3b6\U0001f3bc]|(?<!\S)#(?!\S)")
_CHEVRONS = re.compile(r"(?<!\S)>{1,3}(?=[\s\w]|$)", re.MULTILINE)
_DASH = re.compile(r"[-–—•]+(?:\s+|$|(?=[^\W\d]|[\"'“‘¿¡]))")
_SPACES = re.compile(r"\s*")
_SILENT_SIGNS = re.compile(
    r"(?<!\S)[-‐-―•….:：]+(?!\S)"  # `well -- this`, `- Hello. - Hi.`, the colon of `[JOHN]: hi`
    r"|(?<!\S)[:：](?=\w{2}|[^\W\x00-\x7f])"  # `[JOHN]:hi`; not `:D`
)
_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u266c\u2670-\u27bf\u2b00-\u2bff\ufe0f\u20e3\U000e0020-\U000e007f]"
    "(?:\u200d(?=[\U0001f000-\U0001faff\u2600-\u27bf]))?"
)
_NAME = r"[^\W\d_][\w.'’&#-]{0,30}(?:[ \t]+[\w.'’&#-]{1,30}){0,3}"
_LABEL = re.compile(rf"({_NAME})[ \t]*(?:\([^()\n]{{1,40}}\)[ \t]*)?[:：](?=\s|$)")
_EMPHASISED_LABEL = re.compile(
    rf"^[ \t]*(?:[-*+•][ \t]+)?(\*{{1,3}}|_{{1,3}})({_NAME}?)[ \t]*(?:[:：][ \t]*\1|\1[ \t]*[:：])(?=\s|$)",
    re.MULTILINE,
)
_LATER_LABEL = re.compile(r"(?<=[.!?…\"”])\s+([A-Z][A-Z0-9.'’&#-]{1,30}(?: [A-Z0-9.'’&#-]{1,30}){0,2}):(?=\s)")
_STAMP = re.compile(rf"{CLOCK}(?:\s*(?:-+>|[-–—])\s*{CLOCK})?(?=\s|$)[ \t]*(?:[-–—:][ \t]+)?")
_AFTER_SPOKEN_TIME = re.compile(  # what follows a time that is part of a sentence
    r"(?:left|remaining|to go|in|is|was|on|at|of|and|or|to|until|till|by|for|from|later|ago|before|after|seconds?|minutes?|"
    r"hours?|o'clock|a\.?m|p\.?m)\b",
    re.IGNORECASE,
)
_NAME_AND_STAMP_LINE = re.compile(rf"^[ \t]*({_NAME}?)[ \t]+[(\[]?{CLOCK}[)\]]?:?[ \t]*$", re.MULTILINE)  # Otter, Zoom
_SENTENCE_END = tuple(".!?…:;\"”'’。！？")
_MIN_STAMPED_SHARE = 0.2  # of the lines
_MIN_DIALOGUE_SHARE = 0.5  # of the lines begin with a label, one of them twice: then all of these labels count
_MOST_AROUND = 1000  # characters on each side of a match that are looked at
_SHOUTING_SHARE, _FEW_LETTERS = 0.7, 20


def blank_unspoken(blocks: Sequence[str]) -> tuple[list[str], list[str]]:
    """Replaces what nobody says by spaces.

    Args:
        blocks: plain text without markup, one string for each cue, segment or transcript, in their order. They are
            judged together: a label or a time stamp is recognised by its recurrence.

    Returns:
        The blocks, each of its old length, and what was removed, without dashes, music signs and emoji.
    """
    removed: list[str] = []
    text = "\n\n".join(blocks)
    text = _blank(text, _NAME_AND_STAMP_LINE, removed, _head_of_turn(text))
    text = _blank(text, _SQUARE, removed, lambda match: "\n\n" not in match.group())
    text = _blank(text, _ROUND, removed, _is_sound_in_brackets)
    text = _blank(text, _EMPHASISED_LABEL, removed, _is_emphasised_label)
    text = _blank(text, _STARS, removed, _is_sound_in_stars)
    text = _STARS.sub(lambda match: match.group().replace("*", " "), text)
    text = _EMOJI.sub(_spaces, _MUSIC.sub(" ", text))
    lines = text.split("\n")
    beginnings = _Beginnings(lines)
    text = "\n".join(beginnings.blank(number, line, removed) for number, line in enumerate(lines))
    if not beginnings.shouting:
        text = _blank(text, _LATER_LABEL, removed, lambda match: not _opens_sentence(match[1]))
    text = _SILENT_SIGNS.sub(_spaces, _CHEVRONS.sub(_spaces, text))
    parts, place = [], 0
    for block in blocks:
        parts.append(text[place : place + len(block)])
        place += len(block) + 2
    return parts, removed


def warn_removed(removed: Sequence[str], name: str) -> None:
    """Warns of text that was left out as not spoken; `name` says of which file or option."""
    if not removed:
        return
    counts = Counter(removed).most_common()
    shown = ", ".join(f"{text[:40]!r}" + (f" ({count} times)" if count > 1 else "") for text, count in counts[:3])
    more = f" and {len(counts) - 3} more" if len(counts) > 3 else ""
    warn_input(f"{name}: left out as not spoken: {shown}{more}")


def _spaces(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match.group())


def _blank(
    text: str, pattern: re.Pattern[str], removed: list[str], wanted: Callable[[re.Match[str]], bool] = bool
) -> str:
    """Blanks the wanted matches and notes them in `removed`."""

    def blanked(match: re.Match[str]) -> str:
        if not wanted(match):
            return match.group()
        removed.append(" ".join(match.group().split()))
        return _spaces(match)

    return pattern.sub(blanked, text)


def _around(match: re.Match[str]) -> tuple[str, str, str]:
    """The line before a match, and what stands before and behind it on its own line."""
    text = match.string
    first = text.rfind("\n", 0, match.start()) + 1
    stop = text.find("\n", match.end())
    above = text[text.rfind("\n", 0, max(0, first - 1)) + 1 : max(0, first - 1)]
    first = max(first, match.start() - _MOST_AROUND)
    stop = min(len(text) if stop < 0 else stop, match.end() + _MOST_AROUND)
    return above[-_MOST_AROUND:].strip(), text[first : match.start()].strip(" \t-–—>♪"), text[match.end() : stop]


def _is_sound_in_brackets(match: re.Match[str]) -> bool:
    content = match.group()[1:-1].strip()
    words = content.lower().split()
    if not words or re.fullmatch(CLOCK, content):
        return True
    names_sound = len(words) <= 4 and words[0] not in _ASIDE and bool(_SOUNDS.search(content))
    if names_sound or (len(words) > 1 and content.isupper()) or (match.group()[0] == "（" and len(content) <= 3):
        return True
    above, before, behind = _around(match)
    if (before and not before.endswith(":")) or (above and not above.endswith(_SENTENCE_END)):
        return False  # inside a sentence
    return not behind.strip(" \t.♪") or (len(words) <= 4 and words[0] not in _PRONOUNS)


def _is_sound_in_stars(match: re.Match[str]) -> bool:
    words = match[2].lower().split()
    if len(words) <= 4 and words[0] not in _ASIDE and _SOUNDS.search(match[2]):
        return True
    _, before, behind = _around(match)
    return len(match[1]) == 1 and not before and not behind.strip()


def _is_emphasised_label(match: re.Match[str]) -> bool:
    return not _opens_sentence(match[2])


def _head_of_turn(text: str) -> Callable[[re.Match[str]], bool]:
    """Whether a line of a name and a time (`Anna Smith  0:12`) is the head of a turn: it is not alone, or a role."""
    heads = [match for match in _NAME_AND_STAMP_LINE.finditer(text) if _is_title(match[1])]
    return lambda match: _is_title(match[1]) and (len(heads) > 1 or bool(_ROLES.fullmatch(match[1])))


def _is_title(name: str) -> bool:
    return all(word[0].isupper() or word[0].isdigit() or word in _PARTICLES for word in name.split())


def _opens_sentence(name: str) -> bool:
    """Whether a colon behind these words is one of a sentence (`Note:`, `He said:`, `Fine. Ben:`)."""
    words = name.lower().split()
    if any(word.endswith(".") and len(word) > 2 and word[:-1] not in _TITLES for word in words[:-1]):
        return True
    return any(word in _NOT_LABELS for word in re.findall(r"[\w'’]+", name.lower()))


def _is_marked_name(name: str) -> bool:
    """Whether a label is recognised without another of its kind: a role, or in capitals."""
    return bool(_ROLES.fullmatch(name)) or (name.isupper() and len(name) > 1)


class _Beginnings:
    """What stands at the beginning of the lines of a text and is not spoken."""

    def __init__(self, lines: Sequence[str]) -> None:
        letters = [letter for line in lines for letter in line if letter.isalpha()]
        upper = sum(letter.isupper() for letter in letters)
        self.shouting = len(letters) >= _FEW_LETTERS and upper > _SHOUTING_SHARE * len(letters)
        self.lines = lines
        names: Counter[str] = Counter()
        stamps_s: list[float] = []
        for line in lines:
            place, _ = _skip_signs(line, 0)
            stamp = _STAMP.match(line, place)
            if stamp:
                stamps_s += [time_s for time_s in [clock_seconds(stamp.groups()[:4])] if time_s is not None]
                place, _ = _skip_signs(line, stamp.end())
            label = _LABEL.match(line, place)
            names.update([label[1]] if label else [])
        num_lines = sum(bool(line.strip()) for line in lines)
        names = Counter({name: count for name, count in names.items() if not _opens_sentence(name)})
        self.names = {name for name, count in names.items() if count > 1}
        self.dialogue = names.total() > 1 and names.total() >= _MIN_DIALOGUE_SHARE * num_lines
        if self.dialogue and (self.names or any(_is_marked_name(name) for name in names)):
            self.names = set(names)
        rising = all(first <= second for first, second in pairwise(stamps_s))
        many = len(stamps_s) > 2 or (len(stamps_s) == 2 and stamps_s[0] < 60)
        self.stamped = many and rising and len(stamps_s) >= _MIN_STAMPED_SHARE * num_lines

    def blank(self, number: int, line: str, removed: list[str]) -> str:
        """The line with spaces in place of what begins it and is not spoken."""
        place, is_marked, has_label = 0, False, False
        while True:
            place, found = _skip_signs(line, place)
            is_marked |= found
            stamp, label = _STAMP.match(line, place), _LABEL.match(line, place)
            if stamp and self._is_stamp(stamp):
                removed.append(stamp.group().rstrip(" \t-–—:"))
                place = stamp.end()
            elif label and not has_label and self._is_label(number, label, is_marked):
                removed.append(line[place : label.end()])
                place, has_label = label.end(), True
            else:
                return " " * place + line[place:]

    def _is_stamp(self, stamp: re.Match[str]) -> bool:
        hours, minutes, _, decimals, *_, end_seconds, _ = stamp.groups()
        if self.stamped or decimals or end_seconds:
            return True
        is_clock = bool(hours) or minutes == "00"
        return is_clock and not _AFTER_SPOKEN_TIME.match(stamp.string, stamp.end())

    def _is_label(self, number: int, label: re.Match[str], is_marked: bool) -> bool:
        name = label[1]
        words = name.split()
        if _opens_sentence(name):
            return False
        if is_marked or name in self.names or _ROLES.fullmatch(name):
            return True
        if len(words) > 1 and words[0].lower() in _ARTICLES and (self.shouting or not name.isupper()):
            return False
        if name.isupper():
            return not self.shouting or len(words) < 3
        rest = label.string[label.end() :].lstrip(" \t\"'“‘¿¡-–—")
        is_first = number == 0 or not self.lines[number - 1].strip()
        return (is_first or self.dialogue) and _is_title(name) and (not rest or not rest[0].islower())


def _skip_signs(line: str, place: int) -> tuple[int, bool]:
    """The place behind spaces, `>>` and dashes, and whether `>>` was among them."""
    found = False
    while True:
        start = place
        place = _SPACES.match(line, place).end()
        chevrons = _CHEVRONS.match(line, place)
        if chevrons:
            place, found = chevrons.end(), True
        dash = _DASH.match(line, place)
        if dash:
            place = dash.end()
        if place == start:
            return place, found
