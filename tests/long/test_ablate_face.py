"""The whole ablation of the face on tiny sets, ended by a signal on its way: it goes on, and writes page and numbers."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ablation_face_plan import ARMS, EMOCA, PRETRAINED, TARGET
from ablation_face_results import MEASURES

from dataloaders.corpora.synthetic import make_corpus
from dataloaders.corpora.synthetic_plan import CorpusArguments

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        importlib.util.find_spec("espeakng_loader") is None,
        reason="the corpus is spoken by espeak-ng: pip install -e .[demo]",
    ),
]
ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "beat": CorpusArguments(num_speakers=2, num_recordings=16, seconds=4.0),
    "emoca": CorpusArguments(num_speakers=3, num_recordings=6, seconds=4.0),
    "singinghead": CorpusArguments(num_speakers=3, num_recordings=6, seconds=8.0),
}


def write_configs(folder: Path) -> Path:
    """Small sets and the four configs of the ablation; returns the target's."""
    for layout, arguments in SMALL.items():
        make_corpus(folder / layout, arguments, layout=layout, num_processes=1)
    cache = str(folder / "cache")

    def flame(name: str, fps: float) -> dict:
        return {name: {"format": name, "root": str(folder / name), "cache_dir": cache, "fps": fps}}

    base = {
        "data": {"root": str(folder / "beat"), "cache_dir": cache},
        "optim": {"batch_size": 8, "lr": 1e-3, "warmup_steps": 5},
        "model": {"name": "face", "channels": 16, "num_layers": 2, "audio_channels": [4, 4, 4, 8, 8, 8]},
    }
    files = {
        "face": base,
        "face_emoca": base | {"mixture": {"corpora": flame("emoca", 25.0)}},
        "face_singinghead": base | {"mixture": {"corpora": flame("singinghead", 30.0)}},
        "face_pretraining": base
        | {
            "data": base["data"] | {"format": "emoca", "root": str(folder / "emoca")},
            "mixture": {"main": "emoca", "corpora": flame("singinghead", 30.0)},
        },
    }
    for name, config in files.items():
        (folder / f"{name}.yaml").write_text(json.dumps(config))
    return folder / "face.yaml"


def test_a_small_ablation_that_is_killed_on_its_way(tmp_path):
    config, out = write_configs(tmp_path), tmp_path / "out"
    command = [sys.executable, "tools/ablate_face.py", "-c", str(config), "--out", str(out), "--results", str(out)]
    command += ["--seconds", "20", "--seeds", "2", "--shares", "0.5"]
    options = {"cwd": ROOT, "env": os.environ | {"PYTHONPATH": str(ROOT)}}
    first = subprocess.Popen(command, **options)
    trainings = out / TARGET / "50_percent"
    while first.poll() is None and not (trainings / "seed_1" / "losses.jsonl").is_file():
        time.sleep(0.2)
    first.send_signal(signal.SIGTERM)
    assert first.wait(timeout=120) == 128 + signal.SIGTERM
    before = json.loads((out / "journal.json").read_text())
    assert subprocess.run(command, **options, check=False).returncode == 0
    after = json.loads((out / "journal.json").read_text())
    assert before["done"].items() <= after["done"].items()
    assert set(after["facts"]["steps"]) == {*ARMS, "pretraining"}
    results = json.loads((out / "face.json").read_text())
    (share,) = results["shares"]
    for arm in ARMS:
        rows = share["arms"][arm]["seeds"]
        assert [row["seed"] for row in rows] == [0, 1]
        for row in rows:
            assert row["training_cpu_s"] > 0
            assert all(row[key] is not None for key in MEASURES)
            assert row["config"]["mixture"]["train_share"] == 0.5
        assert rows[0]["weights_sha256"] != rows[1]["weights_sha256"]
    assert len(share["arms"][PRETRAINED]["seeds"][0]["commands"]) == 2
    assert 0 < share["target_windows_share"][EMOCA] < 1 == share["target_windows_share"][PRETRAINED]
    page = (out / "face.md").read_text()
    assert "## What the numbers say" in page
    assert "None" not in page
