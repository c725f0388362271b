"""Several processes on one machine: forked here, which torch.distributed cannot tell from torchrun."""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from accelerate.commands.launch import launch_command_parser, prepare_simple_launcher_cmd_env
from training.toy import ToyCorpus, start_child, toy_config, train_toy

from emage.errors import InputError
from emage.training.run import check_processes


def on_two_processes(work: Callable[[], object], timeout_s: float = 60) -> list[int]:
    """Runs `work` on both ranks of a gloo group; returns their exit codes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    common = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    children = [
        start_child(work, timeout_s=timeout_s, RANK=str(rank), LOCAL_RANK=str(rank), **common) for rank in range(2)
    ]
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("accumulation_steps", [1, 2])
def test_two_processes_train_as_one_with_the_same_global_batch(tmp_path, accumulation_steps):
    settings = {"max_steps": 20, "freeze_batch_norm": True, "accumulation_steps": accumulation_steps, "eval_every": 10}
    train_toy(toy_config(tmp_path / "one", **settings), dropout=0.0)
    two = toy_config(tmp_path / "two", **settings)
    assert on_two_processes(lambda: train_toy(two, dropout=0.0)) == [0, 0]
    for curve, count in (("losses.jsonl", 20), ("validation.jsonl", 2)):
        alone, together = rows(tmp_path / "one" / curve), rows(tmp_path / "two" / curve)
        assert len(alone) == count
        for row, other in zip(alone, together, strict=True):
            assert other == pytest.approx(row, rel=1e-5)
    assert "world size 2" in (tmp_path / "two" / "train.log").read_text()


def test_fewer_validation_windows_than_processes(tmp_path):
    config = toy_config(tmp_path / "two", max_steps=1, freeze_batch_norm=True)
    assert on_two_processes(lambda: train_toy(config, ToyCorpus(num_val=1), dropout=0.0)) == [0, 0]
    train_toy(toy_config(tmp_path / "one", max_steps=1, freeze_batch_norm=True), ToyCorpus(num_val=1), dropout=0.0)
    one, two = (rows(tmp_path / name / "validation.jsonl")[0]["loss"] for name in ("one", "two"))
    assert two == pytest.approx(one, rel=1e-5)


def test_two_processes_resume_and_then_know_that_they_are_finished(tmp_path):
    config = toy_config(tmp_path / "two")
    assert on_two_processes(lambda: train_toy(config)) == [0, 0]
    whole = (tmp_path / "two" / "losses.jsonl").read_bytes()
    (tmp_path / "two" / "last" / "info.json").unlink()  # as if killed before last/ was in place
    assert on_two_processes(lambda: train_toy(config)) == [0, 0]
    assert (tmp_path / "two" / "losses.jsonl").read_bytes() == whole
    assert on_two_processes(lambda: train_toy(config)) == [0, 0]


def test_a_batch_that_the_processes_cannot_share_evenly_is_refused(tmp_path):
    config = toy_config(tmp_path, batch_size=6, accumulation_steps=2)  # 3 windows a micro step

    def refused() -> None:
        with pytest.raises(InputError, match="optim.batch_size: 6 windows .* not a multiple of 2 process"):
            train_toy(config)

    assert on_two_processes(refused) == [0, 0]


def test_fewer_processes_than_the_config_asks_for(tmp_path):
    config = toy_config(tmp_path)
    config.num_processes = 2
    with pytest.raises(InputError, match=r"num_processes: 2 asked, 1 running; .*torchrun --nproc_per_node 2 train.py"):
        train_toy(config)


@pytest.mark.parametrize(("count", "refused"), [(1, False), (2, True)])
def test_accelerate_launch_on_the_cpu_starts_one_process_whatever_it_is_asked_for(monkeypatch, count, refused):
    arguments = ["--cpu", "--num_processes", str(count), "--num_machines", "1", "--mixed_precision", "no", "train.py"]
    options = launch_command_parser().parse_args(arguments)
    options.use_cpu = True
    options.num_cpu_threads_per_process = 1
    options.dynamo_backend = "no"
    for name, value in prepare_simple_launcher_cmd_env(options)[1].items():
        monkeypatch.setenv(name, value)
    if refused:
        with pytest.raises(InputError, match="asked for several processes but started 1"):
            check_processes(1, asked=0)
    check_processes(1, asked=1)
    if not refused:
        check_processes(1, asked=0)


def test_a_launcher_whose_processes_did_not_find_each_other(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(InputError, match=r"4 asked \(WORLD_SIZE\), 1 running"):
        check_processes(1, asked=0)
