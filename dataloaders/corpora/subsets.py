"""What the face corpora share about splits: validation speakers by chance of their name, and who is in two splits."""

import hashlib
from collections.abc import Iterable

from dataloaders.recordings import Recording

VAL_SHARE = 0.1


def is_val_speaker(speaker: str) -> bool:
    """Whether a speaker of the train folder is kept for validation; the same in any corpus, whoever else is in it."""
    return int.from_bytes(hashlib.sha256(speaker.encode()).digest()[:4], "big") < VAL_SHARE * 2**32


def shared_speakers(recordings: Iterable[Recording]) -> list[str]:
    """Notices about speakers that stand in two splits, so that the second tells less than it seems to."""
    splits: dict[str, set[str]] = {}
    for recording in recordings:
        if recording.subset in ("train", "val", "test"):
            splits.setdefault(recording.speaker, set()).add(recording.subset)
    groups: dict[tuple[str, ...], list[str]] = {}
    for speaker, found in splits.items():
        if len(found) > 1:
            groups.setdefault(tuple(name for name in ("train", "val", "test") if name in found), []).append(speaker)
    return [
        f"{len(speakers)} speaker(s) in {' and '.join(found)}: {', '.join(sorted(speakers))}"
        for found, speakers in sorted(groups.items())
    ]
