"""Fixtures of the data tests: a tiny corpus in the raw BEAT layout."""

from pathlib import Path

import pytest
from raw_corpus import make_raw_recording


@pytest.fixture(scope="session")
def raw_corpus_root(tmp_path_factory) -> Path:
    """Three recordings of two speakers, four seconds each; never written to (copy it to spoil a file)."""
    root = tmp_path_factory.mktemp("raw_beat")
    for seed, recording_id in enumerate(("2_scott_0_1_1", "2_scott_0_9_9", "4_lawrence_0_57_57")):
        make_raw_recording(root, recording_id, seed=seed)
    return root
