"""Which event caused which movement: the rows of `<id>.causes.json`, one file beside each recording."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emage.errors import InputError
from emage.motion.atomic import write_text_atomic

FORMAT = 1


@dataclass(frozen=True)
class Movement:
    """What an event set in motion.

    Attributes:
        targets: joints (BVH spelling) or facial channels that move.
        start_s, end_s: the whole movement.
        peak_s: when the hand of a stroke is fastest; when a nod or a facial channel has come farthest.
        amplitude: how far, in `unit`: "deg" of the angle that changes most in the stroke (of a nod: all joints of the neck
            together), or "weight" of a facial channel.
    """

    targets: tuple[str, ...]
    start_s: float
    peak_s: float
    end_s: float
    amplitude: float
    unit: str = "deg"

    def to_dict(self) -> dict:
        times = {"start_s": round(self.start_s, 4), "peak_s": round(self.peak_s, 4), "end_s": round(self.end_s, 4)}
        return {"targets": list(self.targets)} | times | {"amplitude": round(self.amplitude, 4), "unit": self.unit}

    @classmethod
    def from_dict(cls, row: dict) -> "Movement":
        return cls(**{**row, "targets": tuple(row["targets"])})


@dataclass(frozen=True)
class CauseEvent:
    """One event of one input.

    Attributes:
        cause: stress, keyword, homophone, phoneme, speaker, emotion, blink.
        input: the one input that tells it: audio, text, speaker or emotion; None for chance.
        time_s: when it happens, 0 for what holds all the time.
        what: the word, phone or label.
        movements: what it moved; none for a homophone, whose gesture stays away.
        values: parameters of a lasting cause, such as the handedness.
    """

    cause: str
    input: str | None
    time_s: float
    what: str
    movements: tuple[Movement, ...] = ()
    values: dict[str, float | str] = field(default_factory=dict)

    def to_dict(self) -> dict:
        head = {"cause": self.cause, "input": self.input, "time_s": round(self.time_s, 4), "what": self.what}
        head["movements"] = [movement.to_dict() for movement in self.movements]
        return head | ({"values": self.values} if self.values else {})

    @classmethod
    def from_dict(cls, row: dict) -> "CauseEvent":
        return cls(**{**row, "movements": tuple(Movement.from_dict(movement) for movement in row["movements"])})


def write_causes(path: Path, recording_id: str, *, events: Sequence[CauseEvent]) -> None:
    """Writes the events in the order of their times."""
    rows = [event.to_dict() for event in sorted(events, key=lambda event: event.time_s)]
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    write_text_atomic(path, f'{{"format": {FORMAT}, "id": {json.dumps(recording_id)}, "events": [\n{lines}\n]}}\n')


def read_causes(path: str | Path) -> list[CauseEvent]:
    """Reads what `write_causes` wrote.

    Raises:
        InputError: no such file, or one of another form.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise InputError(
                f"{path}: format {document['format']!r}; this version reads {FORMAT}; make the corpus anew"
            )
        return [CauseEvent.from_dict(row) for row in document["events"]]
    except FileNotFoundError as error:
        raise InputError(f"{path}: not there; only recordings of tools/make_corpus.py know their causes") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: no causes as tools/make_corpus.py writes them: {error}") from error
