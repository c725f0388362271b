"""The commands that build caches of the face corpora and look through them, as a user runs them."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from face_corpora import make_beat2, make_emoca_sequence, make_singinghead

from tools import build_cache, validate_corpus

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "corpora"


@pytest.fixture
def corpora(tmp_path) -> Path:
    for number in (1, 2):
        make_emoca_sequence(tmp_path / "emoca", f"V0-s1-{number:05d}", frames=30)
    make_singinghead(tmp_path / "singinghead", {"train": ["id0_1_0_0"], "test": ["id0_1_0_1"]})
    make_beat2(tmp_path / "beat2", "2_scott_0_1_1", frames=30)
    make_beat2(tmp_path / "beat2", "2_scott_0_2_2", frames=30)
    return tmp_path


def spoil(corpora: Path, name: str) -> str:
    """Breaks the second recording of a corpus and returns its id."""
    if name == "emoca":
        os.truncate(corpora / "emoca/trainset/V0-GRID/V0-s1-00002/cam.npy", 200)
        return "V0-s1-00002"
    if name == "beat2":
        (corpora / "beat2/wave16k/2_scott_0_2_2.wav").unlink()
        return "2_scott_0_2_2"
    (corpora / "singinghead/test.txt").write_text("id0_1_0_7\n")
    return "id0_1_0_7"


def arguments(corpora: Path, name: str, *more: str) -> list[str]:
    return ["-c", str(CONFIGS / f"{name}.yaml"), f"data.root={corpora / name}", "--processes", "1", *more]


@pytest.mark.parametrize("name", ["emoca", "singinghead", "beat2"])
def test_the_index_says_what_can_be_used_and_why_the_rest_cannot(corpora, name, capsys):
    out = corpora / "index.json"
    assert validate_corpus.main(arguments(corpora, name, "--out", str(out), "--quiet")) == 0
    assert len(json.loads(out.read_text())["used"]) == 2
    bad = spoil(corpora, name)
    assert validate_corpus.main(arguments(corpora, name, "--out", str(out))) == 3
    index = json.loads(out.read_text())
    assert list(index["rejects"]) == [bad]
    assert len(index["used"]) == 1
    (facts,) = index["used"].values()
    assert facts["split"] == "train"
    assert facts["seconds"] > 0
    lines = capsys.readouterr().out.splitlines()
    assert f"rejected: {bad}: {index['rejects'][bad]}" in lines
    assert lines[-1].startswith("1 recordings (")
    if name == "singinghead":
        assert index["corpus"][0].startswith("1 speaker(s) in train and test: id0")


@pytest.mark.parametrize("name", ["emoca", "singinghead", "beat2"])
def test_caches_are_built_with_the_exit_codes_of_every_corpus(corpora, name, capsys):
    cache = f"data.cache_dir={corpora / 'caches'}"
    assert build_cache.main(arguments(corpora, name, cache)) == 0
    bad = spoil(corpora, name)
    assert build_cache.main(arguments(corpora, name, cache)) == 3
    assert f"rejected: {bad}: " in capsys.readouterr().out
    assert build_cache.main(["-c", str(CONFIGS / f"{name}.yaml"), "data.root=nowhere", cache]) == 1
    assert capsys.readouterr().err == (
        "error: data.root: nowhere: no such folder; docs/data.md says where each corpus is asked for\n"
    )


def test_nothing_usable_is_exit_1(corpora):
    for number in (1, 2):
        np.save(corpora / f"emoca/trainset/V0-GRID/V0-s1-{number:05d}/expcode.npy", np.zeros((30, 49), np.float32))
    out = corpora / "index.json"
    assert validate_corpus.main(arguments(corpora, "emoca", "--out", str(out), "--quiet")) == 1
    assert all("expcode.npy: shape (30, 49)" in why for why in json.loads(out.read_text())["rejects"].values())
