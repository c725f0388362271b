"""Speaker label <-> index of the network, saved with a checkpoint."""

import json
from collections.abc import Iterable
from pathlib import Path

from emage.errors import InputError


class SpeakerTable:
    """Which row of a speaker embedding belongs to which label.

    Attributes:
        labels: the known labels, in the order of their indices.
    """

    def __init__(self, indices: dict[str, int]) -> None:
        self._indices = dict(sorted(indices.items(), key=lambda item: item[1]))
        assert len(set(self._indices.values())) == len(self._indices), "two speakers share an index"

    @classmethod
    def build(cls, labels: Iterable[str], capacity: int) -> "SpeakerTable":
        """Gives every label an index below `capacity`.

        Labels that are all whole numbers from 1 to `capacity` take number - 1, as in the published networks, whose
        weights would otherwise meet the wrong person; any others are numbered in sorted order.

        Raises:
            InputError: more speakers than the network has places for.
        """
        labels = sorted(set(labels))
        if len(labels) > capacity:
            raise InputError(
                f"model.num_speakers: {capacity} places for {len(labels)} speakers; raise it, or choose data.speakers"
            )
        if all(label.isdecimal() and str(int(label)) == label and 1 <= int(label) <= capacity for label in labels):
            return cls({label: int(label) - 1 for label in labels})
        return cls({label: i for i, label in enumerate(labels)})

    @property
    def labels(self) -> tuple[str, ...]:
        """The known labels, in the order of their indices."""
        return tuple(self._indices)

    def index(self, label: str | int) -> int:
        """The index of a speaker.

        Raises:
            InputError: an unknown speaker; the message lists the known ones.
        """
        if str(label) not in self._indices:
            raise InputError(f"speaker {str(label)!r} is unknown here; known: {', '.join(self._indices) or 'none'}")
        return self._indices[str(label)]

    def __len__(self) -> int:
        return len(self._indices)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SpeakerTable) and self._indices == other._indices

    __hash__ = None  # type: ignore[assignment]  # compared by content, so no key of a dict

    def save(self, path: str | Path) -> None:
        """Writes {label: index} as json."""
        Path(path).write_text(json.dumps(self._indices, ensure_ascii=False, indent=0), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "SpeakerTable":
        """Reads what `save` wrote.

        Raises:
            InputError: the file is missing or is no table of labels and different indices.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}; it belongs to the checkpoint") from error
        except ValueError as error:
            raise InputError(f"{path}: not valid json: {error}") from error
        if not isinstance(data, dict) or not all(type(index) is int and index >= 0 for index in data.values()):
            raise InputError(f"{path}: no speaker table: expected json {{label: index}} with whole numbers from 0")
        if len(set(data.values())) != len(data):
            raise InputError(f"{path}: two speakers share an index; each needs its own")
        return cls(data)
