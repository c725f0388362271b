"""The demo's driver: its commands, its verdict, its picture, and (long) all of it on a tiny corpus."""

import json
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import torch
from ablation_plan import Plan
from raw_corpus import make_raw_recording
from tiny_bundles import autoencoder_bundle, camn_bundle, statistics

from dataloaders.cache import build_cache
from dataloaders.corpus import Corpus
from emage.checkpoint import save_bundle
from emage.config import DataConfig, load_config
from emage.errors import InputError
from emage.generation import Generator
from emage.motion.convert import convert
from tools import draw_overview, make_demo

ROOT = Path(__file__).resolve().parents[2]


def steps_of(*arguments) -> dict[str, list[str]]:
    """All steps of the demo by name."""
    stages = make_demo.commands(*arguments)
    return {name: command for stage in stages for lane in stage for name, command in lane.items()}


def metrics(fgd: float, *, bc: float = 0.5, floor: float | None = 1.0) -> dict:
    """What test.py writes, as far as the table reads it."""
    beats = {"beat_align": bc, "variant": "corrected", "chance_shifted": 0.4, "chance_random": 0.3}
    beats["excess_over_shifted"] = bc - 0.4
    return {
        "fgd": {"fgd": fgd, "network": {"steps": 5}},
        "split_half_floor": {"split_half_mean": floor},
        "beat_align": beats,
        "beat_align_reference": beats | {"beat_align": 0.7, "excess_over_shifted": 0.3},
        "counts": {"recordings": 48, "frames": 7200, "motion_s": 480.0},
        "seconds": {"generation": 1.5},
    }


@pytest.mark.parametrize(
    "trained, untrained, still, passed",
    [(1.1, 12.0, 13.0, True), (12.5, 12.0, 13.0, False), (12.5, 13.0, 12.0, False), (12.0, 12.0, 13.0, False)],
)
def test_the_trained_model_must_lie_below_both_controls(trained, untrained, still, passed):
    for main, camn in ((trained, 1.0), (1.0, trained)):
        table = make_demo.make_table(metrics(main), metrics(camn), metrics(untrained), metrics(still, bc=0.0))
        assert table["passed"] is passed
        assert [row["fgd"] for row in table["rows"]] == [1.0, main, camn, untrained, still]
        assert [row["bc"] for row in table["rows"]] == [0.7, 0.5, 0.5, 0.5, 0.0]


def test_the_table_names_rows_variant_chance_and_seconds():
    table = make_demo.make_table(metrics(0.9), metrics(1.1), metrics(12.0), metrics(13.0))
    lines = make_demo.table_lines(table)
    assert lines[0].split() == ["FGD", "BC", "corrected", "chance", "excess", "seconds"]
    assert lines[1].startswith("split-half floor of the real data ")
    assert lines[1].split()[-5:] == ["1.000", "0.700", "0.400", "+0.300", "-"]
    assert lines[2].split() == ["masked", "transformer", "0.900", "0.500", "0.400", "+0.100", "1.5"]
    assert lines[3].split() == ["CaMN", "1.100", "0.500", "0.400", "+0.100", "1.5"]
    assert [line[:34].strip() for line in lines[4:6]] == ["untrained CaMN", "mean pose"]
    assert json.loads(json.dumps(table)) == table


def test_a_floor_that_cannot_be_measured_is_a_dash():
    table = make_demo.make_table(metrics(1.1, floor=None), metrics(1.2), metrics(12.0), metrics(13.0))
    assert make_demo.table_lines(table)[1].split()[-5] == "-"
    assert table["floor_by_mean_pose"] is None


def test_the_commands_hang_together(tmp_path):
    steps = steps_of(tmp_path, ["--recordings", "12"], ["optim.max_steps=7"])
    configs = {}
    for name, command in steps.items():
        assert (ROOT / command[0]).is_file()
        overrides = [item for item in command[1:] if "=" in item]
        if "-c" in command:
            configs[name] = load_config(ROOT / command[command.index("-c") + 1], overrides)
    assert {config.data.root for config in configs.values()} == {str(tmp_path / "corpus")}
    assert steps["corpus"][1:] == ["--out", str(tmp_path / "corpus"), "--seconds", "24", "--recordings", "12"]
    for name in ("CaMN", "FGD network", "masked transformer"):
        assert configs[name].optim.max_steps == 7
    assert configs["untrained CaMN"].optim.max_steps == 0
    for part, folder in configs["masked transformer"].model.tokenizers.items():
        assert folder == f"{configs[f'tokenizer of {part}'].output_dir}/best"
    for trained in ("masked transformer", "CaMN", "untrained CaMN"):
        name = f"test of {trained}"
        command = steps[name]
        assert command[command.index("--checkpoint") + 1] == f"{configs[trained].output_dir}/best"
        assert configs[name].metrics.fgd.checkpoint == f"{configs['FGD network'].output_dir}/best"


def test_the_default_demo_needs_no_overrides_of_the_data():
    steps = steps_of(make_demo.DEFAULT_OUT, [], [])
    assert not [item for command in steps.values() for item in command if item.startswith("data.")]
    assert f"optim.max_steps={make_demo.MAIN_STEPS}" in steps[make_demo.MAIN]
    assert make_demo.MAIN_STEPS < load_config(ROOT / make_demo.MASKED).optim.max_steps
    data = load_config(ROOT / make_demo.CAMN).data
    assert (data.root, data.cache_dir) == ("runs/demo/corpus", "runs/demo/cache")


def test_the_ablation_is_over_the_corpus_of_the_demo(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where no corpus was begun
    steps = steps_of(make_demo.DEFAULT_OUT, [], [])
    corpus, *_ = Plan(ROOT / make_demo.MASKED, tmp_path).prepare()
    assert [list(step.command) for step in corpus] == [steps["corpus"]]


def test_a_step_that_fails_stops_the_demo_and_says_which(capfd):
    assert make_demo.run_step("good", ["-c", "print('done')"]) > 0
    assert "done" in capfd.readouterr().out
    with pytest.raises(InputError, match="the step 'bad' ended with exit code 7"):
        make_demo.run_step("bad", ["-c", "raise SystemExit(7)"])


def test_lanes_run_beside_each_other_and_a_failing_step_ends_its_own(tmp_path, capfd):
    lanes = [
        {"good": ["-c", "print('done')"], "better": ["-c", "print('more')"]},
        {"bad": ["-c", "print('why'); raise SystemExit(7)"], "never": ["-c", "print('no')"]},
    ]
    with pytest.raises(InputError, match="the step 'bad' ended with exit code 7: why; mend it"):
        make_demo.run_stage(lanes, tmp_path)
    assert (tmp_path / "good.log").read_text() == "done\n"
    assert not (tmp_path / "never.log").exists()
    seconds = make_demo.run_stage([lanes[0], {"third": ["-c", "pass"]}], tmp_path)
    assert set(seconds) == {"good", "better", "third"}
    assert "its output" in capfd.readouterr().out


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Path:
    """A folder as the demo leaves it before the mean pose is scored: corpus, cache, networks and generated motion."""
    out = tmp_path_factory.mktemp("demo")
    for seed, recording_id in enumerate(("2_scott_0_1_1", "4_lawrence_0_2_2", "2_scott_0_9_9")):
        make_raw_recording(out / "corpus", recording_id, 3.0 + seed, seed=seed)
    build_cache(DataConfig(root=str(out / "corpus"), cache_dir=str(out / "cache")), 1, progress=False)
    save_bundle(out / "motion_autoencoder" / "best", autoencoder_bundle())
    save_bundle(out / "camn" / "best", camn_bundle())
    generator = Generator(camn_bundle())
    for recording_id, frames in (("2_scott_0_1_1", 45), ("4_lawrence_0_2_2", 60)):
        result = generator.generate(np.full(round(frames / 15 * 16000), 0.1, np.float32), 16000)
        result.save_bvh(out / "camn" / "test" / f"{recording_id}.bvh")
        result.save_arkit_json(out / "camn" / "test" / f"{recording_id}.json")
    return out


def test_a_person_who_does_not_move_is_scored_on_every_test_recording(demo, monkeypatch):
    monkeypatch.chdir(ROOT)
    still = make_demo.score_mean_pose(demo, [])
    assert still["counts"] == {"recordings": 2, "frames": 105, "motion_s": 7.0}
    assert still["fgd"]["fgd"] > 0
    corpus = Corpus.open(load_config(make_demo.CAMN, make_demo._data_overrides(demo)))
    pose = convert(statistics().mean_pose, "beat_full", "beat_141")
    for pair in make_demo.mean_pose_pairs(corpus, camn_bundle()):
        assert torch.equal(pair.generated.motion, pose.expand(pair.generated.num_frames, -1))
        assert pair.reference.motion.std(dim=0).min() > 0
        assert len(pair.waveform) == pair.reference.num_frames * 16000 // 15


def test_the_picture_shows_the_liveliest_recording_or_the_one_asked_for(demo, tmp_path, capsys, monkeypatch):
    table = make_demo.make_table(metrics(0.9), metrics(1.1), metrics(12.0), metrics(13.0))
    (tmp_path / "table.json").write_text(json.dumps(table))
    data = [f"data.root={demo / 'corpus'}", f"data.cache_dir={demo / 'cache'}"]
    arguments = ["-c", str(ROOT / make_demo.CAMN), "--results", str(demo / "camn" / "test"), *data]
    arguments += ["--table", str(tmp_path / "table.json"), "--out"]
    assert draw_overview.main([*arguments, str(tmp_path / "a.png")]) == 0
    assert draw_overview.main([*arguments, str(tmp_path / "b.png"), "--recording", "2_scott_0_1_1"]) == 0
    one, other = (matplotlib.image.imread(tmp_path / name) for name in ("a.png", "b.png"))
    assert one.shape == other.shape
    assert min(one.shape[:2]) > 800
    ink = (one[..., :3].min(axis=-1) < 0.95).mean()
    assert 0.01 < ink < 0.5
    for area in (one[:450, :1200], one[450:, :1200], one[:, 1300:]):  # skeletons, curves, bars
        assert area.std() > 0.02
    monkeypatch.setattr(draw_overview, "STRETCH_S", 1.0)
    assert draw_overview.main([*arguments, str(tmp_path / "short.png"), "--recording", "2_scott_0_1_1"]) == 0
    short = matplotlib.image.imread(tmp_path / "short.png")
    assert not np.array_equal(short[450:, :1200], other[450:, :1200])  # other curves: of its beginning alone
    assert draw_overview.main([*arguments, str(tmp_path / "c.png"), "--recording", "2_scott_0_9_9"]) == 1
    assert "no <id>.bvh of a test recording" in capsys.readouterr().err


def test_wrist_speed_of_a_known_movement():
    positions = np.zeros((4, 75, 3))
    side = draw_overview.Side(positions, camn_bundle().skeletons["2"], None, 10.0)
    right, left = side.skeleton.indices(draw_overview.WRISTS)
    positions[:, right, 0] = [0, 3, 3, 3]
    positions[:, left, 2] = [0, 1, 1, 5]
    assert side.wrist_speed_cm_s().tolist() == [20, 0, 20, 20]  # mean of both hands, cm/s


def test_elsewhere_than_in_the_root_is_one_line(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert make_demo.main([]) == 1
    assert "start the demo from the project's root" in capsys.readouterr().err


@pytest.mark.long
def test_the_whole_demo_on_a_tiny_corpus_and_again(tmp_path):
    command = [sys.executable, "tools/make_demo.py", "--out", str(tmp_path), "--recordings", "24", "optim.max_steps=30"]
    for _ in range(2):  # the second run finds everything made
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr  # so few steps may lose against the controls
        assert (
            len(list((tmp_path / "camn" / "test").glob("*.bvh")))
            == len(list((tmp_path / "camn" / "test").glob("*.json")))
            > 0
        )
        assert (tmp_path / "overview.png").stat().st_size > 20000
        table = json.loads((tmp_path / "table.json").read_text())
        assert done.returncode == 1 - table["passed"]
    trainings = ["CaMN", "FGD_network", "masked_transformer", *(f"tokenizer_of_{part}" for part in make_demo.PARTS)]
    for name in trainings:  # trained in the first run alone
        assert "is finished" in (tmp_path / "logs" / f"{name}.log").read_text(encoding="utf-8")
