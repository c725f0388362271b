"""A corpus as training and testing see it: its cache, its splits, and what is learned from the train split alone."""

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dataloaders.cache import MotionCache
from dataloaders.cache_format import MOTION_LAYOUT
from dataloaders.fingerprint import build_command
from dataloaders.splits import SplitEntry, split_entries
from dataloaders.statistics import compute_statistics, count_words
from dataloaders.window_dataset import LayoutReader, WindowDataset, frame_range, word_ids
from emage.audio import frame_to_sample
from emage.config import Config
from emage.errors import InputError
from emage.motion.skeleton import Skeleton
from emage.motion.statistics import MotionStatistics
from emage.speakers import SpeakerTable
from emage.vocabulary import SPECIAL_WORDS, Vocabulary

logger = logging.getLogger(__name__)

SPLITS = ("train", "val", "test")
VALIDATION_STRIDE = 0.25  # of a window
_SHOWN = 5  # recordings that a log line names
_STATISTICS_LAYOUTS = ("beat_141", MOTION_LAYOUT)  # besides the model's own


@dataclass(frozen=True, eq=False)
class Corpus:
    """One corpus, opened for one config.

    Attributes:
        config: what it was opened for.
        cache: every stream of every recording.
        entries: by split, the recordings (or halves) that can be used; a split may be empty until it is asked for.
        unusable: by split, (entry id, reason) of those that cannot.
    """

    config: Config
    cache: MotionCache
    entries: dict[str, list[SplitEntry]]
    unusable: dict[str, list[tuple[str, str]]]

    @classmethod
    def open(cls, config: Config) -> "Corpus":
        """Opens the cache and sorts its recordings into the splits; logs the notices of both.

        Raises:
            InputError: no cache that fits the config, or a split that names unknown recordings.
        """
        cache = MotionCache.open(config.data)
        logger.info("cache %s: %d recordings at %g fps", cache.folder, len(cache.recordings()), cache.fps)
        _log_rows(
            "notices from the build of the cache",
            ((key, note) for key, notes in cache.notices.items() for note in notes),
        )
        # A recording that was rejected is still one that a split may name.
        recordings = [*cache.known.values(), *(recording for recording, _ in cache.rejected.values())]
        found, notices = split_entries(config.data, sorted(recordings, key=lambda recording: recording.id))
        for notice in notices:
            logger.warning("splits: %s", notice)
        entries, unusable = {}, {}
        for split in SPLITS:
            reasons = [(entry, _why_unusable(cache, entry)) for entry in found[split]]
            entries[split] = [entry for entry, reason in reasons if not reason]
            unusable[split] = [(entry.id, reason) for entry, reason in reasons if reason]
            _log_rows(f"{split}: left out", unusable[split], level=logging.WARNING)
        logger.info("splits: %s", ", ".join(f"{split} {len(entries[split])}" for split in SPLITS))
        return cls(config, cache, entries, unusable)

    def usable(self, split: str) -> list[SplitEntry]:
        """The entries of a split.

        Raises:
            InputError: it has none; the message says why and what to do.
        """
        if not self.entries[split]:
            lost = self.unusable[split]
            why = f"all {len(lost)} are left out, e.g. {lost[0][0]}: {lost[0][1]}" if lost else "no recording is in it"
            raise InputError(
                f"split {split}: {why}; name others with data.splits.{split}=[id,...] (there are"
                f" {_some(self.cache.recordings())}), widen data.speakers, or mend the files and run:"
                f" {build_command(self.config.data)}"
            )
        return self.entries[split]

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The words of the train split, as many as `model.num_words` holds (a model without words: all)."""
        counts = count_words(self.cache, self.usable("train"))
        model = self.config.model
        capacity = getattr(model, "num_words", len(counts) + len(SPECIAL_WORDS))
        vocabulary = Vocabulary.build(counts, capacity, getattr(model, "word_buckets", 0))
        if vocabulary.overflow:
            logger.warning(
                "vocabulary: the %d rarest of %d words of the train split are read as unknown: model.num_words=%d",
                vocabulary.overflow,
                len(counts),
                capacity,
            )
        return vocabulary

    @cached_property
    def speakers(self) -> SpeakerTable:
        """The speakers of all splits: who is only in test has a place too, though an untrained one."""
        by_split = {split: {self._speaker(entry) for entry in self.entries[split]} for split in SPLITS}
        labels = set().union(*by_split.values())
        unseen = labels - by_split["train"]
        if unseen and by_split["train"]:
            logger.warning("speakers %s are in val or test and not in train", ", ".join(sorted(unseen)))
        numbers = [int(label) for label in labels if label.isdecimal()]
        # A model without speakers sets no limit: take one that keeps BEAT's numbering.
        return SpeakerTable.build(labels, getattr(self.config.model, "num_speakers", max([len(labels), *numbers])))

    @cached_property
    def statistics(self) -> MotionStatistics:
        """Mean and deviation of the layouts over the train split, and its mean pose."""
        return compute_statistics(self.cache, self.usable("train"), (self.config.model.layout, *_STATISTICS_LAYOUTS))

    @cached_property
    def skeletons(self) -> dict[str, Skeleton]:
        """The skeleton of each speaker: that of the first recording in train, else of the first in any split."""
        first: dict[str, str] = {}
        for entry in (entry for split in SPLITS for entry in self.entries[split]):
            first.setdefault(self._speaker(entry), entry.recording_id)
        return {speaker: self.cache.meta(recording_id)["skeleton"] for speaker, recording_id in sorted(first.items())}

    def windows(self, split: str) -> WindowDataset:
        """The windows of a split, as `data.window_frames`, `data.stride_frames` and `model.layout` ask for.

        Those of validation lie at least VALIDATION_STRIDE of a window apart: closer ones would cost much and say the same.

        Raises:
            InputError: the split has no entry, or every entry is shorter than a window.
        """
        data = self.config.data
        closest = 1 if split == "train" else math.ceil(VALIDATION_STRIDE * data.window_frames)
        dataset = WindowDataset(
            self.cache,
            self.usable(split),
            layout=self.config.model.layout,
            window_frames=data.window_frames,
            stride_frames=max(data.stride_frames, closest),
            vocabulary=self.vocabulary,
            speakers=self.speakers,
        )
        if not len(dataset):
            raise InputError(
                f"split {split}: all of its {len(dataset.too_short)} recordings are shorter than data.window_frames="
                f"{data.window_frames} ({data.window_frames / self.cache.fps:.1f} s); lower it or add longer recordings"
            )
        return dataset

    def clip_streams(self, entry: SplitEntry, vocabulary: Vocabulary | None = None) -> dict[str, Any]:
        """Everything of one entry at full length, for testing.

        Args:
            entry: of any split.
            vocabulary: gives the words their ids; None: that of the train split. (A checkpoint brings its own.)

        Returns:
            num_frames T; speaker (label); motion (T, D) in the model's layout and motion_full (T, D') in beat_full;
            face (T, 51); waveform (S,); words (T,) int64 ids and word_list and phone_list, times from the start of the entry; emotion
            (T,) int64; semantic (T,).
        """
        cache, key = self.cache, entry.recording_id
        start, stop = frame_range(entry, cache.num_frames(key), cache.fps)
        first, last = (frame_to_sample(frame, cache.fps, cache.sample_rate) for frame in (start, stop))
        motion = cache.read(key, "motion", start, stop)
        ids = word_ids(cache, key, self.vocabulary if vocabulary is None else vocabulary)
        start_s, end_s = start / cache.fps, stop / cache.fps
        meta = cache.meta(key)
        words, phones = (
            [
                word._replace(start_s=word.start_s - start_s, end_s=word.end_s - start_s)
                for word in meta[kind]
                if word.end_s > start_s and word.start_s < end_s
            ]
            for kind in ("words", "phones")
        )
        return {
            "num_frames": stop - start,
            "speaker": self._speaker(entry),
            "motion": LayoutReader(self.config.model.layout)(motion),
            "motion_full": motion,
            "face": cache.read(key, "face", start, stop),
            "waveform": cache.read(key, "waveform", first, last),
            "words": ids[cache.read(key, "word_index", start, stop)],
            "word_list": words,
            "phone_list": phones,
            "emotion": cache.read(key, "emotion", start, stop).astype("int64"),
            "semantic": cache.read(key, "semantic", start, stop),
        }

    def _speaker(self, entry: SplitEntry) -> str:
        return self.cache.known[entry.recording_id].speaker


def _why_unusable(cache: MotionCache, entry: SplitEntry) -> str:
    if entry.recording_id in cache.rejected:
        return cache.rejected[entry.recording_id][1]
    start, stop = frame_range(entry, cache.num_frames(entry.recording_id), cache.fps)
    return "" if stop > start else f"the recording ends before {entry.start_s:g} s"


def _log_rows(what: str, rows: Iterable[tuple[str, str]], level: int = logging.INFO) -> None:
    rows = list(rows)
    for key, text in rows[:_SHOWN]:
        logger.log(level, "%s: %s: %s", what, key, text)
    if len(rows) > _SHOWN:
        logger.log(level, "%s: and %d more", what, len(rows) - _SHOWN)


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
