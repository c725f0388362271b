"""What one recording is: its id, its speaker and where its files lie. Ids follow BEAT: `2_scott_0_103_103`.

Source: the file names of BEAT v0.2.1, <speaker number>_<name>_<kind>_<first take>_<last take>, and the halves that the
official split makes: `5_stewart_0_65_65_a`, in the reference's own tree `5_stewart_0_65_a`.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from emage.errors import InputError

LANGUAGES = ("english", "chinese", "spanish", "japanese")

_ID = re.compile(
    r"(?P<speaker>[^_]+)_(?P<name>.+?)_(?P<kind>[0-7])_(?P<take>\d+)"
    r"(?:_(?P<last>\d+)(?:_(?P<half>[ab]))?|_(?P<short>[ab]))"
)


class RecordingName(NamedTuple):
    """What the id of a recording says."""

    speaker: str  # the label, "2"
    speaker_name: str
    language: str
    is_conversation: bool
    take: int  # the first take that it holds
    last_take: int
    half: str | None  # "a" or "b" of a recording that the split cuts in two

    @property
    def half_cut_s(self) -> float:
        """Where the official split cuts: 30 s into a speech, 300 s into a conversation."""
        return 300.0 if self.is_conversation else 30.0


@dataclass(frozen=True)
class Recording:
    """One recording and its files; `paths` lacks those that are not there.

    Attributes:
        speaker: label of the speaker; where a corpus does not tell, one label stands for all who are not known.
        take: what numbers the speaker's recordings.
        paths: by kind, of BEAT bvh, json, wav, textgrid, emotion and semantic; several recordings may share an archive.
        members: by kind, the name of the member inside the archive `paths[kind]`; empty for plain files.
        subset: the split (train, val, test) of a corpus that is split on disk, else None; other names are in no split.
    """

    id: str
    speaker: str
    speaker_name: str
    language: str
    take: int
    paths: dict[str, Path] = field(default_factory=dict)
    subset: str | None = None
    members: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_id(cls, recording_id: str, paths: dict[str, Path], subset: str | None = None) -> "Recording":
        """Fills in what the id says.

        Raises:
            InputError: the id is none of BEAT's form.
        """
        name = parse_id(recording_id)
        return cls(recording_id, name.speaker, name.speaker_name, name.language, name.take, paths, subset)


def parse_id(recording_id: str) -> RecordingName:
    """Reads a recording's id.

    Raises:
        InputError: an id of another form.
    """
    match = _ID.fullmatch(recording_id)
    if match is None:
        raise InputError(
            f"recording id {recording_id!r}: expected <speaker>_<name>_<kind 0..7>_<first take>_<last take>[_a|_b],"
            " e.g. 2_scott_0_1_1"
        )
    kind = int(match["kind"])  # even: speech, odd: conversation; two kinds a language
    return RecordingName(
        speaker=match["speaker"],
        speaker_name=match["name"],
        language=LANGUAGES[kind // 2],
        is_conversation=kind % 2 == 1,
        take=int(match["take"]),
        last_take=int(match["last"] or match["take"]),
        half=match["half"] or match["short"],
    )


def select_speakers(recordings: list[Recording], speakers: list[str]) -> list[Recording]:
    """The recordings of some speakers (`data.speakers`); an empty list stands for all.

    Raises:
        InputError: a speaker without recordings; the message lists those that have some.
    """
    found = sorted({recording.speaker for recording in recordings}, key=lambda label: (len(label), label))
    missing = [label for label in speakers if label not in found]
    if missing:
        raise InputError(f"data.speakers: no recordings of {', '.join(missing)}; there are some of {', '.join(found)}")
    return [recording for recording in recordings if not speakers or recording.speaker in speakers]
