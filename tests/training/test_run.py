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
from emage.config import save_config
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


@pytest.mark.parametrize("text", ["mine: true\n", "# the camn of my thesis\nbases: camn.yaml\n", "", "\0"])
def test_a_config_of_the_user_is_not_replaced(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    before = contents(tmp_path)
    with pytest.raises(InputError, match=r"its config.yaml was not written by a run.*give another output_dir="):
        train_toy(toy_config(tmp_path))
    assert contents(tmp_path) == before


def test_a_resolved_config_with_a_comment_is_the_users(tmp_path):
    config = toy_config(tmp_path)
    save_config(config, tmp_path / "config.yaml")
    written = (tmp_path / "config.yaml").read_text()
    (tmp_path / "config.yaml").write_text("# mine\n" + written)
    with pytest.raises(InputError, match="not written by a run"):
        train_toy(config)
    (tmp_path / "config.yaml").write_text(written)  # what a run writes that is killed before its first step
    train_toy(config)


def test_backups_beside_a_checkpoint_outlive_runs_that_are_refused_and_that_go_on(tmp_path):
    train_toy(toy_config(tmp_path))
    for name in ("best.old", "best.partial", "last.old"):
        shutil.copytree(tmp_path / "best", tmp_path / name)
    with pytest.raises(InputError, match="another config"):
        train_toy(toy_config(tmp_path, lr=1.0))
    train_toy(toy_config(tmp_path))
    shutil.rmtree(tmp_path / "last")
    train_toy(toy_config(tmp_path))
    for name in ("best.old", "best.partial", "last.old"):
        assert contents(tmp_path / name).keys() == contents(tmp_path / "best").keys()


def test_a_run_that_is_refused_ends_no_swap(tmp_path):
    train_toy(toy_config(tmp_path))
    (tmp_path / "best").rename(tmp_path / ".best.old")
    before = contents(tmp_path)
    with pytest.raises(InputError, match="another config"):
        train_toy(toy_config(tmp_path, lr=1.0))
    assert contents(tmp_path) == before
    train_toy(toy_config(tmp_path))
    assert (tmp_path / "best").is_dir()


def test_the_lock_that_is_a_folder(tmp_path):
    (tmp_path / ".lock").mkdir()
    with pytest.raises(InputError, match=r"output_dir .*/.lock is a folder.*remove it"):
        train_toy(toy_config(tmp_path))


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied", "/a/.lock"), OSError(30, "Read-only file system")]
)
def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch, error):
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("emage.training.run.FileLock.acquire", refuse)
    with pytest.raises(InputError, match=rf"output_dir {tmp_path}: .*{error.strerror}.*or give another output_dir="):
        train_toy(toy_config(tmp_path))


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no /proc on this system")
def test_a_folder_that_cannot_be_made():
    with pytest.raises(InputError, match="output_dir /proc/none/run: .*or give another output_dir="):
        train_toy(toy_config(Path("/proc/none/run")))
