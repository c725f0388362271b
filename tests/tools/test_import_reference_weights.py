"""Published weights become checkpoints of ours: random ones under the published names, at the published sizes."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from raw_corpus import make_raw_recording
from torch import Tensor

from emage.checkpoint import load_bundle
from emage.config import MotionAutoencoderConfig
from emage.evaluation import load_fgd_network
from emage.generation import Generator
from emage.models import MotionAutoencoder

TESTS = Path(__file__).parents[1]
SHAPES = json.loads((TESTS / "models" / "published_shapes.json").read_text())
STEPS = 1234


@pytest.fixture
def tool(monkeypatch):
    """The tool as its script sees itself."""
    monkeypatch.syspath_prepend(TESTS.parent / "tools")
    import import_reference_weights

    return import_reference_weights


def random_state(model: str, seed: int = 0) -> dict[str, Tensor]:
    """Weights under the published names; variances are positive and the counters whole."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in SHAPES[model].items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(STEPS)
        else:
            values = torch.randn(shape, generator=generator) * 0.05
            state[name] = values.abs() + 0.5 if name.endswith("running_var") else values
    return state


@pytest.fixture
def data(tmp_path) -> dict[str, Path]:
    """Published mean and deviation, a recording and a list of words."""
    generator = np.random.default_rng(0)
    paths = {name: tmp_path / f"bvh_{name}.npy" for name in ("mean", "std")}
    np.save(paths["mean"], generator.normal(0, 20, 141))
    np.save(paths["std"], generator.uniform(1, 20, 141))
    make_raw_recording(tmp_path / "raw", "2_scott_0_1_1", 2.0)
    paths["bvh"] = next((tmp_path / "raw").rglob("*.bvh"))
    paths["words"] = tmp_path / "words.txt"
    words = ["hello ", "Hello", "the", "hello", "the ", *(f"word{i}" for i in range(5, 5793 - 4))]
    paths["words"].write_text("\n".join(words) + "\n")
    return paths


def run(tool: Any, weights: Path, out: Path, data: dict[str, Path], *options: str) -> int:
    given = [str(weights), "--out", str(out), "--mean", str(data["mean"]), "--std", str(data["std"])]
    return tool.main([*given, *options])


@pytest.mark.parametrize("wrapped", [True, False])
def test_the_fgd_network_comes_out_with_its_features(tool, tmp_path, data, wrapped, capsys):
    state = random_state("MotionAutoencoder")
    weights = tmp_path / "ae_300.bin"
    named = {f"module.{name}": value for name, value in state.items()}
    torch.save({"model_state": named, "epoch": 140} if wrapped else state, weights)
    assert run(tool, weights, tmp_path / "fgd", data) == 0
    assert "10,095,499 parameters, 1234 training steps" in capsys.readouterr().out

    bundle = load_bundle(tmp_path / "fgd", expected="motion_autoencoder")
    assert bundle.config.model.dense_slope == 1.0
    assert (bundle.config.data.window_frames, bundle.config.data.stride_frames, bundle.config.data.fps) == (34, 10, 15)
    expected = MotionAutoencoder(MotionAutoencoderConfig(dense_slope=1.0)).eval()
    expected.load_state_dict(state)
    motion = torch.randn(3, 34, 141)
    torch.testing.assert_close(bundle.model.encode(motion), expected.encode(motion), rtol=0, atol=0)
    np.testing.assert_allclose(bundle.statistics.means["beat_141"], np.load(data["mean"]), rtol=1e-6)
    zscored = bundle.statistics.normalise(torch.from_numpy(np.load(data["mean"])).float(), "beat_141")
    assert zscored.abs().max() < 1e-5
    network = load_fgd_network(tmp_path / "fgd", "python train.py")  # trained, so FGD takes it
    assert network.describe()["steps"] == STEPS
    assert network.metric().window_frames == 34


def test_camn_comes_out_and_moves(tool, tmp_path, data):
    torch.save({"model_state": random_state("CaMN")}, tmp_path / "camn.bin")
    options = ("--bvh", str(data["bvh"]), "--words", str(data["words"]))
    assert run(tool, tmp_path / "camn.bin", tmp_path / "camn", data, *options) == 0
    bundle = load_bundle(tmp_path / "camn", expected="camn")
    assert bundle.info["parameters"] == 16_365_225
    assert (bundle.config.model.num_words, bundle.config.model.num_speakers) == (5793, 30)
    assert bundle.speakers.index("2") == 1
    # Ids are those of the lines; a word that the release wrote with a blank is met by the plain one if there is none.
    assert [bundle.vocabulary.id(word) for word in ("hello", "the", "word5", "unheard")] == [4 + 3, 4 + 2, 4 + 5, 3]
    assert len(bundle.vocabulary) == 5793
    generator = Generator(bundle)
    performance = generator.generate(
        np.random.default_rng(0).standard_normal(16000).astype(np.float32) * 0.1,
        16000,
        speaker="4",
        seed_motion=np.tile(np.load(data["mean"]), (4, 1)),
        face=np.full((15, 51), 0.1),
    )
    assert performance.motion.shape == (15, 141)
    assert performance.motion.isfinite().all()
    performance.save_bvh(tmp_path / "camn.bvh")


def test_the_mean_pose_is_that_of_the_recording(tool, data):
    from emage.motion.bvh import read_bvh
    from emage.motion.convert import to_matrices

    motion = read_bvh(data["bvh"])
    pose = tool.mean_pose(motion)
    assert pose.shape == (228,)
    found = to_matrices(pose.double(), "beat_full")
    # The rotation nearest to all frames: no frame's rotation lies nearer to them.
    own = motion.rotations()
    spread = (own - found).square().sum(dim=(-1, -2)).mean(dim=0)
    for frame in (0, 60, 200):
        other = (own - own[frame]).square().sum(dim=(-1, -2)).mean(dim=0)
        assert (spread <= other + 1e-9).all()


def test_weights_that_were_never_trained_say_so(tool, tmp_path, data):
    state = random_state("MotionAutoencoder")
    state = {name: value * 0 if name.endswith("num_batches_tracked") else value for name, value in state.items()}
    torch.save(state, tmp_path / "ae.bin")
    assert run(tool, tmp_path / "ae.bin", tmp_path / "fgd", data) == 0
    with pytest.raises(ValueError, match="untrained"):
        load_fgd_network(tmp_path / "fgd", "python train.py")


class Harmful:
    """Something that a pickle could run."""

    def __reduce__(self) -> tuple:
        return (print, ("this must not run",))


def test_a_file_that_holds_more_than_tensors_is_refused(tool, tmp_path, data, capsys):
    weights = tmp_path / "harmful.bin"
    torch.save({"model_state": random_state("MotionAutoencoder"), "extra": Harmful()}, weights)
    assert run(tool, weights, tmp_path / "out", data) == 1
    captured = capsys.readouterr()
    assert "not a torch file of tensors alone" in captured.err
    assert "this must not run" not in captured.out
    weights.write_bytes(pickle.dumps(Harmful()))
    assert run(tool, weights, tmp_path / "out", data) == 1
    assert not (tmp_path / "out").exists()


def without(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: without(s, "pose_encoder.net.0.0.weight"), "1 missing: pose_encoder.net.0.0.weight"),
        (lambda s: {**s, "discriminator.weight": torch.zeros(1)}, "1 unknown: discriminator.weight"),
        (
            lambda s: {**s, "pose_encoder.net.0.0.weight": torch.zeros(300, 330, 3)},
            r"1 of another shape: pose_encoder.net.0.0.weight (300, 330, 3) for (300, 141, 3)",
        ),
        (lambda s: {"a.weight": torch.zeros(3)}, "neither the published CaMN nor its motion autoencoder"),
        (lambda s: {"epoch": 3}, "no table of tensors"),
    ],
)
def test_weights_of_another_network_are_named(tool, tmp_path, data, change, message, capsys):
    torch.save(change(random_state("MotionAutoencoder")), tmp_path / "ae.bin")
    assert run(tool, tmp_path / "ae.bin", tmp_path / "out", data) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_bad_files_beside_the_weights_are_named(tool, tmp_path, data, capsys):
    torch.save(random_state("MotionAutoencoder"), tmp_path / "ae.bin")

    def error_of(*options: str, **changed: Path) -> str:
        assert run(tool, tmp_path / "ae.bin", tmp_path / "out", data | changed, *options) == 1
        return capsys.readouterr().err

    assert "no such file" in error_of(mean=tmp_path / "absent.npy").lower()
    np.save(tmp_path / "wide.npy", np.zeros(228))
    assert "shape (228,), float64; expected 141 finite numbers" in error_of(std=tmp_path / "wide.npy")
    assert run(tool, tmp_path / "absent.bin", tmp_path / "out", data) == 1
    assert "absent.bin: no such file" in capsys.readouterr().err


def test_camn_without_a_skeleton_or_with_other_words_is_refused(tool, tmp_path, data, capsys):
    torch.save(random_state("CaMN"), tmp_path / "camn.bin")
    assert run(tool, tmp_path / "camn.bin", tmp_path / "out", data) == 1
    assert "--bvh: CaMN needs a skeleton" in capsys.readouterr().err
    data["words"].write_text("one\ntwo\n")
    options = ("--bvh", str(data["bvh"]), "--words", str(data["words"]))
    assert run(tool, tmp_path / "camn.bin", tmp_path / "out", data, *options) == 1
    assert "2 lines; the network has 5789 words" in capsys.readouterr().err
