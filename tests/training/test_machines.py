"""Processes on machines that share the data and no other file: the main process reads, and an error of one ends all."""

import contextlib
import io
import json
import os
import signal
from pathlib import Path

import pytest
import torch
from raw_corpus import make_raw_recording
from safetensors.torch import load_file
from tiny_bundles import tokenizer_bundle
from training.test_processes import on_two_processes
from training.test_train_command import CONFIG, ROOT
from training.test_train_command import data as data  # a fixture: overrides of a corpus with its cache built
from training.toy import ToyCorpus, in_child, toy_config, train_toy

import train
from dataloaders.cache import build_cache
from emage.checkpoint import save_bundle
from emage.config import load_config
from emage.errors import InputError, ReportedError
from emage.motion.parts import TOKEN_PARTS
from emage.training import Trainer
from emage.training.processes import all_agree, join_processes, main_decides, share_tensors

MASKED = ROOT / "configs" / "demo" / "masked_transformer.yaml"
SMALL = [
    "model.num_words=64", "model.word_dim=8", "model.audio_dim=16", "model.hint_dim=8", "model.dim=32",
    "model.num_heads=2", "model.speech_layers=1", "model.motion_layers=1", "model.part_dim=32", "model.part_layers=1",
    "optim.max_steps=8", "optim.save_every=4", "optim.eval_every=4", "optim.ema_decay=0.9", "optim.batch_size=4",
    "data.window_frames=16", "data.stride_frames=4",
]  # fmt: skip


def rank() -> int:
    return int(os.environ["RANK"])


def go_to_own_machine(root: Path) -> None:
    """Rank 0 works where the config and the tokenizers are, the other one in an empty folder."""
    os.chdir(root / ("first" if rank() == 0 else "second"))


def end_at_step(step: int) -> None:
    update = Trainer._update

    def ends(self, batches):
        if self.progress.step == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return update(self, batches)

    Trainer._update = ends


@pytest.fixture
def machines(data, tmp_path) -> tuple[Path, list[str]]:
    """Two folders, of which the first has all files, and overrides with paths relative to it."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    for part in TOKEN_PARTS:
        save_bundle(tmp_path / "first" / "tokenizers" / part, tokenizer_bundle(part))
    (tmp_path / "first" / "run.yaml").write_text(f"bases: {MASKED}\n")
    overrides = [item for item in data if item.startswith("data.")] + SMALL
    overrides += [f"model.tokenizers.{part}=tokenizers/{part}" for part in TOKEN_PARTS]
    build_cache(load_config(MASKED, overrides).data, num_processes=1, progress=False)
    return tmp_path, overrides


def test_a_run_on_two_machines_is_that_on_one_also_after_a_kill(machines):
    root, overrides = machines
    command = ["-c", "run.yaml", *overrides]

    def whole() -> None:
        os.chdir(root / "first")
        assert train.main([*command, "output_dir=whole"]) == 0

    def on_machines() -> None:
        go_to_own_machine(root)
        assert train.main([*command, "output_dir=run"]) == 0

    def killed() -> None:
        end_at_step(6)
        on_machines()

    assert on_two_processes(whole) == [0, 0]
    assert on_two_processes(killed) == [-signal.SIGKILL] * 2
    assert (root / "first" / "run" / "resume").is_dir()
    assert on_two_processes(on_machines) == [0, 0]
    curves = [(root / "first" / name / "losses.jsonl").read_text().splitlines() for name in ("whole", "run")]
    assert len(curves[0]) == 8
    assert [json.loads(row)["loss"] for row in curves[1]] == [json.loads(row)["loss"] for row in curves[0]]
    weights = [load_file(root / "first" / name / "last" / "model.safetensors") for name in ("whole", "run")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert on_two_processes(on_machines) == [0, 0]  # both know that it is finished
    assert list((root / "second").iterdir()) == []


def told_and_codes(root: Path, command: list[str]) -> list[tuple[int, list[str]]]:
    """Exit code and error lines of each process."""

    def work() -> None:
        go_to_own_machine(root)
        told = io.StringIO()
        with contextlib.redirect_stderr(told):
            code = train.main(command)
        lines = [line for line in told.getvalue().splitlines() if line.startswith("error: ")]
        (root / f"told_{rank()}.json").write_text(json.dumps([code, lines]))

    assert on_two_processes(work) == [0, 0]
    return [tuple(json.loads((root / f"told_{k}.json").read_text())) for k in range(2)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("optim.max_step=1", "did you mean optim.max_steps?"),
        ("model.tokenizers.upper=nowhere", "no such folder"),
        ("data.splits.train=[nobody]", "nobody"),
        ("optim.batch_size=3", "optim.batch_size: 3 windows"),
        ("output_dir=tokenizers/upper", "it is a checkpoint"),
        ("data.window_frames=1000", "shorter than data.window_frames"),
        ("model.word_vectors=nothing.vec", "nothing.vec"),
    ],
)
def test_an_error_is_one_line_of_the_main_process_and_ends_both(machines, change, message):
    root, overrides = machines
    (code, lines), (other_code, other_lines) = told_and_codes(
        root, ["-c", "run.yaml", *overrides, "output_dir=run", change]
    )
    assert (code, other_code) == (1, 1)
    assert len(lines) == 1
    assert message in lines[0]
    assert other_lines == []
    assert not (root / "first" / "run").exists()


def test_an_error_on_another_machine_names_the_process_and_ends_both(data, tmp_path):
    """Its data lies elsewhere."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    (tmp_path / "first" / "cache").symlink_to(next(item for item in data if "cache_dir" in item).partition("=")[2])
    (tmp_path / "first" / "raw").symlink_to(next(item for item in data if "data.root" in item).partition("=")[2])
    command = ["-c", str(CONFIG), *data, "data.cache_dir=cache", "data.root=raw", "output_dir=run"]
    (code, lines), (other_code, other_lines) = told_and_codes(tmp_path, command)
    assert (code, other_code) == (1, 1)
    assert lines == []
    assert len(other_lines) == 1
    assert other_lines[0].startswith("error: process 1 on ")
    assert "build_cache.py" in other_lines[0] or "raw" in other_lines[0]


@pytest.fixture
def unequal_machines(tmp_path) -> tuple[Path, list[str]]:
    """The second machine lacks one of the training recordings: its corpus and its cache were built from the rest."""
    ids = ["2_scott_0_1_1", "2_scott_0_2_2", "4_lawrence_0_57_57"]
    command = [
        "data.root=raw", "data.cache_dir=cache", f"data.splits.train=[{ids[0]},{ids[1]}]",
        f"data.splits.val=[{ids[2]}]", "model.channels=8", "model.hidden=[16,12]", "optim.batch_size=4",
        "optim.max_steps=1",
    ]  # fmt: skip
    for name in ("first", "second"):
        root = tmp_path / name
        for seed, recording_id in enumerate(ids):
            damaged = name == "second" and recording_id == ids[1]
            make_raw_recording(root / "raw", recording_id, seconds=4.0, seed=seed)
            if damaged:
                for path in (root / "raw").rglob(f"{recording_id}.bvh"):
                    path.write_text("HIERARCHY\n")
        absolute = [f"data.root={root / 'raw'}", f"data.cache_dir={root / 'cache'}"]
        build_cache(load_config(CONFIG, [*command, *absolute]).data, num_processes=1, progress=False)
    return tmp_path, ["-c", str(CONFIG), *command]


def test_machines_with_different_recordings_are_refused(unequal_machines):
    root, command = unequal_machines
    (code, lines), (other_code, other_lines) = told_and_codes(root, [*command, "output_dir=run"])
    assert (code, other_code) == (1, 1)
    assert other_lines == []
    assert len(lines) == 1
    assert "process 1 on " in lines[0]
    assert "train recordings: 1 instead of 2" in lines[0]
    assert "cache: " in lines[0]
    assert not (root / "first" / "run").exists()


@pytest.mark.parametrize("poor", [0, 1])
def test_a_machine_without_validation_recordings_is_refused(tmp_path, poor):
    def work() -> None:
        corpus = ToyCorpus(num_val=0 if rank() == poor else 5)
        with pytest.raises(InputError, match="val recordings: ") as caught:
            train_toy(toy_config(tmp_path, max_steps=1, freeze_batch_norm=True), corpus)
        assert "process 1 on" in str(caught.value)
        assert isinstance(caught.value, ReportedError) == (rank() == 1)

    assert on_two_processes(work, timeout_s=30) == [0, 0]


def test_the_same_number_of_other_recordings_is_refused(tmp_path):
    def work() -> None:
        corpus = ToyCorpus()
        if rank() == 1:
            corpus.entries["train"].reverse()
        with pytest.raises(InputError, match="digest of the train split: "):
            train_toy(toy_config(tmp_path, max_steps=1, freeze_batch_norm=True), corpus)

    assert on_two_processes(work, timeout_s=30) == [0, 0]


def test_the_survivor_of_a_killed_process_tells_so_in_one_line(data, tmp_path):
    def work() -> None:
        if rank() == 1:
            end_at_step(1)
        told = io.StringIO()
        with contextlib.redirect_stderr(told):
            code = train.main(["-c", str(CONFIG), *data, "optim.max_steps=4", f"output_dir={tmp_path / 'run'}"])
        assert not torch.distributed.is_initialized()
        lines = [line for line in told.getvalue().splitlines() if "rror" in line]
        (tmp_path / "told.json").write_text(json.dumps([code, lines]))

    assert on_two_processes(work) == [0, -signal.SIGKILL]
    code, lines = json.loads((tmp_path / "told.json").read_text())
    assert code == 1
    assert len(lines) == 1
    assert lines[0].startswith("error: process 0 on ")
    assert "the connection to another process is lost" in lines[0]


@pytest.mark.parametrize("change", ["optim.max_step=1", "data.splits.train=[nobody]", "optim.max_steps=1"])
def test_every_exit_leaves_the_process_group(data, tmp_path, change):
    def work() -> None:
        code = train.main(["-c", str(CONFIG), *data, f"output_dir={tmp_path / 'run'}", change])
        assert code == (change != "optim.max_steps=1")
        assert not torch.distributed.is_initialized()

    assert on_two_processes(work) == [0, 0]


def test_one_process_can_run_the_command_again_with_another_precision(data, tmp_path):
    for precision in ("no", "bf16"):
        options = [*data, "optim.max_steps=1", f"optim.precision={precision}", f"output_dir={tmp_path / precision}"]
        assert train.main(["-c", str(CONFIG), *options]) == 0


def test_a_loss_that_is_not_finite_ends_both_with_one_line(tmp_path):
    corpus = ToyCorpus()
    for window in corpus.entries["train"]:
        window["y"] = float("nan")

    def work() -> None:
        with pytest.raises(InputError, match="the loss is nan at step 1; lower optim.lr") as caught:
            train_toy(toy_config(tmp_path, freeze_batch_norm=True), corpus)
        assert isinstance(caught.value, ReportedError) == (rank() == 1)

    assert on_two_processes(work) == [0, 0]


def test_a_checkpoint_that_cannot_be_written_ends_both(tmp_path, monkeypatch):
    def fails(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("emage.training.trainer.save_bundle", fails)

    def work() -> None:
        with pytest.raises(OSError if rank() == 0 else ReportedError, match="No space left"):
            train_toy(toy_config(tmp_path, max_steps=1, freeze_batch_norm=True))

    assert on_two_processes(work) == [0, 0]


def test_what_the_main_process_decides_and_sends():
    def work() -> None:
        join_processes()
        assert main_decides(lambda: {"rank": rank()}) == {"rank": 0}
        assert all_agree(lambda: rank()) == rank()
        tensors = {"a": torch.arange(6).view(2, 3).T, "b": torch.tensor(True), "c": torch.empty(0, 2)}
        received = share_tensors(tensors if rank() == 0 else None)
        assert list(received) == ["a", "b", "c"]
        assert all(torch.equal(received[name], value) for name, value in tensors.items())
        assert all(received[name].dtype == value.dtype for name, value in tensors.items())

    assert on_two_processes(work) == [0, 0]


def test_alone_everything_is_simply_done():
    def work() -> None:
        join_processes()
        assert main_decides(lambda: 3) == all_agree(lambda: 3) == 3
        with pytest.raises(ZeroDivisionError):
            main_decides(lambda: 1 / 0)
        with pytest.raises(InputError, match="^no such file$"):
            all_agree(_refuse)

    assert in_child(work) == 0


def _refuse() -> None:
    raise InputError("no such file")
