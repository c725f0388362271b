import copy
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file
from training.toy import ToyCorpus, ToyTask, in_child, start_child, toy_config, train_toy

from emage.checkpoint import FILES
from emage.config import Config, MaskedTransformerConfig, config_differences, load_config
from emage.errors import InputError, one_line_errors
from emage.face_config import MixtureConfig, MixtureCorpusConfig
from emage.training.run import FREE_KEYS

LONGER = {"max_steps": 60, "ema_decay": 0.9}


def outcome(folder: Path) -> dict:
    """All that a finished run leaves: both curves byte by byte, and every tensor."""
    files = {name: (folder / name).read_bytes() for name in ("losses.jsonl", "validation.jsonl")}
    for path in ("last/model.safetensors", "best/model.safetensors", "resume/state.safetensors"):
        files |= {f"{path}/{name}": value.numpy().tobytes() for name, value in load_file(folder / path).items()}
    return files


def assert_whole(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "config.yaml", "train.log", "losses.jsonl", "validation.jsonl", "tensorboard", "last", "best", "resume",
    }  # fmt: skip
    for checkpoint in ("last", "best"):
        assert {path.name for path in (folder / checkpoint).iterdir()} == set(FILES)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("whole")
    train_toy(toy_config(folder, **LONGER))
    return outcome(folder)


def file_events(folder: Path, *, kill_at: int | None = None) -> list[str]:
    """Counts what this process does to files below `folder`, from now on; dies by SIGKILL before number `kill_at`."""
    seen: list[str] = []

    def hook(event: str, arguments: tuple) -> None:
        writes = event in ("os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.truncate")
        writes |= event == "open" and isinstance(arguments[1], str) and not set("wa+").isdisjoint(arguments[1])
        if writes and str(folder) in str(arguments[0]):
            if len(seen) == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            seen.append(event)

    sys.addaudithook(hook)
    return seen


class Unhurried(ToyTask):
    """Takes more than a second for its 60 steps, however fast the machine is."""

    def train_step(self, model, batch):
        time.sleep(0.02)
        return super().train_step(model, batch)


def test_a_kill_before_any_write_leaves_a_run_that_goes_on_to_the_same_end(tmp_path):
    settings = {"max_steps": 2, "save_every": 1, "eval_every": 1, "ema_decay": 0.9}
    train_toy(toy_config(tmp_path / "whole", **settings))
    expected = outcome(tmp_path / "whole")

    events_file = tmp_path / "events"

    def count() -> None:
        seen = file_events(tmp_path / "counted")
        train_toy(toy_config(tmp_path / "counted", **settings))
        events_file.write_text("\n".join(seen))

    assert in_child(count) == 0
    events = events_file.read_text().split()
    renames = [number for number, event in enumerate(events) if event == "os.rename"]
    assert len(renames) >= 2 * 3  # resume, last and best of two steps
    # Before and after every rename lie the moments that matter; the rest is sampled.
    moments = sorted({n + near for n in renames for near in (0, 1)} | set(range(0, len(events), 17)))
    for moment in moments:
        folder = tmp_path / f"killed_{moment}"

        def work(folder: Path = folder, moment: int = moment) -> None:
            file_events(folder, kill_at=moment)
            train_toy(toy_config(folder, **settings))

        assert in_child(work) in ((-signal.SIGKILL,) if moment < len(events) else (-signal.SIGKILL, 0))
        assert in_child(lambda folder=folder: train_toy(toy_config(folder, **settings))) == 0
        assert outcome(folder) == expected, f"killed before event {moment} ({events[moment : moment + 1]})"
        assert_whole(folder)


def test_kills_at_random_times_leave_the_same_curve(tmp_path, uninterrupted):
    draw = random.Random(0)
    config = toy_config(tmp_path / "run", **LONGER)

    killed = 0
    for _ in range(60):
        child = start_child(lambda: train_toy(config, task=Unhurried(config)))
        deadline = time.monotonic() + draw.uniform(0.02, 0.2)
        done = 0
        while not done and time.monotonic() < deadline:
            done, status = os.waitpid(child, os.WNOHANG)
            time.sleep(0.001)
        if done:
            assert os.waitstatus_to_exitcode(status) == 0
            break
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        killed += 1
    else:
        assert in_child(lambda: train_toy(config)) == 0
    assert killed >= 3
    assert outcome(tmp_path / "run") == uninterrupted
    assert_whole(tmp_path / "run")


def test_interrupt_exits_130_and_leaves_a_run_that_goes_on(tmp_path, uninterrupted):
    config = toy_config(tmp_path / "run", **LONGER)

    @one_line_errors
    def main() -> int:
        train_toy(config, task=Unhurried(config))
        return 0

    def interrupted() -> None:
        seen = file_events(tmp_path / "run" / "resume")

        def press_once_something_is_saved(*_: object) -> None:
            if "os.rename" in seen:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.raise_signal(signal.SIGINT)

        signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts behind `&` ignores it
        signal.signal(signal.SIGALRM, press_once_something_is_saved)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        os._exit(main())

    assert in_child(interrupted) == 130
    train_toy(config)
    assert outcome(tmp_path / "run") == uninterrupted


def test_a_report_is_the_same_mean_after_a_resume(tmp_path):
    config = toy_config(tmp_path, log_every=5, save_every=3)  # killed in step 8, it goes on at 6 and reports at 10

    class Killed(ToyTask):
        def train_step(self, model, batch):
            if len(self.seen) == 7:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().train_step(model, batch)

    assert in_child(lambda: train_toy(config, task=Killed(config))) == -signal.SIGKILL
    train_toy(config)
    curve = [json.loads(line)["loss"] for line in (tmp_path / "losses.jsonl").read_text().splitlines()]
    log = (tmp_path / "train.log").read_text()
    assert "resuming after step 6" in log
    assert f"step 10/12  loss {sum(curve[5:10]) / 5:.4g} " in log


def test_a_finished_run_is_left_alone(tmp_path):
    config = toy_config(tmp_path)
    train_toy(config)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "last").iterdir()}
    assert train_toy(config).seen == []
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "last").iterdir()} == before


def test_a_finished_run_is_still_one_without_its_resume_state(tmp_path):
    config = toy_config(tmp_path)
    train_toy(config)
    for path in (tmp_path / "resume").iterdir():
        path.unlink()
    (tmp_path / "resume").rmdir()
    assert train_toy(config).seen == []


def test_another_config_in_the_folder_is_refused_and_named(tmp_path):
    train_toy(toy_config(tmp_path))
    before = (tmp_path / "config.yaml").read_bytes()
    with pytest.raises(InputError, match=r"another config \(optim.lr: 0.05 -> 0.1; optim.max_steps: 12 -> 13\)"):
        train_toy(toy_config(tmp_path, lr=0.1, max_steps=13))
    assert (tmp_path / "config.yaml").read_bytes() == before


def test_a_run_that_never_began_does_not_keep_its_folder(tmp_path):
    class Refused(ToyCorpus):
        def windows(self, split):
            raise InputError("no cache")

    with pytest.raises(InputError, match="no cache"):
        train_toy(toy_config(tmp_path, lr=0.1), Refused())
    train_toy(toy_config(tmp_path))
    assert "lr: 0.05" in (tmp_path / "config.yaml").read_text()


def test_what_does_not_change_the_training_may_change(tmp_path):
    train_toy(toy_config(tmp_path))
    moved = toy_config(tmp_path, log_every=1, eval_every=6, save_every=5)
    moved.data.root, moved.data.cache_dir, moved.data.num_workers = "elsewhere", "there", 2
    moved.metrics.fgd.checkpoint = "runs/ae"
    moved.generation.steps, moved.generation.temperature = 3, 0.5
    moved.num_processes = 1
    assert train_toy(moved).seen == []


def test_a_run_goes_on_with_other_intervals_and_generation_and_its_checkpoint_has_them(tmp_path):
    train_toy(toy_config(tmp_path / "whole"))
    config = toy_config(tmp_path / "run")

    class Killed(ToyTask):
        def train_step(self, model, batch):
            if len(self.seen) == 7:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().train_step(model, batch)

    assert in_child(lambda: train_toy(config, task=Killed(config))) == -signal.SIGKILL
    changed = toy_config(tmp_path / "run", eval_every=10, save_every=4)
    changed.generation.steps = 3
    train_toy(changed)
    curves = [(tmp_path / name / "losses.jsonl").read_bytes() for name in ("run", "whole")]
    assert curves[0] == curves[1]
    assert load_config(tmp_path / "run" / "last" / "config.yaml").generation.steps == 3
    assert load_config(tmp_path / "run" / "config.yaml").optim.save_every == 4


def test_the_corpora_of_a_mixture_and_the_tokenizers_may_be_moved_but_not_exchanged():
    old = Config(model=MaskedTransformerConfig(tokenizers={"upper": "a"}), mixture=MixtureConfig())
    old.mixture.corpora = {"emoca": MixtureCorpusConfig(root="a", cache_dir="a")}
    moved, other = copy.deepcopy(old), copy.deepcopy(old)
    moved.model.tokenizers, moved.mixture.corpora["emoca"].root = {"upper": "b"}, "b"
    assert config_differences(old, moved, ignore=FREE_KEYS) == []
    other.model.tokenizer_hashes, other.mixture.corpora["emoca"].weight = {"upper": "1"}, 2.0
    assert [row.partition(":")[0] for row in config_differences(old, other, ignore=FREE_KEYS)] == [
        "mixture.corpora.emoca.weight",
        "model.tokenizer_hashes.upper",
    ]


def test_a_resume_state_of_another_network_is_an_input_error(tmp_path):
    config = toy_config(tmp_path)
    train_toy(config)
    (tmp_path / "last" / "info.json").unlink()  # not finished any more
    (tmp_path / "resume" / "state.safetensors").write_bytes(b"broken")
    with pytest.raises(InputError, match="resume state .* cannot be used"):
        train_toy(config)


PROGRESS = {"step": 3, "best_step": 0, "best_loss": None, "val_step": None, "val_loss": None, "world_size": 1}


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("unfinished")
    train_toy(toy_config(folder))
    (folder / "last" / "info.json").unlink()
    return folder


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("losses.jsonl", b'{"step": 1, "loss": 1.0}\n\n{"step": 2, "loss": 1.0}\n', "line 2: not a json object"),
        ("losses.jsonl", b'{"step": 1, "loss": 1.0}\n\0\0\0\0\n', "line 2: not a json object"),
        ("losses.jsonl", b'{"a": 1}\n', "line 1: step is missing"),
        ("losses.jsonl", b"[]\n", "line 1: not a json object"),
        ("losses.jsonl", b'{"step": "1", "loss": 1.0}\n', "line 1: step: expected a number"),
        ("losses.jsonl", b'{"step": 1, "loss": null}\n', "line 1: loss: expected a number"),
        ("losses.jsonl", b'{"step": 2, "loss": 1}\n{"step": 2, "loss": 1}\n', "line 2: step 2: .* above 2"),
        ("losses.jsonl", b"\xff\xfe{\n", "line 1: not a json object"),
        ("validation.jsonl", b"7\n", "line 1: not a json object"),
        ("resume/progress.json", b"{}", "step is missing"),
        ("resume/progress.json", b"[]", "expected a json object"),
        ("resume/progress.json", b"{", "not valid json"),
        ("resume/progress.json", PROGRESS | {"step": "x"}, 'step: .* got "x"'),
        ("resume/progress.json", PROGRESS | {"step": 2.5}, "step: .* got 2.5"),
        ("resume/progress.json", PROGRESS | {"step": -3}, "step: .* got -3"),
        ("resume/progress.json", PROGRESS | {"step": True}, "step: .* got true"),
        ("resume/progress.json", PROGRESS | {"step": 13}, "step 13 of a run of 12 steps"),
        ("resume/progress.json", PROGRESS | {"best_loss": "x"}, 'best_loss: .* got "x"'),
        ("resume/progress.json", PROGRESS | {"world_size": 0}, "world_size: .* got 0"),
        ("resume/progress.json", PROGRESS | {"more": 1}, "unknown key more"),
        ("resume/progress.json", None, "no such file"),
        ("resume/state.safetensors", None, "no such file"),
        ("last/info.json", b"[]", "expected a json object .* delete the folder .*last"),
        ("last/info.json", b'{"steps": "12"}', "expected a json object .* delete the folder .*last"),
        ("last/info.json", b"", "not valid json.* delete the folder .*last"),
    ],
)
def test_damaged_files_of_a_run_are_named_and_nothing_is_written(unfinished, tmp_path, file, content, message):
    folder = tmp_path / "run"
    shutil.copytree(unfinished, folder)
    config = toy_config(folder)
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(json.dumps(content).encode() if isinstance(content, dict) else content)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=message) as caught:
        train_toy(config)
    assert str(folder / file) in str(caught.value)
    assert "delete the folder" in str(caught.value)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_no_output_dir_is_an_input_error():
    config = toy_config(Path("unused"))
    config.output_dir = ""
    with pytest.raises(InputError, match="output_dir: not set"):
        train_toy(config)
