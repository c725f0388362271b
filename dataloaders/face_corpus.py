"""Several corpora of faces as the training of the face trunk sees them: one stream of windows, statistics by corpus.

Shapes: K corpora, D = 157 columns of face_all.
"""

import hashlib
import logging
import math
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import torch
from torch.utils.data import Dataset

from dataloaders.cache import MotionCache
from dataloaders.face_windows import FaceWindows
from dataloaders.mixing import MixedWindows, Share, mixture_shares
from dataloaders.splits import SPLITS, SplitEntry, split_entries
from dataloaders.statistics import split_sums
from emage.config import Config, DataConfig
from emage.errors import InputError
from emage.motion.convert_face import known_groups
from emage.motion.face_statistics import FaceStatistics
from emage.motion.layout import get_layout
from emage.motion.skeleton import Skeleton
from emage.speakers import SpeakerTable
from emage.vocabulary import Vocabulary

logger = logging.getLogger(__name__)

NEUTRAL = 0  # the speaker that stands for none
_SHARED_KEYS = {"format", "root", "cache_dir", "fps", "audio_track"}  # of a further corpus and of `data`


@dataclass(frozen=True, eq=False)
class Member:
    """One corpus of the mixture."""

    name: str
    data: DataConfig
    cache: MotionCache
    entries: dict[str, list[SplitEntry]]
    weight: float
    cap: float


@dataclass(frozen=True, eq=False)
class FaceCorpus:
    """The corpora of one config: `data`, then those of `mixture.corpora` in their order.

    Attributes:
        config: what it was opened for.
        members: the corpora.
    """

    config: Config
    members: list[Member]

    @classmethod
    def open(cls, config: Config) -> "FaceCorpus":
        """Opens the caches.

        Raises:
            InputError: a cache that is not there, or a corpus without a recording to train on.
        """
        mixture = config.mixture
        members = [_open_member(mixture.main, config.data, weight=mixture.weight, cap=mixture.cap)]
        members[0].entries["train"] = _first_share(members[0].entries["train"], mixture.train_share)
        for name, corpus in mixture.corpora.items():
            own = {field.name: getattr(corpus, field.name) for field in fields(corpus) if field.name in _SHARED_KEYS}
            data = DataConfig(**own, sample_rate=config.data.sample_rate)
            members.append(_open_member(name, data, prefix=corpus.prefix, weight=corpus.weight, cap=corpus.cap))
        for member in members:
            counts = ", ".join(f"{split} {len(member.entries[split])}" for split in SPLITS)
            logger.info("corpus %s (%s): %s", member.name, member.data.format, counts)
            if not member.entries["train"]:
                raise InputError(f"corpus {member.name}: no recording of its train split can be used; see its splits")
        return cls(config, members)

    @property
    def entries(self) -> dict[str, list[SplitEntry]]:
        """The entries of the main corpus by split: what a model is validated and tested on."""
        return self.members[0].entries

    @property
    def cache(self) -> MotionCache:
        """The cache of the main corpus."""
        return self.members[0].cache

    @cached_property
    def speakers(self) -> SpeakerTable:
        """Numbers of the speakers of all train splits, `<corpus>/<speaker>`, from 1 on; 0 is the neutral identity."""
        labels = sorted({_label(member, entry) for member in self.members for entry in member.entries["train"]})
        capacity = self.config.model.num_speakers
        if len(labels) > capacity:
            raise InputError(f"model.num_speakers: {capacity} places for {len(labels)} speakers; raise it")
        return SpeakerTable({label: number for number, label in enumerate(labels, 1)})

    @cached_property
    def statistics(self) -> FaceStatistics:
        """Mean and deviation of each corpus over its train split."""
        moments = [_moments(member) for member in self.members]
        means, stds = (torch.stack([pair[which] for pair in moments]) for which in (0, 1))
        return FaceStatistics.of(means, stds)

    @property
    def vocabulary(self) -> Vocabulary:
        """A face is not read off words."""
        return Vocabulary([])

    @property
    def skeletons(self) -> dict[str, Skeleton]:
        """A face has none."""
        return {}

    def speaker_number(self, label: str) -> int:
        """The number of a speaker; one who is in no train split is neutral, for nothing was learned of them."""
        return self.speakers.index(label) if label in self.speakers.labels else NEUTRAL

    def member_windows(self, number: int, split: str) -> FaceWindows:
        """The windows of one corpus."""
        member, data = self.members[number], self.config.data
        entries = member.entries[split]
        return FaceWindows(
            member.cache,
            entries,
            fps=data.fps,
            sample_rate=data.sample_rate,
            window_frames=data.window_frames,
            stride_frames=data.stride_frames,
            corpus=number,
            speakers=[self.speaker_number(_label(member, entry)) for entry in entries],
        )

    def windows(self, split: str) -> Dataset:
        """The mixed windows of the train split, or the plain ones of the main corpus' other splits.

        Raises:
            InputError: every recording is shorter than a window, or caps that cannot be kept.
        """
        data, optim = self.config.data, self.config.optim
        if split != "train":
            dataset = self.member_windows(0, split)
            if not len(dataset):
                raise InputError(
                    f"split {split}: every recording is shorter than data.window_frames={data.window_frames}"
                )
            return dataset
        windows = [self.member_windows(number, "train") for number in range(len(self.members))]
        probabilities = self._probabilities(windows)
        for member, own, probability in zip(self.members, windows, probabilities.tolist(), strict=True):
            hours, percent = own.hours, 100 * probability
            logger.info("mixture: %s %.2f h, %d windows, %.1f %% of the draws", member.name, hours, len(own), percent)
        return MixedWindows(
            {member.name: own for member, own in zip(self.members, windows, strict=True)},
            probabilities,
            seed=self.config.seed,
            batch_size=optim.batch_size,
            num_steps=optim.max_steps,
        )

    def shares(self) -> np.ndarray:
        """How much of the training each corpus is, (K,) with sum 1."""
        return self._probabilities([self.member_windows(number, "train") for number in range(len(self.members))])

    def _probabilities(self, windows: list[FaceWindows]) -> np.ndarray:
        shares = [
            Share(member.name, own.hours, member.weight, member.cap)
            for member, own in zip(self.members, windows, strict=True)
        ]
        return mixture_shares(shares, self.config.mixture.temperature)


def _open_member(name: str, data: DataConfig, *, prefix: str = "", weight: float, cap: float) -> Member:
    try:
        cache = MotionCache.open(data)
    except InputError as error:
        raise InputError(f"corpus {name}: {error}") from error
    recordings = [*cache.known.values(), *(recording for recording, _ in cache.rejected.values())]
    found, notices = split_entries(data, sorted(recordings, key=lambda recording: recording.id))
    for notice in notices:
        logger.warning("corpus %s: splits: %s", name, notice)
    entries = {
        split: [entry for entry in found[split] if entry.recording_id in cache.known and entry.id.startswith(prefix)]
        for split in SPLITS
    }
    return Member(name, data, cache, entries, weight, cap)


def _first_share(entries: list[SplitEntry], share: float) -> list[SplitEntry]:
    """So many of the entries, chosen by their names: a smaller share is part of a larger one."""
    order = sorted(entries, key=lambda entry: hashlib.sha256(entry.id.encode()).hexdigest())
    kept = {entry.id for entry in order[: math.ceil(share * len(order))]}
    return [entry for entry in entries if entry.id in kept]


def _label(member: Member, entry: SplitEntry) -> str:
    return f"{member.name}/{member.cache.known[entry.recording_id].speaker}"


def _moments(member: Member) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation (D,) of a corpus' train split in face_all, at the rate of its cache."""
    total = split_sums(member.cache, member.entries["train"]).face
    widths = torch.tensor([width for _, width in get_layout("face_all").parts])
    known = known_groups(member.cache.layouts["face"]).repeat_interleave(widths)
    mean, std = torch.from_numpy(total.mean), torch.from_numpy(total.std())
    return torch.where(known, mean, 0.0), torch.where(known, std, 1.0)
