import json
import logging
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from training.toy import ToyCorpus, ToyModel, ToyTask, reset_accelerate, toy_config, train_toy

from emage.checkpoint import FILES
from emage.errors import InputError
from emage.training.batches import WindowOrder


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def losses(folder: Path) -> list[float]:
    return [row["loss"] for row in rows(folder / "losses.jsonl")]


def test_a_run_writes_what_it_promises_and_learns(tmp_path):
    config = toy_config(tmp_path, max_steps=120)
    train_toy(config)
    for folder in ("last", "best"):
        assert sorted(path.name for path in (tmp_path / folder).iterdir()) == sorted(FILES)
    assert (tmp_path / "config.yaml").is_file()
    assert list((tmp_path / "tensorboard").iterdir())
    assert "world size 1" in (tmp_path / "train.log").read_text()
    assert [row["step"] for row in rows(tmp_path / "losses.jsonl")] == list(range(1, 121))
    info = json.loads((tmp_path / "last" / "info.json").read_text())
    assert info["steps"] == 120
    assert info["model"] == "motion_autoencoder"
    assert {key: info["corpus"][key] for key in ("train_windows", "train_draws", "val_windows")} == {
        "train_windows": 10, "train_draws": 480, "val_windows": 5,
    }  # fmt: skip
    assert "mixture" not in info["corpus"]
    assert "windows: 10 train, 480 drawn in 120 steps, 48.0 passes; 5 val" in (tmp_path / "train.log").read_text()
    validation = [row["loss"] for row in rows(tmp_path / "validation.jsonl")]
    assert info["best_val_loss"] == min(validation) < 0.5 * validation[0]
    best = json.loads((tmp_path / "best" / "info.json").read_text())
    assert best["steps"] == 4 * (1 + validation.index(min(validation)))  # eval_every is 4


def test_steps_take_their_windows_from_the_order_of_the_seed(tmp_path):
    seen = train_toy(toy_config(tmp_path)).seen
    order = WindowOrder(10, seed=7)
    assert seen == [order.indices(4 * step, 4 * step + 4) for step in range(12)]


def test_validation_is_the_mean_over_all_its_windows(tmp_path):
    train_toy(toy_config(tmp_path, max_steps=1, batch_size=2, eval_every=1))  # 5 windows in parts of 2, 2 and 1
    model = ToyModel(0.0)
    model.load_state_dict(load_file(tmp_path / "last" / "model.safetensors"))
    task, windows = ToyTask(toy_config(tmp_path)), ToyCorpus().windows("val")
    batch = {key: torch.stack([torch.as_tensor(window[key]) for window in windows]) for key in windows[0]}
    expected = task.eval_step(model.eval(), batch)["loss"].item()
    assert rows(tmp_path / "validation.jsonl")[0]["loss"] == pytest.approx(expected, rel=1e-6)


def test_fewer_windows_than_a_batch_still_train(tmp_path):
    train_toy(toy_config(tmp_path), ToyCorpus(num_train=3))
    assert len(losses(tmp_path)) == 12


def test_without_validation_windows_best_is_the_newest_and_the_log_says_so(tmp_path):
    train_toy(toy_config(tmp_path), ToyCorpus(num_val=0))
    assert "no validation windows" in (tmp_path / "train.log").read_text()
    last, best = (load_file(tmp_path / name / "model.safetensors") for name in ("last", "best"))
    assert all(torch.equal(last[name], best[name]) for name in last)


def test_zero_steps_write_an_untrained_checkpoint(tmp_path):
    config = toy_config(tmp_path, max_steps=0)
    train_toy(config)
    torch.manual_seed(config.seed)
    untrained = ToyModel(0.2).state_dict()
    for folder in ("last", "best"):
        assert json.loads((tmp_path / folder / "info.json").read_text())["steps"] == 0
        saved = load_file(tmp_path / folder / "model.safetensors")
        assert all(torch.equal(saved[name], untrained[name]) for name in untrained)


def test_accumulation_gives_the_gradients_of_the_whole_batch(tmp_path):
    for accumulation_steps in (1, 2):
        optim = {"freeze_batch_norm": True, "accumulation_steps": accumulation_steps}
        train_toy(toy_config(tmp_path / str(accumulation_steps), **optim), dropout=0.0)
    assert losses(tmp_path / "1") == pytest.approx(losses(tmp_path / "2"), rel=1e-5)


def test_clipping_bounds_the_gradient_that_adam_sees(tmp_path):
    train_toy(toy_config(tmp_path, max_steps=1, grad_clip=0.25))
    assert rows(tmp_path / "losses.jsonl")[0]["grad_norm"] > 0.25
    state = load_file(tmp_path / "resume" / "state.safetensors")
    first_moments = [value for name, value in state.items() if name.endswith("exp_avg")]
    norm = torch.cat([moment.flatten() for moment in first_moments]).norm()
    assert norm.item() / (1 - 0.9) == pytest.approx(0.25, rel=1e-4)  # after one step m = (1 - beta1) g


def test_checkpoints_hold_the_moving_average_and_resume_the_raw_weights(tmp_path):
    config = toy_config(tmp_path / "average", ema_decay=0.9)
    train_toy(config)
    train_toy(toy_config(tmp_path / "plain"))
    state = load_file(tmp_path / "average" / "resume" / "state.safetensors")
    saved = load_file(tmp_path / "average" / "last" / "model.safetensors")
    plain = load_file(tmp_path / "plain" / "last" / "model.safetensors")
    name = "layers.0.weight"
    assert torch.equal(saved[name], state[f"average/{name}"])
    assert torch.equal(plain[name], state[f"model/{name}"])  # the average does not touch what is trained
    assert not torch.allclose(saved[name], plain[name])


def test_bf16_trains_close_to_full_precision_and_keeps_full_weights(tmp_path):
    train_toy(toy_config(tmp_path / "full"), dropout=0.0)
    reset_accelerate()
    train_toy(toy_config(tmp_path / "half", precision="bf16"), dropout=0.0)
    full, half = losses(tmp_path / "full"), losses(tmp_path / "half")
    assert full != half
    assert half[:3] == pytest.approx(full[:3], rel=0.05)
    saved = load_file(tmp_path / "half" / "last" / "model.safetensors")
    assert saved["layers.0.weight"].dtype == torch.float32


def test_a_loss_that_is_not_finite_ends_the_run_before_it_is_saved(tmp_path):
    corpus = ToyCorpus()
    poisoned = WindowOrder(10, seed=7).indices(4 * 7, 4 * 7 + 1)[0]  # in the pass that step 8 belongs to
    corpus.entries["train"][poisoned]["y"] = math.nan
    first_bad = next(k for k in range(12) if poisoned in WindowOrder(10, seed=7).indices(4 * k, 4 * k + 4)) + 1
    with pytest.raises(InputError, match=f"the loss is nan at step {first_bad}; lower optim.lr"):
        train_toy(toy_config(tmp_path), corpus)
    assert len(losses(tmp_path)) == first_bad - 1
    saved = tmp_path / "last" / "model.safetensors"
    assert not saved.exists() or all(value.isfinite().all() for value in load_file(saved).values())


def test_loggers_are_left_as_they_were_found(tmp_path):
    before = list(logging.getLogger("emage").handlers)
    train_toy(toy_config(tmp_path, max_steps=1))
    assert logging.getLogger("emage").handlers == before
