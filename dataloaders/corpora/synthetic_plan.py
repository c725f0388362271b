"""Which recordings the synthetic corpus holds: who speaks, with which emotion, and which take, before anything is made.

Speakers carry labels of the official English split (the ten that have four hours each), and takes are chosen so that this split
gives about 53 % train, 10 % val and 37 % test (so many, for a stable FGD), with every emotion in train and test.
"""

import zlib
from dataclasses import dataclass

import numpy as np

from dataloaders.labels import emotion_from_take
from emage.errors import InputError

# The labels are the official split's; the names are nobody's.
SPEAKER_NAMES = {
    "1": "alder",
    "2": "brisa",
    "3": "corvin",
    "4": "delphi",
    "6": "ember",
    "7": "fennel",
    "8": "garnet",
    "9": "hollis",
    "11": "indra",
    "21": "juniper",
}
# BEAT numbers its takes: 1-64 are neutral, then eight of each other emotion. Each row is in the order in which we use it.
_TEST_TAKES = (1, 65, 73, 2, 81, 87, 3, 95, 103, 4, 111, 5, 6, 7, 8)
_VAL_TAKES = (57, 72, 80, 58, 86, 94, 59, 102, 110, 60, 118, 61, 62, 63, 64)
_SHARES = {"train": 0.53, "test": 0.37, "val": 0.10}
MIN_SECONDS = 4.0
MAX_SECONDS = 600.0


def _train_takes() -> tuple[int, ...]:
    """Neutral and emotional takes by turns: 3 neutral ones among ten, as long as there are emotional ones left."""
    held_out = {*_TEST_TAKES, *_VAL_TAKES}
    neutral = [take for take in range(1, 65) if take not in held_out]
    blocks = [[take for take in range(65 + 8 * k, min(73 + 8 * k, 119)) if take not in held_out] for k in range(7)]
    emotional = [block[row] for row in range(6) for block in blocks if row < len(block)]
    order: list[int] = []
    while neutral or emotional:
        source = neutral if neutral and (not emotional or len(order) % 10 in (0, 3, 7)) else emotional
        order.append(source.pop(0))
    return tuple(order)


_TAKES = {"train": _train_takes(), "test": _TEST_TAKES, "val": _VAL_TAKES}
MAX_TAKES = sum(map(len, _TAKES.values()))


@dataclass(frozen=True)
class CorpusArguments:
    """What decides every byte of the corpus. `num_recordings` counts those of all speakers together."""

    num_speakers: int = 4
    num_recordings: int = 160
    seconds: float = 12.0
    seed: int = 0
    pauses: float = 0.0  # share of the sentences behind which the speaker is silent for seconds

    def __post_init__(self) -> None:
        _in_range("--pauses", self.pauses, 0, 1)
        _in_range("--speakers", self.num_speakers, 1, len(SPEAKER_NAMES))
        _in_range("--recordings", self.num_recordings, 1, self.num_speakers * MAX_TAKES)
        _in_range("--seconds", self.seconds, MIN_SECONDS, MAX_SECONDS)
        _in_range("--seed", self.seed, 0, 2**32 - 1)


def _in_range(option: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InputError(f"{option}: got {value}; choose from {low:g} to {high:g}")


# Of `make demo` and of the ablation over it: with recordings half as long a speaker makes each keyword's gesture four or five times.
DEMO_CORPUS = CorpusArguments(seconds=24.0)


@dataclass(frozen=True)
class RecordingPlan:
    """One recording to be made. What is drawn by chance hangs on `seed` and `number` alone.

    So `dataclasses.replace(plan, speaker=...)` (or emotion) changes what this label causes, and nothing else.
    """

    number: int
    speaker: str
    take: int
    emotion: int
    seconds: float
    seed: int
    pauses: float = 0.0

    @property
    def id(self) -> str:
        """BEAT's form of an English speech."""
        return f"{self.speaker}_{SPEAKER_NAMES[self.speaker]}_0_{self.take}_{self.take}"

    def random(self, purpose: str) -> np.random.Generator:
        """A stream of chance of its own for each purpose: one more draw for the one does not shift the others."""
        return np.random.default_rng([self.seed, self.number, zlib.crc32(purpose.encode())])


def plan_recordings(arguments: CorpusArguments) -> list[RecordingPlan]:
    """The recordings of a corpus, speakers by turns; fewer recordings are the beginning of more."""
    labels = list(SPEAKER_NAMES)[: arguments.num_speakers]
    takes = {label: _take_order(turn) for turn, label in enumerate(labels)}
    plans = []
    for number in range(arguments.num_recordings):
        label = labels[number % len(labels)]
        take = takes[label][number // len(labels)]
        emotion = emotion_from_take(take, is_conversation=False)
        plans.append(RecordingPlan(number, label, take, emotion, arguments.seconds, arguments.seed, arguments.pauses))
    return plans


def _take_order(turn: int) -> list[int]:
    """All takes of a speaker, each time from the split that is furthest behind its share.

    Speakers start at different places of each row, so that a small corpus still meets many emotions.
    """
    rows = {name: np.roll(takes, -3 * turn).tolist() for name, takes in _TAKES.items()}
    order: list[int] = []
    used = dict.fromkeys(rows, 0)
    for count in range(1, MAX_TAKES + 1):
        name = max((name for name in rows if rows[name]), key=lambda name: _SHARES[name] * count - used[name])
        used[name] += 1
        order.append(rows[name].pop(0))
    return order
