"""The recordings of an evaluation, brought to one frame rate and kept in a temporary folder: memory does not grow with them.

They are gone through several times (principal components and mean pose first, then every system and control), and reading
files of other systems again would take far longer.

Shapes: S samples, N onsets, T frames.
"""

import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from emage.evaluation.take import Take
from emage.metrics import BeatAlign
from emage.text import Word

REFERENCE = "reference"


@dataclass(frozen=True, eq=False)
class Sound:
    """What is heard in a recording, and what is known of it.

    Attributes:
        waveform: (S,); None where there is no audio.
        onsets_s: variant of the beat alignment -> (N,) as it sees them; found once for all systems.
        phones: when which phone sounds.
        semantic: (T,) score of each frame; None where nobody labelled it.
    """

    waveform: np.ndarray | None = None
    onsets_s: dict[str, np.ndarray] = field(default_factory=dict)
    phones: tuple[Word, ...] = ()
    semantic: np.ndarray | None = None

    def heard_by(self, metrics: dict[str, BeatAlign]) -> "Sound":
        """With the onsets that some beat alignments find, and without the waveform."""
        if self.waveform is None:
            return self
        onsets = {name: metric.onsets(self.waveform) for name, metric in metrics.items()}
        return replace(self, onsets_s=onsets, waveform=None)

    def shifted(self, sample_rate: int) -> "Sound":
        """All of it moved circularly by half its length: what is heard no longer belongs to what is seen."""
        samples = self.waveform
        moved = None if samples is None else np.roll(samples, len(samples) // 2)
        ends = [phone.end_s for phone in self.phones]
        length_s = len(samples) / sample_rate if samples is not None else max(ends, default=0.0)
        phones = [Word(p.text, (p.start_s + length_s / 2), p.end_s + length_s / 2) for p in self.phones]
        phones = [p if p.start_s < length_s else Word(p.text, p.start_s - length_s, p.end_s - length_s) for p in phones]
        semantic = None if self.semantic is None else np.roll(self.semantic, len(self.semantic) // 2)
        return Sound(moved, {}, tuple(sorted(phones, key=lambda phone: phone.start_s)), semantic)


@dataclass(frozen=True, eq=False)
class Recording:
    """One recording to be scored.

    Attributes:
        id: its name.
        takes: what each system does in it, by the system's name; REFERENCE is what the person did.
        sound: what is heard.
        border_frames: first frame of each generated window but the first; None: not known.
    """

    id: str
    takes: dict[str, Take]
    sound: Sound
    border_frames: tuple[int, ...] | None = None


class Store:
    """A temporary folder of recordings; a context manager, which leaves nothing behind."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="emage_evaluation_")
        self._sounds: dict[str, Sound] = {}
        self._borders: dict[str, tuple[int, ...] | None] = {}
        self._has: dict[str, dict[str, tuple[bool, bool]]] = {}
        self._files: dict[tuple[str, str], Path] = {}
        self._numbers = itertools.count()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_) -> None:
        self._folder.cleanup()

    def add(self, recording: Recording) -> None:
        """Keeps a recording; its waveform should have been listened to (`Sound.heard_by`)."""
        for system, take in recording.takes.items():
            path = Path(self._folder.name) / f"{next(self._numbers)}.npz"
            np.savez(path, **take.arrays())
            self._files[recording.id, system] = path
        self._sounds[recording.id] = recording.sound
        self._borders[recording.id] = recording.border_frames
        self._has[recording.id] = {name: (take.has_body, take.has_face) for name, take in recording.takes.items()}

    def remove(self, recording_id: str) -> None:
        """Takes a recording out again."""
        for system in self._has.pop(recording_id):
            self._files.pop((recording_id, system)).unlink()
        del self._sounds[recording_id], self._borders[recording_id]

    @property
    def ids(self) -> list[str]:
        """Sorted, so that results do not depend on the order in which recordings came."""
        return sorted(self._has)

    def take(self, recording_id: str, system: str) -> Take:
        """What a system does in a recording."""
        with np.load(self._files[recording_id, system]) as arrays:
            return Take(**{name: arrays[name] for name in arrays.files})

    def sound(self, recording_id: str) -> Sound:
        """What is heard in a recording."""
        return self._sounds[recording_id]

    def border_frames(self, recording_id: str) -> tuple[int, ...] | None:
        """Where its generated windows begin."""
        return self._borders[recording_id]

    def references(self) -> Iterator[Take]:
        """What the people did, recording by recording."""
        for recording_id in self.ids:
            yield self.take(recording_id, REFERENCE)

    def has(self, recording_id: str) -> tuple[bool, bool]:
        """Whether all of its systems have a body, and a face."""
        found = self._has[recording_id].values()
        return all(body for body, _ in found), all(face for _, face in found)

    def donor(self, recording_id: str) -> str | None:
        """The next recording that has all that this one has (or at least a body), to be put beside this one's sound."""
        ids = self.ids
        place = ids.index(recording_id)
        others = ids[place + 1 :] + ids[:place]
        body, face = self.has(recording_id)
        whole = [other for other in others if self.has(other) >= (body, face)]
        return next(iter(whole + [other for other in others if body and self.has(other)[0]]), None)
