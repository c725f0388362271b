"""test.py as its user runs it, on a tiny corpus and random networks: what it writes, and what it refuses."""

import importlib.util
import json
import shlex
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from raw_corpus import make_raw_recording, offsets_cm
from tiny_bundles import autoencoder_bundle, camn_bundle, masked_bundle, statistics, vqvae_bundle

from dataloaders.cache import build_cache
from emage.audio import read_audio
from emage.checkpoint import save_bundle, weights_hash
from emage.config import DataConfig, SplitsConfig, load_config
from emage.errors import InputError
from emage.generation import Generator
from emage.motion.arkit import read_arkit
from emage.motion.bvh import read_bvh
from emage.motion.layout import get_layout
from emage.text import Word, read_textgrid

ROOT = Path(__file__).resolve().parents[1]
CAMN = ROOT / "configs" / "demo" / "camn.yaml"
LENGTHS_S = {"2_scott_0_1_1": 4.0, "4_lawrence_0_2_2": 4.98}  # in the official test split
FRAMES = {"2_scott_0_1_1": 60, "4_lawrence_0_2_2": 75}


@pytest.fixture(scope="module")
def door() -> ModuleType:
    """The script; by its path, since the standard library has a `test` too."""
    spec = importlib.util.spec_from_file_location("emage_test_door", ROOT / "test.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> list[str]:
    """Overrides that name a corpus and its cache."""
    root = tmp_path_factory.mktemp("data")
    for seed, (recording_id, seconds) in enumerate(LENGTHS_S.items()):
        make_raw_recording(root / "corpus", recording_id, seconds, seed=seed, emotion=seed)
    make_raw_recording(root / "corpus", "2_scott_0_9_9", 3.0, seed=5)  # train
    build_cache(DataConfig(root=str(root / "corpus"), cache_dir=str(root / "cache")), 1, progress=False)
    return [f"data.root={root / 'corpus'}", f"data.cache_dir={root / 'cache'}"]


@pytest.fixture(scope="module")
def networks(tmp_path_factory) -> dict[str, Path]:
    """Checkpoints by name."""
    bundles = {
        "camn": camn_bundle(),
        "seeded": camn_bundle(seed_frames=4),
        "with_face": camn_bundle(face_input=True, predict_face=False),
        "fast": camn_bundle(fps=30.0),
        "strangers": camn_bundle(speakers=("7",)),
        "masked": masked_bundle(),
        "fgd": autoencoder_bundle(),
        "untrained_fgd": autoencoder_bundle(steps=0),
        "fast_fgd": autoencoder_bundle(fps=30.0),
        "vqvae": vqvae_bundle(),
    }
    root = tmp_path_factory.mktemp("networks")
    for name, bundle in bundles.items():
        save_bundle(root / name / "best", bundle)
    return {name: root / name / "best" for name in bundles}


def arguments(data: list[str], networks: dict[str, Path], out: Path, *more: str, camn: str = "camn", fgd: str = "fgd"):
    items = [f"output_dir={out}", *([f"metrics.fgd.checkpoint={networks[fgd]}"] if fgd else []), *data]
    return ["-c", str(CAMN), "--checkpoint", str(networks[camn]), *items, *more]


@pytest.fixture(scope="module")
def result(door, data, networks, tmp_path_factory) -> Path:
    """The output folder of one ordinary test."""
    out = tmp_path_factory.mktemp("out") / "camn"
    assert door.main(arguments(data, networks, out)) == 0
    return out


def test_every_recording_is_written_at_full_length(result):
    expected = {f"{recording_id}.{ending}" for recording_id in FRAMES for ending in ("bvh", "json")}
    assert {path.name for path in (result / "test").iterdir()} == expected
    for recording_id, num_frames in FRAMES.items():
        motion = read_bvh(result / "test" / f"{recording_id}.bvh")
        assert (motion.num_frames, motion.fps) == (num_frames, 15)
        face = read_arkit(result / "test" / f"{recording_id}.json")
        assert face.weights.shape == (num_frames, 51)
        assert face.fps == pytest.approx(15)


def test_the_files_hold_what_the_generator_makes_of_the_recording(result, data, networks):
    """Cache, clip and split change nothing: the generator fed from the files themselves says the same."""
    recording_id = "4_lawrence_0_2_2"
    source = Path(data[0].removeprefix("data.root=")) / "4" / recording_id
    waveform = read_audio(f"{source}.wav")[: round(75 * 16000 / 15)]
    words = [Word(*word) for word in read_textgrid(f"{source}.TextGrid")]
    waveform = np.pad(waveform, (0, 75 * 16000 // 15 - len(waveform)))
    generator = Generator(camn_bundle())
    expected = generator.generate(waveform, 16000, words=words, speaker="4", emotion=1)
    written = read_bvh(result / "test" / f"{recording_id}.bvh")
    layout = get_layout("beat_141")
    joints = written.skeleton.indices(layout.joints)
    torch.testing.assert_close(
        written.euler_deg()[:, joints].flatten(1).float(), expected.motion, atol=1e-4, rtol=1e-5, check_dtype=False
    )
    torch.testing.assert_close(
        read_arkit(result / "test" / f"{recording_id}.json").weights, expected.face, atol=2e-4, rtol=0
    )


def test_joints_that_are_not_generated_rest_in_the_mean_pose_of_the_checkpoint(result):
    motion = read_bvh(result / "test" / "4_lawrence_0_2_2.bvh")
    full, pose = get_layout("beat_full"), statistics().mean_pose.double()
    for joint in ("Hips", "LeftLeg", "Spine2"):
        turned = motion.euler_deg()[:, motion.skeleton.index(joint)]
        torch.testing.assert_close(turned, pose[full.joint_slice(joint)].expand(75, -1), atol=1e-4, rtol=0)
    torch.testing.assert_close(motion.translations_cm()[:, 0], pose[:3].expand(75, -1), atol=1e-4, rtol=0)
    bones = 2 * torch.from_numpy(offsets_cm())  # speaker 4's in the checkpoint, not the corpus'
    torch.testing.assert_close(motion.offsets_cm[1:], bones[1:], atol=1e-4, rtol=0)


def test_metrics_json_holds_the_numbers_and_all_that_they_hang_on(result, networks, data):
    metrics = json.loads((result / "metrics.json").read_text())
    assert metrics["fgd"]["fgd"] > 0
    assert metrics["fgd"]["num_windows_generated"] == metrics["fgd"]["num_windows_reference"] == 3 + 5
    assert metrics["fgd"]["network"]["weights_sha256"] == weights_hash(networks["fgd"])
    assert metrics["checkpoint"]["weights_sha256"] == weights_hash(networks["camn"])
    assert metrics["split_half_floor"]["split_half_mean"] > 0
    beats = metrics["beat_align"]
    assert beats["variant"] == "corrected"
    assert {"beat_align", "chance_random", "chance_shifted", "excess_over_shifted"} <= set(beats)
    assert metrics["counts"] == {"recordings": 2, "frames": 135, "motion_s": 9.0}
    assert metrics["seconds"]["motion"] == 9.0
    assert metrics["seconds"]["generation"] > 0
    assert metrics["seed"] == 0
    assert metrics["seed_frames_given"] == 0
    assert metrics["config"]["data"]["root"] == data[0].removeprefix("data.root=")
    assert metrics["checkpoint_config"]["model"]["hidden"] == 8
    assert any("Frame Time 0.008333 read as 1/120" in notice for notice in metrics["notices"])
    assert metrics["not_scored"] == []
    measures = metrics["measures"]
    assert 0 < measures["face_mae_all"]["value"] < 1  # the face is predicted, so it is judged
    assert measures["fgd_network"]["value"] == pytest.approx(metrics["fgd"]["fgd"])
    assert measures["fgd_network"]["low"] <= measures["fgd_network"]["value"] <= measures["fgd_network"]["high"]
    assert set(measures["hellinger"]["controls"]) == {"mismatched_audio", "mean_pose", "time_shuffled"}
    assert metrics["reasons"]["foot_sliding"] == "layout beat_141 holds no legs"
    assert (result / "metrics.csv").read_text().startswith("measure,label,unit")
    assert "<html" in (result / "report.html").read_text()


def test_intervals_and_controls_can_be_left_out(door, data, networks, tmp_path):
    options = ["metrics.intervals=false", "metrics.controls=false"]
    assert door.main(arguments(data, networks, tmp_path, *options)) == 0
    measures = json.loads((tmp_path / "metrics.json").read_text())["measures"]
    assert measures["hellinger"]["value"] > 0
    assert (measures["hellinger"]["low"], measures["hellinger"]["controls"]) == (None, {})
    assert measures["beat_align"]["ground_truth"] is not None


def test_the_same_test_again_overwrites_its_results_with_the_same(door, result, data, networks):
    before = {path.name: path.read_bytes() for path in (result / "test").iterdir()}
    metrics = json.loads((result / "metrics.json").read_text())
    next((result / "test").glob("*.bvh")).write_text("half a fi")
    assert door.main(arguments(data, networks, result)) == 0
    assert {path.name: path.read_bytes() for path in (result / "test").iterdir()} == before
    again = json.loads((result / "metrics.json").read_text())
    for timed in (metrics, again):
        timed.pop("seconds")
    assert again == metrics


def test_a_masked_transformer_decodes_as_the_config_of_the_test_says(door, data, networks, tmp_path):
    config = str(CAMN.with_name("masked_transformer.yaml"))
    bvh = {}
    for name, more in (
        ("steps", ["generation.steps=3"]),
        ("one_pass", ["generation.steps=1"]),
        ("seed", ["generation.steps=3", "seed=1"]),
        ("seeded", ["generation.steps=3", "--give-seed-frames"]),
    ):
        items = arguments(data, networks, tmp_path / name, *more, "metrics.intervals=false", camn="masked")
        assert door.main(["-c", config, *items[2:]]) == 0
        bvh[name] = (tmp_path / name / "test" / "2_scott_0_1_1.bvh").read_bytes()
    assert len(set(bvh.values())) == 4
    results = json.loads((tmp_path / "seeded" / "metrics.json").read_text())
    assert results["seed_frames_given"] == 4
    assert results["measures"]["face_mae_all"]["value"] > 0
    assert not [row for row in results["not_scored"] if row["metric"] == "face"]


def test_a_given_face_is_written_under_a_name_that_says_so(door, data, networks, tmp_path):
    assert door.main(arguments(data, networks, tmp_path)) == 0  # leaves predicted faces behind
    assert door.main(arguments(data, networks, tmp_path, camn="with_face")) == 0
    assert {path.suffixes[0] for path in (tmp_path / "test").glob("*.json")} == {".given"}
    given = read_arkit(tmp_path / "test" / "2_scott_0_1_1.given.json")
    source = read_arkit(Path(data[0].removeprefix("data.root=")) / "2" / "2_scott_0_1_1.json")
    torch.testing.assert_close(given.weights[0], source.weights[0], atol=1e-3, rtol=0)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert {"id": "all", "metric": "face", "reason": "it was given to the model"} in metrics["not_scored"]


def test_seed_frames_are_given_only_when_asked_and_then_not_scored(door, data, networks, tmp_path):
    plain, seeded = tmp_path / "plain", tmp_path / "seeded"
    assert door.main(arguments(data, networks, plain, camn="seeded")) == 0
    assert door.main(arguments(data, networks, seeded, "--give-seed-frames", camn="seeded")) == 0
    metrics = [json.loads((folder / "metrics.json").read_text()) for folder in (plain, seeded)]
    assert [m["counts"]["frames"] for m in metrics] == [135, 135 - 2 * 4]
    assert [m["seed_frames_given"] for m in metrics] == [0, 4]
    unasked = "the model always had seed frames in training (model.seed_dropout=0) and got none here"
    assert unasked in metrics[0]["notices"]
    assert "the first 4 frames of each recording were given and are not scored" in metrics[1]["notices"]
    motions = [read_bvh(folder / "test" / "2_scott_0_1_1.bvh") for folder in (plain, seeded)]
    assert [motion.num_frames for motion in motions] == [60, 60]  # the files still hold every frame
    assert not torch.allclose(motions[0].values, motions[1].values)


def test_a_recording_too_short_for_a_window_is_generated_and_listed(door, networks, tmp_path):
    for recording_id, seconds in (("2_scott_0_1_1", 4.0), ("2_scott_0_2_2", 2.0), ("4_lawrence_0_1_1", 3.0)):
        make_raw_recording(tmp_path / "corpus", recording_id, seconds)
    config = DataConfig(root=str(tmp_path / "corpus"), cache_dir=str(tmp_path / "cache"))
    build_cache(config, 1, progress=False)
    data = [f"data.root={config.root}", f"data.cache_dir={config.cache_dir}"]
    assert door.main(arguments(data, networks, tmp_path / "out")) == 0
    assert read_bvh(tmp_path / "out" / "test" / "2_scott_0_2_2.bvh").num_frames == 30
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert ("2_scott_0_2_2", "fgd") in {(row["id"], row["metric"]) for row in metrics["not_scored"]}


@pytest.mark.parametrize(
    "names, more, message",
    [
        ({"fgd": ""}, [], "metrics.fgd.checkpoint: not set"),
        ({"fgd": "untrained_fgd"}, [], "is untrained (0 steps)"),
        ({"fgd": "vqvae"}, [], "expected motion_autoencoder, got vqvae"),
        ({"camn": "fgd"}, [], "model.name is motion_autoencoder, the config says camn"),
        ({"camn": "fast"}, [], "data.fps is 30.0, the config says 15.0"),
        ({"camn": "strangers"}, [], "speaker '2' is unknown here; known: 7"),
        ({}, ["--give-seed-frames"], "takes none (model.seed_frames=0)"),
        ({}, ["data.splits.test=[2_scott_0_9_8]"], "did you mean '2_scott_0_9_9'"),
        ({}, ["metrics.fdg.checkpoint=x"], "did you mean metrics.fgd"),
        ({"fgd": "fast_fgd"}, [], "was trained at 30 fps, data.fps is 15; train one with `python train.py -c"),
        ({}, ["--device", "meta"], "device: got 'meta'; choose cpu"),
        ({}, ["seed=-5"], "seed: got -5; it must be a whole number"),
        ({}, ["output_dir=''"], "output_dir: not set"),
        ({}, ["--device", "cuda:77"], "device: 'cuda:77' cannot be used here"),
    ],
)
def test_what_cannot_be_tested_is_one_line_and_exit_1(door, data, networks, tmp_path, capsys, names, more, message):
    assert door.main(arguments(data, networks, tmp_path / "out", *more, **names)) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("fgd", ["", "untrained_fgd"])
def test_the_command_that_trains_the_missing_network_is_one_that_works(door, data, networks, tmp_path, capsys, fgd):
    assert door.main(arguments(data, networks, tmp_path / "out", fgd=fgd)) == 1
    command = capsys.readouterr().err.split("`")[1].split()
    assert command[:3] == ["python", "train.py", "-c"]
    config = load_config(command[3], command[4:])
    assert config.model.name == "motion_autoencoder"
    assert [f"data.root={config.data.root}", f"data.cache_dir={config.data.cache_dir}"] == data


@pytest.mark.parametrize(
    "name, more",
    [
        ("demo/camn", []),
        ("beat/camn", ["data.speakers=[2]"]),
        ("beat/masked_transformer", []),
        ("pretrained/masked_transformer", ["data.fps=29.97"]),
        ("beat/masked_transformer", ["data.root=a folder, with [signs]", "data.sample_rate=22050"]),
        ("beat/camn", ["data.splits={train: [a_b, '1'], val: [c], test: [d]}"]),
        ("beat/camn", ["data.splits.test=[2_scott_0_1_1]"]),
    ],
)
def test_the_suggested_network_has_the_frame_rate_the_data_and_a_layout_that_the_test_asks_for(door, name, more):
    path = ROOT / "configs" / f"{name}.yaml"
    config = load_config(path, [*more, "output_dir=runs/mine/test"])
    command = shlex.split(door.fgd_train_command(config, path))
    assert command[:3] == ["python", "train.py", "-c"]
    network = load_config(command[3], command[4:])
    door.check_fgd_network(network, config, "folder", "command")
    assert network.data.window_frames == network.model.window_frames  # or train.py refuses it
    assert network.output_dir != config.output_dir
    same = ("format", "root", "annotation_root", "cache_dir", "fps", "sample_rate", "speakers")
    assert [getattr(network.data, key) for key in same] == [getattr(config.data, key) for key in same]
    assert network.data.splits == (config.data.splits if config.data.splits.train else SplitsConfig())


def test_networks_of_two_frame_rates_get_two_folders(door):
    path = ROOT / "configs" / "beat" / "masked_transformer.yaml"
    fast, slow = (load_config(path, ["output_dir=runs/beat/masked_transformer", f"data.fps={fps}"]) for fps in (30, 15))
    commands = [door.fgd_train_command(config, path).split() for config in (fast, slow)]
    assert "output_dir=runs/beat/motion_autoencoder_30" in commands[0]
    assert "output_dir=runs/beat/motion_autoencoder" in commands[1]


def test_a_network_of_another_kind_of_body_is_refused(door):
    config = load_config(CAMN)
    network = load_config(CAMN.with_name("motion_autoencoder.yaml"), ["model.layout=smplx_full"])
    with pytest.raises(InputError, match="beat_141 cannot become smplx_full.*train one with `command`"):
        door.check_fgd_network(network, config, "folder", "command")
    network.model.layout = "beat_full"  # what beat_141 lacks is filled with one pose
    door.check_fgd_network(network, config, "folder", "command")


def test_a_model_that_is_no_generator_is_told_what_test_py_takes(door, data, networks, tmp_path, capsys):
    vqvae = ["-c", str(CAMN.with_name("vqvae_upper.yaml")), "--checkpoint", str(networks["vqvae"])]
    assert door.main([*vqvae, f"output_dir={tmp_path}", f"metrics.fgd.checkpoint={networks['fgd']}", *data]) == 1
    assert "vqvae makes no motion from speech; give a checkpoint of camn" in capsys.readouterr().err
