"""The real samples of all face corpora: their caches, mixed training, predictions in their own form, and on to BVH and json of BEAT.

Every step is a command that a person types; what was learned shows on the very recordings that were trained on.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emage.motion.arkit import read_arkit
from emage.motion.bvh import read_bvh
from emage.motion.layout import ARKIT_51

pytestmark = pytest.mark.long
ROOT = Path(__file__).resolve().parents[2]
NAMES = ("emoca", "singinghead", "beat2")
FPS = 15
SMALL = ["model.channels=64", "model.num_layers=4", "model.audio_channels=[16,16,16,32,32,64]"]
PACE = ["optim.batch_size=16", "optim.warmup_steps=20", "optim.lr=1e-3", "optim.eval_every=1000"]
BEAT_ID = "2_scott_0_1_1"
SPLITS = [f"data.splits.{split}=[{BEAT_ID}]" for split in ("train", "test")]


def run(script: str, *arguments: str) -> str:
    """A command from the project's root; its output."""
    done = subprocess.run([sys.executable, script, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


def beat(sample: Path, out: Path) -> list[str]:
    """Overrides of a config of the real recording."""
    return [f"data.root={sample}", f"data.cache_dir={out / 'cache'}", "data.speakers=[2]", *SPLITS]


def members(shared_data, out: Path, names: tuple[str, ...]) -> list[str]:
    """Overrides that mix further corpora in."""
    found = []
    for name in names:
        values = {"format": name, "root": shared_data(f"{name}_sample"), "cache_dir": out / "cache", "fps": FPS}
        found += [f"mixture.corpora.{name}.{key}={value}" for key, value in values.items()]
    return found


@pytest.fixture(scope="module")
def caches(shared_data, beat_sample, tmp_path_factory) -> Path:
    """Folder with the caches of all four samples at one rate."""
    out = tmp_path_factory.mktemp("faces")
    for name in NAMES:
        data = [f"data.root={shared_data(f'{name}_sample')}", f"data.cache_dir={out / 'cache'}", f"data.fps={FPS}"]
        said = run("tools/build_cache.py", "-c", f"configs/corpora/{name}.yaml", *data)
        assert "0 rejected" in said
    run("tools/build_cache.py", "-c", "configs/demo/camn.yaml", *beat(beat_sample, out))
    return out


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first, second)[0, 1])


def test_mixed_training_learns_every_corpus_in_its_own_annotation(caches, shared_data, beat_sample):
    joint = caches / "joint"
    mixed = ["mixture.main=beat", *members(shared_data, caches, NAMES)]
    run(
        *("train.py", "-c", "configs/demo/face.yaml", f"output_dir={joint}"),
        *(*beat(beat_sample, caches), *mixed, *SMALL, *PACE, "optim.max_steps=300"),
    )
    losses = [json.loads(line) for line in (joint / "losses.jsonl").read_text().splitlines()]
    for head in ("arkit", "flame50", "flame100", "head"):
        assert np.mean([row[head] for row in losses[-20:]]) < 0.7 * np.mean([row[head] for row in losses[:5]]), head
    made = joint / "predicted"
    run("tools/predict_face.py", "--checkpoint", str(joint / "best"), "--split", "train", "--out", str(made))

    sequence = shared_data("emoca_sample") / "trainset" / "V0-GRID" / "V0-s1-00001"
    expression, pose = (np.load(made / "emoca" / sequence.name / name) for name in ("expcode.npy", "posecode.npy"))
    real_pose = np.load(sequence / "posecode.npy")
    frames = round(len(real_pose) * FPS / 25)
    assert (expression.shape, pose.shape) == ((frames, 50), (frames, 6))
    real_jaw = np.interp(np.arange(frames) / FPS, np.arange(len(real_pose)) / 25, real_pose[:, 3])
    assert correlation(pose[:, 3], real_jaw) > 0.3

    (segment,) = (made / "singinghead").glob("*.npz")
    with np.load(segment, allow_pickle=False) as arrays:
        assert arrays["expcodes"].shape == (8 * FPS, 50)
        assert arrays["posecodes"].shape == (8 * FPS, 9)
    with np.load(made / "beat2" / f"{BEAT_ID}.npz", allow_pickle=False) as arrays:
        assert arrays["expcodes"].shape[1] == 100
    for name in (*NAMES, "beat"):  # the same sound as ARKit weights, by the head that BEAT trained
        for path in (made / name).glob("*.json"):
            weights = read_arkit(path).weights
            assert weights.shape[1] == len(ARKIT_51)
            assert 0 <= weights.min() <= weights.max() <= 1
    real = read_arkit(beat_sample / "2" / f"{BEAT_ID}.json")
    assert_follows(read_arkit(made / "beat" / f"{BEAT_ID}.json"), real)


def assert_follows(made, real, least: float = 0.3) -> None:
    """The jaw of a json of FPS frames a second goes with that of the real one."""
    jaw = ARKIT_51.index("jawOpen")
    times_s = np.arange(len(made.weights)) / FPS
    wanted = np.interp(times_s, real.times_s, real.weights[:, jaw])
    assert correlation(made.weights[:, jaw], wanted) > least


def test_what_flame_taught_reaches_the_files_of_beat(caches, shared_data, beat_sample):
    before, after = caches / "pretraining", caches / "camn"
    main = [f"data.root={shared_data('emoca_sample')}", f"data.cache_dir={caches / 'cache'}", f"data.fps={FPS}"]
    main += ["data.window_frames=34", "mixture.main=emoca", *members(shared_data, caches, ("singinghead", "beat2"))]
    config = ("-c", "configs/corpora/emoca.yaml", f"output_dir={before}")
    run("train.py", *config, *main, *SMALL, *PACE, "optim.max_steps=200")

    data, network = beat(beat_sample, caches), caches / "motion_autoencoder"
    run(
        *("train.py", "-c", "configs/demo/motion_autoencoder.yaml", f"output_dir={network}"),
        *(*data, "optim.max_steps=3", "optim.batch_size=16"),
    )
    run(
        *("train.py", "-c", "configs/demo/camn.yaml", f"output_dir={after}", f"model.face_trunk={before / 'best'}"),
        *(*data, *PACE, "optim.max_steps=100"),
    )
    run(
        *("test.py", "-c", "configs/demo/camn.yaml", "--checkpoint", str(after / "best"), f"output_dir={after}"),
        *(*data, f"metrics.fgd.checkpoint={network / 'best'}", "metrics.controls=false", "metrics.intervals=false"),
    )
    bvh, face = (after / "test" / f"{BEAT_ID}.{ending}" for ending in ("bvh", "json"))
    frames = 40 * FPS
    assert len(read_bvh(bvh).values) == len(read_arkit(face).weights) == frames
    assert_follows(read_arkit(face), read_arkit(beat_sample / "2" / f"{BEAT_ID}.json"))
