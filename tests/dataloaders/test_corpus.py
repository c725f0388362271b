"""A corpus as training and testing meet it: splits over a cache, and what comes from the train split alone."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from raw_corpus import make_raw_recording

from dataloaders.cache import build_cache
from dataloaders.corpus import Corpus
from dataloaders.splits import SplitEntry
from emage.config import (
    CaMNConfig,
    CaMNLossConfig,
    Config,
    DataConfig,
    MotionAutoencoderConfig,
    MotionAutoencoderLossConfig,
    SplitsConfig,
)
from emage.errors import InputError
from emage.text import Word
from emage.vocabulary import Vocabulary

TRAIN, EXTRA, VAL = "2_scott_0_1_1", "2_scott_0_9_9", "4_lawrence_0_57_57"


def camn_config(root: Path, cache_dir: Path, splits: SplitsConfig | None = None, **model) -> Config:
    splits = splits or SplitsConfig(train=[TRAIN], val=[VAL], test=[VAL])
    data = DataConfig(root=str(root), cache_dir=str(cache_dir), splits=splits)
    return Config(data=data, model=CaMNConfig(**model), loss=CaMNLossConfig())


@pytest.fixture(scope="module")
def cache_dir(raw_corpus_root, tmp_path_factory) -> Path:
    """Caches of the shared corpus; its takes 1, 9 and 57 are test, train and val of the official split."""
    folder = tmp_path_factory.mktemp("caches")
    build_cache(DataConfig(root=str(raw_corpus_root), cache_dir=str(folder)), 1, progress=False)
    return folder


@pytest.fixture
def spoiled(raw_corpus_root, tmp_path) -> tuple[Path, Path]:
    """(root, cache_dir) of a corpus whose recording VAL has no motion file."""
    root, cache_dir = tmp_path / "corpus", tmp_path / "caches"
    shutil.copytree(raw_corpus_root, root)
    (root / "4" / f"{VAL}.bvh").unlink()
    build_cache(DataConfig(root=str(root), cache_dir=str(cache_dir)), 1, progress=False)
    return root, cache_dir


def test_the_official_split_finds_its_recordings_in_the_cache(raw_corpus_root, cache_dir):
    corpus = Corpus.open(camn_config(raw_corpus_root, cache_dir, SplitsConfig()))
    assert {split: [entry.id for entry in rows] for split, rows in corpus.entries.items()} == {
        "train": [EXTRA],
        "val": [VAL],
        "test": [TRAIN],
    }


def test_windows_follow_the_config(raw_corpus_root, cache_dir):
    config = camn_config(raw_corpus_root, cache_dir)
    config.data.window_frames, config.data.stride_frames = 20, 20
    windows = Corpus.open(config).windows("train")
    assert [windows.place(i) for i in range(len(windows))] == [(TRAIN, 0), (TRAIN, 20), (TRAIN, 40)]
    assert windows[0]["motion"].shape == (20, 141)


def test_windows_of_validation_are_never_closer_than_a_quarter_of_their_length(raw_corpus_root, cache_dir):
    config = camn_config(raw_corpus_root, cache_dir)
    config.data.window_frames = 20
    for stride, of_train, of_val in ((1, 1, 5), (7, 7, 7)):
        config.data.stride_frames = stride
        corpus = Corpus.open(config)
        for split, expected in (("train", of_train), ("val", of_val)):
            windows = corpus.windows(split)
            assert windows.place(1)[1] - windows.place(0)[1] == expected


def test_words_of_val_and_test_are_unknown(raw_corpus_root, tmp_path):
    root = tmp_path / "corpus"
    shutil.copytree(raw_corpus_root, root)
    grid = root / "4" / f"{VAL}.TextGrid"
    grid.write_text(grid.read_text().replace('"Monday"', '"Zanzibar"'))
    config = camn_config(root, tmp_path / "caches")
    build_cache(config.data, 1, progress=False)
    vocabulary = Corpus.open(config).vocabulary
    assert vocabulary.words[4:] == ("first", "is", "monday", "morning", "the", "thing")  # each once: by alphabet


def test_more_words_than_places_are_reported(raw_corpus_root, cache_dir, caplog):
    corpus = Corpus.open(camn_config(raw_corpus_root, cache_dir, num_words=7))
    with caplog.at_level(logging.WARNING):
        assert corpus.vocabulary.words[4:] == ("first", "is", "monday")
    assert "the 3 rarest of 6 words of the train split are read as unknown: model.num_words=7" in caplog.text


def test_a_model_without_words_and_speakers_keeps_all_of_them(raw_corpus_root, cache_dir):
    config = camn_config(raw_corpus_root, cache_dir)
    config.model, config.loss = MotionAutoencoderConfig(), MotionAutoencoderLossConfig()
    corpus = Corpus.open(config)
    assert len(corpus.vocabulary) == 10
    assert corpus.vocabulary.overflow == 0
    assert (corpus.speakers.index("2"), corpus.speakers.index("4")) == (1, 3)  # as in the published networks


def test_a_speaker_who_is_only_tested_has_a_place_and_is_reported(raw_corpus_root, cache_dir, caplog):
    corpus = Corpus.open(camn_config(raw_corpus_root, cache_dir))
    with caplog.at_level(logging.WARNING):
        assert corpus.speakers.labels == ("2", "4")
    assert "speakers 4 are in val or test and not in train" in caplog.text
    with pytest.raises(InputError, match="model.num_speakers: 1 places for 2 speakers"):
        _ = Corpus.open(camn_config(raw_corpus_root, cache_dir, num_speakers=1)).speakers


def test_statistics_are_those_of_train_in_the_models_layout(raw_corpus_root, cache_dir):
    corpus = Corpus.open(camn_config(raw_corpus_root, cache_dir, layout="beat_141_rot6d"))
    assert {"beat_141", "beat_full", "beat_141_rot6d", "arkit_51"} == set(corpus.statistics.means)
    np.testing.assert_allclose(
        corpus.statistics.means["beat_full"], corpus.cache.read(TRAIN, "motion").mean(axis=0, dtype=float), atol=1e-4
    )


def test_each_speaker_has_a_skeleton(raw_corpus_root, cache_dir):
    skeletons = Corpus.open(camn_config(raw_corpus_root, cache_dir)).skeletons
    assert list(skeletons) == ["2", "4"]
    assert skeletons["2"].num_joints == 75


def test_a_rejected_recording_is_left_out_with_a_warning(spoiled, caplog):
    splits = SplitsConfig(train=[TRAIN, VAL], val=[EXTRA], test=[VAL])
    with caplog.at_level(logging.WARNING):
        corpus = Corpus.open(camn_config(*spoiled, splits))
    assert [entry.id for entry in corpus.entries["train"]] == [TRAIN]
    assert f"train: left out: {VAL}: " in caplog.text
    assert "no bvh" in caplog.text
    with pytest.raises(InputError) as error:
        corpus.usable("test")
    message = str(error.value)
    assert f"split test: all 1 are left out, e.g. {VAL}: " in message
    assert "data.splits.test=[id,...]" in message
    assert "python tools/build_cache.py" in message


def test_a_split_that_nobody_is_in_is_an_error_when_it_is_asked_for(raw_corpus_root, cache_dir):
    corpus = Corpus.open(camn_config(raw_corpus_root, cache_dir, SplitsConfig(test=[VAL])))
    assert [entry.id for entry in corpus.usable("test")] == [VAL]
    for ask in (lambda: corpus.usable("train"), lambda: corpus.windows("train"), lambda: corpus.statistics):
        with pytest.raises(InputError, match="split train: no recording is in it; name others with data.splits.train="):
            ask()


def test_a_split_of_short_recordings_only_is_an_error(raw_corpus_root, cache_dir):
    config = camn_config(raw_corpus_root, cache_dir)
    config.data.window_frames = 61
    with pytest.raises(
        InputError, match=r"split train: all of its 1 recordings are shorter than data.window_frames=61"
    ):
        Corpus.open(config).windows("train")


def test_notices_of_the_build_and_of_the_splits_are_logged(raw_corpus_root, cache_dir, caplog):
    splits = SplitsConfig(train=[TRAIN], val=[TRAIN], test=[VAL])
    with caplog.at_level(logging.INFO):
        Corpus.open(camn_config(raw_corpus_root, cache_dir, splits))
    assert f"notices from the build of the cache: {TRAIN}: Frame Time 0.008333 read as 1/120" in caplog.text
    assert f"({TRAIN}): in both train and val" in caplog.text


def test_halves_become_frame_ranges_and_a_missing_half_is_left_out(tmp_path, caplog):
    make_raw_recording(tmp_path / "corpus", "5_stewart_0_65_65", 31.0, bvh_fps=30.0, frame_time="0.033333")
    config = camn_config(tmp_path / "corpus", tmp_path / "caches", SplitsConfig())
    build_cache(config.data, 1, progress=False)
    corpus = Corpus.open(config)
    (first,), (second,) = corpus.entries["test"], corpus.entries["val"]
    assert (first.id, second.id) == ("5_stewart_0_65_65_a", "5_stewart_0_65_65_b")
    assert [corpus.clip_streams(entry, Vocabulary())["num_frames"] for entry in (first, second)] == [450, 15]
    short = SplitEntry(second.id, second.recording_id, 31.0, None)
    assert corpus.clip_streams(short, Vocabulary())["num_frames"] == 0


def test_the_streams_of_an_entry_are_the_whole_of_it(raw_corpus_root, cache_dir):
    corpus = Corpus.open(camn_config(raw_corpus_root, cache_dir))
    cache = corpus.cache
    whole = corpus.clip_streams(corpus.entries["val"][0])
    assert whole["num_frames"] == 60
    assert whole["speaker"] == "4"
    np.testing.assert_array_equal(whole["motion_full"], cache.read(VAL, "motion"))
    assert whole["motion"].shape == (60, 141)
    assert whole["waveform"].shape == (64000,)
    assert whole["word_list"] == cache.meta(VAL)["words"]
    late = corpus.clip_streams(SplitEntry(f"{VAL}_b", VAL, 1.2, None))
    assert late["num_frames"] == 42
    np.testing.assert_array_equal(late["face"], cache.read(VAL, "face")[18:])
    np.testing.assert_array_equal(late["waveform"], cache.read(VAL, "waveform")[19200:])
    np.testing.assert_array_equal(late["words"], whole["words"][18:])
    # "thing" sounds from 1.5 to 1.9 s of the recording; "first", from 1.0 to 1.4 s, has begun before
    assert late["word_list"][:2] == [
        Word("first", pytest.approx(-0.2), pytest.approx(0.2)),
        Word("thing", pytest.approx(0.3), pytest.approx(0.7)),
    ]
