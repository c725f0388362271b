"""The labels that people gave to a recording: emotion (csv), and by way of emage.labels the meaning of the gestures."""

from pathlib import Path

from emage.emotions import EMOTIONS
from emage.errors import InputError
from emage.labels import Interval, label_interval, label_rows, labels_per_frame, read_semantic_txt

__all__ = ["EMOTIONS", "Interval", "emotion_from_take", "labels_per_frame", "read_emotion_csv", "read_semantic_txt"]

# The last take of each emotion in BEAT's speech recordings; every conversation is neutral.
_LAST_TAKES = ((64, 0), (72, 1), (80, 2), (86, 3), (94, 4), (102, 5), (110, 6), (118, 7))
_MISSPELT = frozenset({"00_netural"})  # so in the release


def emotion_from_take(take: int, is_conversation: bool) -> int:
    """The emotion that BEAT's plan assigns to a take, 0 (neutral) where it has none.

    Source: the table of takes of BEAT v0.2.1 (65-72 happiness ... 111-118 disgust; conversations neutral).
    """
    if is_conversation:
        return 0
    return next((emotion for last, emotion in _LAST_TAKES if take <= last), 0)


def read_emotion_csv(path: str | Path) -> tuple[list[Interval], list[str]]:
    """Reads `name,start,end,duration,score` rows, where the score is the number of the emotion.

    Returns:
        The intervals, and notices about names that do not say what their score says, or are misspelt (`00_netural`).

    Raises:
        InputError: a malformed row (names the line), or a file without rows.
    """
    intervals, notices = [], []
    for line, row in label_rows(path, delimiter=",", num_fields=5):
        interval = label_interval(path, line, row)
        if interval.value not in range(len(EMOTIONS)):
            raise InputError(f"{path}: line {line}: emotion {row[4]!r}; expected a whole number 0..{len(EMOTIONS) - 1}")
        intervals.append(interval)
        number = interval.name.partition("_")[0]
        contradicts = number.isdecimal() and int(number) != interval.value
        if contradicts or interval.name.lower() in _MISSPELT:
            notices.append(f"emotion {interval.name!r} with score {row[4]} read as {EMOTIONS[int(interval.value)]}")
    if not intervals:
        raise InputError(
            f"{path}: empty: expected rows of name,start,end,duration,score; delete it to take the default"
        )
    return intervals, list(dict.fromkeys(notices))
