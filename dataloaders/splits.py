"""Which recordings, or halves of them, are for training, validation and test.

Source of the official split: `split_rule_english` of BEAT 2022 (ratio 2880:500:500 minutes).
"""

import difflib
import itertools
import math
from collections import Counter
from dataclasses import dataclass

from dataloaders.recordings import Recording, parse_id, select_speakers
from emage.config import DataConfig
from emage.errors import InputError

SPLITS = ("train", "val", "test")

_ONE_HOUR_SPEAKERS = frozenset("5 10 12 13 14 15 16 17 18 19 20 22 23 24 25 26 27 28 29 30".split())
# Takes of speech and of conversation. The first takes of each emotion but neutral are cut in two for one-hour speakers.
_FIRST_EMOTIONAL = frozenset({65, 73, 81, 87, 95, 103, 111})
_LAST_EMOTIONAL = frozenset({72, 80, 86, 94, 102, 110, 118})
_ONE_HOUR_TRAIN_SPEECH = frozenset({*range(9, 17), 66, 74, 82, 88, 96, 104, 112, 118})
_ONE_HOUR_TRAIN_CONVERSATION = frozenset({0, 2, 3, 4})  # 0 and 4 exist of speaker 29 alone
_EXAMPLES = 3


@dataclass(frozen=True)
class SplitEntry:
    """A stretch of a recording that belongs to a split.

    Attributes:
        id: the recording's id, with `_a` or `_b` for its first or second half.
        start_s: where it begins.
        end_s: where it ends; None: with the recording.
    """

    id: str
    recording_id: str
    start_s: float = 0.0
    end_s: float | None = None


def split_entries(
    data_config: DataConfig, recordings: list[Recording]
) -> tuple[dict[str, list[SplitEntry]], list[str]]:
    """The three splits: the explicit lists if there are any, else the corpus' own folders, else the official.

    Args:
        data_config: `splits` and `speakers` are read.
        recordings: of the corpus or of a cache; their files are not touched.

    Returns:
        {"train": entries, "val": ..., "test": ...} in the order of the recordings (or lists), and notices.

    Raises:
        InputError: an unknown id in a list (names the nearest), or an unknown speaker.
    """
    recordings = select_speakers(recordings, data_config.speakers)
    lists = {split: getattr(data_config.splits, split) for split in SPLITS}
    if any(lists.values()):
        return _explicit_split(lists, recordings, data_config.speakers)
    if recordings and all(recording.subset for recording in recordings):
        return {
            split: [SplitEntry(recording.id, recording.id) for recording in recordings if recording.subset == split]
            for split in SPLITS
        }, []
    return official_split(recordings)


def official_split(recordings: list[Recording]) -> tuple[dict[str, list[SplitEntry]], list[str]]:
    """BEAT's English split. Speakers that BEAT does not have follow the rule of its four-hour speakers.

    Returns:
        The splits, and a notice about recordings that the split has no place for.
    """
    splits: dict[str, list[SplitEntry]] = {split: [] for split in SPLITS}
    left_out = []
    for recording in recordings:
        entries = _official_entries(recording)
        for split, entry in entries:
            splits[split].append(entry)
        if not entries:
            left_out.append(recording.id)
    notices = []
    if left_out:
        notices.append(
            f"{_name_some(left_out)}: no place in the official English split; name them in data.splits to use them"
        )
    return splits, notices


def _official_entries(recording: Recording) -> list[tuple[str, SplitEntry]]:
    """The splits that a recording, or its halves, belong to."""
    name = parse_id(recording.id)
    whole = SplitEntry(recording.id, recording.id)
    if name.language != "english" or name.take != name.last_take or name.half:
        return []
    take, one_hour = name.take, name.speaker in _ONE_HOUR_SPEAKERS
    if one_hour and (take == 1 if name.is_conversation else take in _FIRST_EMOTIONAL):
        return [("test", _half_entry(recording.id, "a")), ("val", _half_entry(recording.id, "b"))]
    if name.is_conversation:
        test, val = (frozenset(), frozenset()) if one_hour else (frozenset({1}), frozenset({12}))
        train = _ONE_HOUR_TRAIN_CONVERSATION
    elif one_hour:
        test, val, train = frozenset(range(1, 5)), frozenset(range(5, 9)), _ONE_HOUR_TRAIN_SPEECH
    else:
        test, val = _FIRST_EMOTIONAL | set(range(1, 9)), _LAST_EMOTIONAL | set(range(57, 65))
        train = frozenset()
    if take in test:
        return [("test", whole)]
    if take in val:
        return [("val", whole)]
    return [("train", whole)] if take in train or not one_hour else []


def _half_entry(recording_id: str, half: str) -> SplitEntry:
    cut_s = parse_id(recording_id).half_cut_s
    if half == "a":
        return SplitEntry(f"{recording_id}_a", recording_id, 0.0, cut_s)
    return SplitEntry(f"{recording_id}_b", recording_id, cut_s, None)


def _explicit_split(
    lists: dict[str, list[str]], recordings: list[Recording], speakers: list[str]
) -> tuple[dict[str, list[SplitEntry]], list[str]]:
    by_name = {_name_of(recording.id): recording.id for recording in recordings}
    splits: dict[str, list[SplitEntry]] = {}
    notices = []
    for split, ids in lists.items():
        counts = Counter(ids)
        splits[split] = [_listed_entry(f"data.splits.{split}", entry_id, by_name, speakers) for entry_id in counts]
        repeated = [entry_id for entry_id, count in counts.items() if count > 1]
        if repeated:
            notices.append(f"data.splits.{split}: {_name_some(repeated)}: listed more than once, used once")
    for one, other in itertools.combinations(SPLITS, 2):
        shared = [entry.id for entry in splits[one] if any(_overlap(entry, against) for against in splits[other])]
        if shared:
            notices.append(f"data.splits: {_name_some(shared)}: in both {one} and {other}, so {other} tells less")
    return splits, notices


def _name_of(recording_id: str) -> tuple:
    """What an id is compared by: its parts, since BEAT spells one name in two ways; another corpus' id as it is."""
    try:
        return parse_id(recording_id)
    except InputError:
        return (recording_id,)


def _listed_entry(key: str, entry_id: str, by_name: dict[tuple, str], speakers: list[str]) -> SplitEntry:
    if (entry_id,) in by_name:
        return SplitEntry(entry_id, entry_id)
    try:
        name = parse_id(entry_id)
    except InputError as error:
        raise InputError(f"{key}: {error}{_nearest(entry_id, by_name)}") from None
    if name in by_name:
        return SplitEntry(by_name[name], by_name[name])
    whole = name._replace(half=None)
    if name.half and whole in by_name:
        return _half_entry(by_name[whole], name.half)
    if speakers and name.speaker not in speakers:
        raise InputError(f"{key}: {entry_id!r} is of speaker {name.speaker}, whom data.speakers leaves out")
    raise InputError(f"{key}: no recording {entry_id!r}{_nearest(entry_id, by_name)}")


def _nearest(entry_id: str, by_name: dict[tuple, str]) -> str:
    near = difflib.get_close_matches(entry_id, by_name.values(), n=1, cutoff=0.0)
    return f"; did you mean {near[0]!r}?" if near else "; there are no recordings at all"


def _overlap(one: SplitEntry, other: SplitEntry) -> bool:
    ends = (math.inf if entry.end_s is None else entry.end_s for entry in (one, other))
    return one.recording_id == other.recording_id and max(one.start_s, other.start_s) < min(ends)


def _name_some(ids: list[str]) -> str:
    more = ", ..." if len(ids) > _EXAMPLES else ""
    return f"{len(ids)} recording{'s' * (len(ids) > 1)} ({', '.join(ids[:_EXAMPLES])}{more})"
