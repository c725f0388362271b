"""tools/evaluate_tokenizer.py from its command line, on a corpus of one test recording."""

import json
from pathlib import Path

import pytest
from raw_corpus import make_raw_recording
from tiny_bundles import vqvae_bundle

from dataloaders.cache import build_cache
from emage.checkpoint import save_bundle, weights_hash
from emage.config import load_config
from tools import evaluate_tokenizer

CONFIG = str(Path(__file__).resolve().parents[2] / "configs" / "demo" / "vqvae_upper.yaml")
ID = "2_scott_0_1_1"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("corpus")
    make_raw_recording(folder / "raw", ID, seconds=4.0)
    overrides = [f"data.root={folder / 'raw'}", f"data.cache_dir={folder / 'cache'}"]
    overrides += [f"data.splits.{split}=[{ID}]" for split in ("train", "test")]
    build_cache(load_config(CONFIG, overrides).data, num_processes=1, progress=False)
    return overrides


def test_a_table_and_a_json_for_several_parts(data, tmp_path, capsys):
    folders = [tmp_path / part / "best" for part in ("lower", "face")]
    for part, folder in zip(("lower", "face"), folders, strict=True):
        save_bundle(folder, vqvae_bundle(part=part, downsample=2))
    arguments = ["-c", CONFIG, "--checkpoint", *map(str, folders), *data]
    assert evaluate_tokenizer.main([*arguments, "--out", str(tmp_path / "all.json")]) == 0
    table = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in table] == ["part", "deg", "lower", "face"]
    rows = json.loads((tmp_path / "all.json").read_text())
    assert [row["part"] for row in rows] == ["lower", "face"]
    assert rows[0]["recordings"] == 1
    assert rows[0]["frames"] == 60
    assert rows[0]["angle_deg"] > 1  # untrained
    assert rows[0]["checkpoint"]["sha256"] == weights_hash(folders[0])
    assert evaluate_tokenizer.main(arguments) == 0
    assert json.loads((folders[1].parent / "tokenizer.json").read_text()) == rows[1:]


def test_bad_input_is_one_line(data, tmp_path, capsys):
    save_bundle(tmp_path / "best", vqvae_bundle(fps=30.0))
    for folder, message in ((tmp_path / "best", "trained at 30 fps, but data.fps=15"), (tmp_path, "did you mean")):
        assert evaluate_tokenizer.main(["-c", CONFIG, "--checkpoint", str(folder), *data]) == 1
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_help_shows_an_example(capsys):
    with pytest.raises(SystemExit) as end:
        evaluate_tokenizer.main(["--help"])
    assert end.value.code == 0
    assert "python tools/evaluate_tokenizer.py -c" in capsys.readouterr().out
