"""Fixtures of the data tests: a tiny corpus in the raw BEAT layout, and caches of it."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from raw_corpus import make_raw_recording

from dataloaders.cache import build_cache
from emage.config import DataConfig


@pytest.fixture(scope="session")
def raw_corpus_root(tmp_path_factory) -> Path:
    """Three recordings of two speakers, four seconds each; never written to (copy it to spoil a file)."""
    root = tmp_path_factory.mktemp("raw_beat")
    for seed, recording_id in enumerate(("2_scott_0_1_1", "2_scott_0_9_9", "4_lawrence_0_57_57")):
        make_raw_recording(root, recording_id, seed=seed)
    return root


@pytest.fixture
def config(raw_corpus_root, tmp_path) -> DataConfig:
    """A config of the tiny corpus without a cache."""
    return DataConfig(root=str(raw_corpus_root), cache_dir=str(tmp_path / "caches"))


@pytest.fixture(scope="session")
def built(raw_corpus_root, tmp_path_factory) -> DataConfig:
    """A config whose cache is built; not to be written to."""
    config = DataConfig(root=str(raw_corpus_root), cache_dir=str(tmp_path_factory.mktemp("built")))
    build_cache(config, 1, progress=False)
    return config


@pytest.fixture
def own_corpus(raw_corpus_root, config, tmp_path) -> DataConfig:
    """A config without a cache, whose corpus may be spoiled."""
    root = tmp_path / "corpus"
    shutil.copytree(raw_corpus_root, root)  # copies the times too
    return replace(config, root=str(root))


@pytest.fixture
def own_cache(own_corpus, built) -> DataConfig:
    """A config with a cache, whose corpus and cache may be spoiled."""
    shutil.copytree(built.cache_dir, own_corpus.cache_dir)
    return own_corpus
