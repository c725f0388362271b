"""Windows: which there are, what they hold, and that every way of asking for them gives the same."""

import logging
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from dataloaders.batch import BATCH_KEYS, collate
from dataloaders.cache import MotionCache, build_cache
from dataloaders.cache_format import STREAMS, StreamSlot
from dataloaders.recordings import Recording
from dataloaders.splits import SplitEntry
from dataloaders.window_dataset import LayoutReader, WindowDataset, frame_range
from emage.audio import frame_to_sample
from emage.config import DataConfig
from emage.errors import InputError
from emage.motion.convert import convert
from emage.motion.layout import get_layout
from emage.speakers import SpeakerTable
from emage.text import Word
from emage.vocabulary import PAD, UNK, Vocabulary

FIRST, SECOND = "2_scott_0_1_1", "4_lawrence_0_57_57"


@dataclass
class MemoryCache:
    """A cache whose values tell where they come from: row k of every stream holds k."""

    lengths: dict[str, int]
    fps: float = 15.0
    sample_rate: int = 16000
    words: list[Word] = field(default_factory=list)
    layouts: dict[str, str] = field(default_factory=dict)

    @property
    def known(self) -> dict[str, Recording]:
        return {key: Recording.from_id(key, {}) for key in self.lengths}

    def num_frames(self, key: str) -> int:
        return self.lengths[key]

    def meta(self, key: str) -> dict:
        return {"words": self.words}

    def slot(self, key: str, stream: str) -> StreamSlot:
        frames = self.lengths[key]
        length = frame_to_sample(frames, self.fps, self.sample_rate) if stream == "waveform" else frames
        width = {"motion": (228,), "face": (51,)}.get(stream, ())
        return StreamSlot(b"", np.dtype(STREAMS[stream]), length, width, None)

    def read(self, key: str, stream: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        slot = self.slot(key, stream)
        stop = slot.length if stop is None else stop
        assert 0 <= start <= stop <= slot.length, (key, stream, start, stop)
        if stream == "word_index":
            return np.full(stop - start, -1, dtype=np.int32)
        rows = np.arange(start, stop).reshape(-1, *(1 for _ in slot.row_shape))
        return np.broadcast_to(rows, (stop - start, *slot.row_shape)).astype(slot.dtype)


def windows_of(cache, entries, **options) -> WindowDataset:
    chosen = {
        "layout": "beat_141",
        "window_frames": 34,
        "stride_frames": 10,
        "vocabulary": Vocabulary(["the", "friends"]),
    }
    return WindowDataset(cache, entries, **{**chosen, "speakers": SpeakerTable.build(["2", "4"], 30), **options})


@pytest.fixture(scope="module")
def cache(raw_corpus_root, tmp_path_factory) -> MotionCache:
    config = DataConfig(root=str(raw_corpus_root), cache_dir=str(tmp_path_factory.mktemp("caches")))
    build_cache(config, 1, progress=False)
    return MotionCache.open(config)


@pytest.fixture
def windows(cache) -> WindowDataset:
    return windows_of(cache, [SplitEntry(FIRST, FIRST), SplitEntry(SECOND, SECOND)])


# --- what there is ---


def test_60_frames_hold_three_windows_of_34_at_stride_10(windows):
    places = [windows.place(i) for i in range(len(windows))]
    assert places == [(key, start) for key in (FIRST, SECOND) for start in (0, 10, 20)]


def test_a_window_is_that_part_of_every_stream(windows, cache):
    item = windows[4]
    columns = [get_layout("beat_full").columns.index(name) for name in get_layout("beat_141").columns]
    np.testing.assert_array_equal(item["motion"], cache.read(SECOND, "motion")[10:44, columns])
    np.testing.assert_array_equal(item["face"], cache.read(SECOND, "face")[10:44])
    np.testing.assert_array_equal(item["semantic"], cache.read(SECOND, "semantic")[10:44])
    np.testing.assert_array_equal(item["emotion"], cache.read(SECOND, "emotion")[10:44])
    start = round(10 * 16000 / 15)
    np.testing.assert_array_equal(item["waveform"], cache.read(SECOND, "waveform")[start : start + 36267])
    assert item["speaker"] == 3
    assert item["motion_valid"].all()
    assert item["face_valid"].all()
    kinds = {key: (value.shape, value.dtype.name) for key, value in item.items()}
    assert kinds == {
        "motion": ((34, 141), "float32"),
        "face": ((34, 51), "float32"),
        "waveform": ((36267,), "float32"),
        "words": ((34,), "int64"),
        "speaker": ((), "int64"),
        "emotion": ((34,), "int64"),
        "semantic": ((34,), "float32"),
        "motion_valid": ((34,), "bool"),
        "face_valid": ((34,), "bool"),
    }
    assert tuple(item) == BATCH_KEYS


def test_words_become_ids_and_silence_becomes_padding(windows, cache):
    words, index = cache.meta(FIRST)["words"], cache.read(FIRST, "word_index")
    expected = [PAD if i < 0 else {"the": 4, "friends": 5}.get(words[i].text, UNK) for i in index.tolist()]
    assert windows[0]["words"].tolist() == expected[:34]
    assert {PAD, UNK, 4} <= set(expected[:34])


@given(
    frames=st.integers(1, 200),
    window=st.integers(2, 60),
    stride=st.integers(1, 40),
    fps=st.sampled_from([15.0, 25.0, 30.0, 29.97, 7.3]),
    rate=st.sampled_from([16000, 22050, 8000]),
)
@settings(max_examples=60, deadline=None)
def test_windows_lie_within_the_recording_on_any_grid(frames, window, stride, fps, rate):
    memory = MemoryCache({FIRST: frames}, fps, rate)
    windows = windows_of(memory, [SplitEntry(FIRST, FIRST)], window_frames=window, stride_frames=stride)
    assert len(windows) == (max(0, (frames - window) // stride + 1) if frames >= window else 0)
    for i in range(len(windows)):
        item, start = windows[i], i * stride
        assert item["semantic"].tolist() == list(range(start, start + window))
        assert len(item["waveform"]) == frame_to_sample(window, fps, rate)
        assert abs(item["waveform"][0] - frame_to_sample(start, fps, rate)) <= 1


def test_halves_share_no_frame_and_lose_none():
    memory = MemoryCache({FIRST: 1000})
    halves = [SplitEntry(f"{FIRST}_a", FIRST, 0.0, 30.0), SplitEntry(f"{FIRST}_b", FIRST, 30.0, None)]
    seen = [
        {frame for i in range(len(part)) for frame in part[i]["semantic"].astype(int).tolist()}
        for part in (windows_of(memory, [half], window_frames=10, stride_frames=1) for half in halves)
    ]
    assert seen == [set(range(450)), set(range(450, 1000))]


@pytest.mark.parametrize(
    "start_s, end_s, expected",
    [(0, None, (0, 60)), (0, 2, (0, 30)), (2, None, (30, 60)), (9, None, (60, 60)), (9, 30, (60, 60))],
)
def test_the_frames_of_an_entry(start_s, end_s, expected):
    assert frame_range(SplitEntry(FIRST, FIRST, start_s, end_s), 60, 15.0) == expected


def test_recordings_shorter_than_a_window_are_counted_and_named(caplog):
    memory = MemoryCache({FIRST: 33, SECOND: 34})
    with caplog.at_level(logging.INFO):
        windows = windows_of(memory, [SplitEntry(FIRST, FIRST), SplitEntry(SECOND, SECOND)])
    assert [windows.place(i) for i in range(len(windows))] == [(SECOND, 0)]
    assert windows.too_short == [FIRST]
    assert f"1 of 2 entries are shorter than a window of 34 frames: {FIRST}" in caplog.text


def test_without_entries_there_are_no_windows(cache):
    windows = windows_of(cache, [])
    assert len(windows) == 0
    assert list(windows) == []
    with pytest.raises(IndexError):
        windows[0]


def test_unknown_speaker_layout_and_recording_are_named(cache):
    entries = [SplitEntry(SECOND, SECOND)]
    with pytest.raises(InputError, match="speaker '4' is unknown here; known: 2"):
        windows_of(cache, entries, speakers=SpeakerTable.build(["2"], 30))
    with pytest.raises(InputError, match="beat_140"):
        windows_of(cache, entries, layout="beat_140")


# --- layouts ---


@pytest.mark.parametrize("layout", ["beat_141", "beat_full", "beat_141_rot6d", "beat_full_rot6d"])
def test_every_layout_is_what_conversion_makes_of_the_whole_recording(cache, layout):
    motion = cache.read(FIRST, "motion")
    whole = convert(torch.from_numpy(motion), "beat_full", layout).numpy()
    windows = windows_of(cache, [SplitEntry(FIRST, FIRST)], layout=layout)
    many = windows.__getitems__([2, 0])
    np.testing.assert_allclose(windows[2]["motion"], whole[20:54], atol=1e-6)
    for item, index in zip(many, (2, 0), strict=True):
        for key in BATCH_KEYS:
            np.testing.assert_array_equal(item[key], windows[index][key])
    assert LayoutReader(layout)(motion).dtype == np.float32


# --- loaders ---


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_loader_processes_read_what_this_process_reads(windows, context):
    expected = collate([windows[i] for i in range(len(windows))])
    loader = DataLoader(windows, 4, collate_fn=collate, num_workers=1, multiprocessing_context=context)
    batches = list(loader)
    for key in BATCH_KEYS:
        assert torch.cat([batch[key] for batch in batches]).equal(expected[key])
