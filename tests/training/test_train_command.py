"""train.py on a tiny corpus in the raw layout, from its command line to the checkpoint."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from raw_corpus import make_raw_recording
from training.test_face_trunk import trunk_folder
from training.test_processes import on_two_processes
from training.windows import BODY_MODELS, WindowCorpus, small_config, task_of

import train
from dataloaders.batch import collate
from dataloaders.cache import build_cache
from emage.checkpoint import load_bundle
from emage.config import load_config
from emage.face_trunk import with_face_trunk
from emage.training import Run, Trainer

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs" / "demo" / "motion_autoencoder.yaml"
IDS = ("2_scott_0_1_1", "4_lawrence_0_57_57")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> list[str]:
    """Overrides that point at a corpus of two recordings with its cache built, and at a small network."""
    folder = tmp_path_factory.mktemp("corpus")
    for seed, recording_id in enumerate(IDS):
        make_raw_recording(folder / "raw", recording_id, seconds=4.0, seed=seed)
    overrides = [
        f"data.root={folder / 'raw'}",
        f"data.cache_dir={folder / 'cache'}",
        *(f"data.splits.{split}=[{recording_id}]" for split, recording_id in zip(("train", "val"), IDS, strict=True)),
        "model.channels=8",
        "model.hidden=[16,12]",
        "optim.batch_size=4",
    ]
    build_cache(load_config(CONFIG, overrides).data, num_processes=1, progress=False)
    return overrides


def run_command(overrides: list[str], capfd) -> tuple[int, str]:
    code = train.main(["-c", str(CONFIG), *overrides])
    return code, capfd.readouterr().err


def test_from_command_to_checkpoint(data, tmp_path, capfd):
    overrides = [*data, f"output_dir={tmp_path / 'ae'}", "optim.max_steps=3"]
    code, told = run_command(overrides, capfd)
    assert code == 0, told
    assert "world size 1" in told
    bundle = load_bundle(tmp_path / "ae" / "best", expected="motion_autoencoder")
    assert bundle.info["steps"] == 3
    assert bundle.model(torch.zeros(1, 34, 141)).reconstruction.shape == (1, 34, 141)
    assert bundle.config == load_config(CONFIG, overrides)
    assert set(bundle.skeletons) == {"2", "4"}

    code, told = run_command(overrides, capfd)
    assert code == 0
    assert "is finished: 3 steps" in told

    code, told = run_command([*overrides, "seed=1"], capfd)
    assert code == 1
    assert told.count("\n") == 1
    assert "another config (seed: 0 -> 1)" in told


def test_a_run_without_validation_split_still_trains(data, tmp_path, capfd):
    code, told = run_command([*data, "data.splits.val=[]", f"output_dir={tmp_path}", "optim.max_steps=1"], capfd)
    assert code == 0, told
    assert "no validation windows" in told


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.fps=30", "build_cache.py"),
        ("optim.max_step=1", "did you mean optim.max_steps?"),
        ("data.window_frames=40", "model.window_frames=34"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_1(data, tmp_path, capfd, override, message):
    code, told = run_command([*data, f"output_dir={tmp_path / 'run'}", override], capfd)
    errors = [line for line in told.splitlines() if line.startswith("error: ")]
    assert code == 1
    assert len(errors) == 1
    assert message in errors[0]


def assert_two_processes_agree_with_one(folder: Path, name: str, accumulation_steps: int = 1, **model) -> None:
    for count in (1, 2):
        config = with_face_trunk(small_config(name, str(folder / str(count)), **model))
        config.optim.accumulation_steps = accumulation_steps if count == 2 else 1
        corpus = WindowCorpus(config)

        def work(config=config, corpus=corpus) -> None:
            with Run(config) as run:
                Trainer(run, task_of(config, corpus), corpus, collate).run()

        if count == 1:
            work()
        else:
            assert on_two_processes(work) == [0, 0]
    curves = [
        [json.loads(line)["loss"] for line in (folder / str(count) / curve).read_text().splitlines()]
        for curve in ("losses.jsonl", "validation.jsonl")
        for count in (1, 2)
    ]
    assert [len(curve) for curve in curves] == [20, 20, 1, 1]
    assert curves[1] == pytest.approx(curves[0], rel=1e-5)
    assert curves[3] == pytest.approx(curves[2], rel=1e-5)


@pytest.mark.parametrize("name", BODY_MODELS)
def test_two_processes_agree_with_one_on_every_model(tmp_path, name):
    assert_two_processes_agree_with_one(tmp_path, name)


def test_two_processes_with_accumulation_learn_the_codebooks_of_one_whole_batch(tmp_path):
    assert_two_processes_agree_with_one(tmp_path, "vqvae", accumulation_steps=2, codebook_size=32)


def test_two_processes_hide_the_same_seed_frames_as_one(tmp_path):
    assert_two_processes_agree_with_one(tmp_path, "camn", seed_frames=4, seed_dropout=0.5)


@pytest.mark.parametrize("name", ["camn", "masked_transformer"])
def test_two_processes_show_the_neutral_face_in_the_same_windows_as_one(tmp_path, name):
    folder = trunk_folder(tmp_path / "trunk", neutral_share=0.5)
    options = {"face_input": False, "predict_face": True, "seed_frames": 0} if name == "camn" else {}
    assert_two_processes_agree_with_one(tmp_path, name, face_trunk=folder, **options)


@pytest.mark.parametrize("part", ["hands", "lower", "face"])
def test_two_processes_agree_with_one_on_every_part(tmp_path, part):
    assert_two_processes_agree_with_one(tmp_path, "vqvae", part=part, codebook_size=32, num_quantizers=3)


def test_help_shows_an_example(capsys):
    with pytest.raises(SystemExit) as end:
        train.main(["--help"])
    assert end.value.code == 0
    assert "torchrun --nproc_per_node 4 train.py -c" in capsys.readouterr().out


@pytest.mark.long
def test_torchrun_agrees_with_one_process(data, tmp_path):
    overrides = [*data, "optim.max_steps=20", "optim.freeze_batch_norm=true"]
    launchers = {"one": [sys.executable], "two": [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2"]}
    curves = []
    for name, launcher in launchers.items():
        command = [*launcher, "train.py", "-c", str(CONFIG), *overrides, f"output_dir={tmp_path / name}"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        lines = (tmp_path / name / "losses.jsonl").read_text().splitlines()
        curves.append([json.loads(line)["loss"] for line in lines])
    assert len(curves[0]) == 20
    assert curves[1] == pytest.approx(curves[0], rel=1e-5)
