"""The folder of a run: one training at a time, never a checkpoint's, and nothing written by a run that is refused."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from training.test_processes import on_two_processes
from training.toy import ToyCorpus, ToyTask, in_child, start_child, toy_config, train_toy

import train
from emage.checkpoint import load_bundle
from emage.errors import InputError, ReportedError
from emage.pretrained import pretrained_folder

ROOT = Path(__file__).resolve().parents[2]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Waits(ToyTask):
    """Says that it trains, and waits at step 4 for a file named go."""

    def __init__(self, config, folder: Path) -> None:
        super().__init__(config)
        self.folder = folder

    def train_step(self, model, batch):
        if len(self.seen) == 3:
            (self.folder / "training").touch()
            while not (self.folder / "go").exists():
                time.sleep(0.005)
        return super().train_step(model, batch)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} does not come"
        time.sleep(0.005)


@pytest.fixture
def running(tmp_path):
    """Starts a training that waits in the folder `run`; gives its process id."""
    config = toy_config(tmp_path / "run")
    child = start_child(lambda: train_toy(config, task=Waits(config, tmp_path)))
    wait_for(tmp_path / "training")
    yield child
    (tmp_path / "go").touch()


def test_a_second_training_in_the_folder_is_refused_and_the_first_goes_on(tmp_path, running):
    (tmp_path / "link").symlink_to(tmp_path / "run")
    for name in ("run", "link"):
        with pytest.raises(InputError, match=f"output_dir .*/{name}: another training is running in this folder"):
            train_toy(toy_config(tmp_path / name))
    train_toy(toy_config(tmp_path / "other", max_steps=1))  # another folder is free
    (tmp_path / "go").touch()
    assert os.waitstatus_to_exitcode(os.waitpid(running, 0)[1]) == 0
    rows = [json.loads(row)["step"] for row in (tmp_path / "run" / "losses.jsonl").read_text().splitlines()]
    assert rows == list(range(1, 13))
    assert not (tmp_path / "run" / ".lock").exists()
    assert train_toy(toy_config(tmp_path / "run")).seen == []  # free again, and finished


def test_the_refusal_reaches_all_processes(tmp_path, running):
    def refused() -> None:
        with pytest.raises(InputError, match="another training is running") as caught:
            train_toy(toy_config(tmp_path / "run", freeze_batch_norm=True))
        assert isinstance(caught.value, ReportedError) == (os.environ["RANK"] == "1")

    assert on_two_processes(refused) == [0, 0]
    (tmp_path / "go").touch()
    assert os.waitstatus_to_exitcode(os.waitpid(running, 0)[1]) == 0


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_kill_unlocks_the_folder_at_once(tmp_path, num_workers):
    """The processes of a data loader, which outlive it for seconds, do not hold the lock."""
    config = toy_config(tmp_path / "run")
    config.data.num_workers = num_workers
    child = start_child(lambda: train_toy(config, task=Waits(config, tmp_path)))
    wait_for(tmp_path / "training")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert (tmp_path / "run" / ".lock").exists()
    assert in_child(lambda: train_toy(config)) == 0
    assert len((tmp_path / "run" / "losses.jsonl").read_text().splitlines()) == 12
    assert not (tmp_path / "run" / ".lock").exists()


def test_an_error_in_training_unlocks_the_folder(tmp_path):
    class Fails(ToyTask):
        def train_step(self, model, batch):
            raise InputError("no more")

    config = toy_config(tmp_path)
    for _ in range(2):
        with pytest.raises(InputError, match="no more"):
            train_toy(config, task=Fails(config))
    train_toy(config)


@pytest.mark.parametrize("name", ["last", "best", "resume"])
def test_a_checkpoint_is_no_folder_for_a_run(tmp_path, name):
    train_toy(toy_config(tmp_path / "run"))
    before = contents(tmp_path)
    with pytest.raises(InputError, match=rf"output_dir .*/{name}: it holds \w+.safetensors.*give another output_dir="):
        train_toy(toy_config(tmp_path / "run" / name))
    assert contents(tmp_path) == before


def test_the_model_in_the_package_survives_as_output_dir(tmp_path, capfd):
    folder = tmp_path / "model"
    shutil.copytree(pretrained_folder("synthetic"), folder)
    before = contents(folder)
    config = ROOT / "configs" / "demo" / "motion_autoencoder.yaml"
    assert train.main(["-c", str(config), f"output_dir={folder}", "data.speakers=[9]"]) == 1
    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "it is a checkpoint" in errors[0]
    assert contents(folder) == before
    assert load_bundle(folder).config.model.name == "masked_transformer"


@pytest.mark.parametrize("name", ["file", "file/run"])
def test_a_file_is_no_folder_for_a_run(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=rf"output_dir .*/{name}: .* is a file; give another output_dir="):
        train_toy(toy_config(tmp_path / name))


class NoWindows(ToyCorpus):
    def windows(self, split):
        raise InputError("no cache")


def test_a_run_that_is_refused_leaves_no_folder(tmp_path):
    with pytest.raises(InputError, match="no cache"):
        train_toy(toy_config(tmp_path / "new" / "run"), NoWindows())
    assert not (tmp_path / "new" / "run").exists()


def test_a_run_that_is_refused_changes_no_file_of_its_folder(tmp_path):
    (tmp_path / "config.yaml").write_text("mine: true\n")
    (tmp_path / "notes.txt").write_text("mine\n")
    before = contents(tmp_path)
    with pytest.raises(InputError, match="no cache"):
        train_toy(toy_config(tmp_path), NoWindows())
    assert contents(tmp_path) == before


def test_the_log_holds_what_was_said_before_the_run_began(tmp_path):
    class Tells(ToyCorpus):
        def windows(self, split):
            import logging

            logging.getLogger("dataloaders.corpus").warning("split %s: told early", split)
            return super().windows(split)

    train_toy(toy_config(tmp_path), Tells())
    lines = (tmp_path / "train.log").read_text().splitlines()
    assert [line.split("WARNING ")[1] for line in lines if "told early" in line] == [
        "split train: told early",
        "split val: told early",
    ]
    assert "finished: 12 steps" in lines[-1]
    assert all(line[:2] == "20" for line in lines)  # every line has its time
