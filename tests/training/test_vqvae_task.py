"""What the VQ-VAE's task sees and how it judges; the tests of all tasks are in test_tasks.py."""

import dataclasses
import json
import os

import pytest
import torch
from safetensors.torch import load_file
from training.test_tasks import Answers, copies, task_and_batch
from training.toy import in_child
from training.windows import WindowCorpus, small_config, task_of

from dataloaders.batch import collate
from emage.errors import InputError
from emage.motion import rotation
from emage.motion.contact import contact_of_motion
from emage.motion.layout import get_layout
from emage.motion.skeleton import BEAT_JOINTS
from emage.training import Run, Trainer
from emage.training.tasks.vqvae import FOOT, MotionVQVAETask

BODY = ("upper", "hands", "lower", "all")


def weights_of(task, parts: dict) -> float:
    weights = dataclasses.asdict(task.config.loss)
    return sum(weights[name] * value.item() for name, value in parts.items() if name != "perplexity")


@pytest.mark.parametrize("part", [*BODY, "face"])
def test_a_perfect_reconstruction_costs_nothing_but_the_feet_that_slide_in_the_data(part):
    task, batch = task_and_batch("vqvae", part=part)
    _, parts = task.train_step(copies(), batch)
    nothing = {name: value.item() for name, value in parts.items() if name != "foot_velocity"}
    assert nothing == pytest.approx(dict.fromkeys(nothing, 0.0), abs=2e-4)
    assert set(parts) - {"commitment", "perplexity"} == {
        "face": {"face", "velocity", "acceleration"},
        "upper": {"geodesic", "position", "velocity", "acceleration"},
        "hands": {"geodesic", "position", "velocity", "acceleration"},
        "all": {"geodesic", "position", "velocity", "acceleration", "translation"},
        "lower": {"geodesic", "position", "velocity", "acceleration", "translation", "contact", "foot_velocity"},
    }[part]  # fmt: skip


@pytest.mark.parametrize("part", [*BODY, "face"])
def test_the_loss_is_the_weighted_sum_of_its_parts(part):
    task, batch = task_and_batch("vqvae", part=part)
    task.config.loss = dataclasses.replace(task.config.loss, geodesic=0.3, velocity=2.0, face=5.0, contact=0.7)
    loss, parts = task.train_step(copies(lambda x: x + 0.1 * torch.sin(17 * x)), batch)
    assert loss.item() == pytest.approx(weights_of(task, parts), rel=1e-5)


def test_rot6d_of_another_length_is_the_same_rotation():
    task, batch = task_and_batch("vqvae", part="upper")
    _, parts = task.train_step(copies(lambda x: 3 * x), batch)
    assert parts["geodesic"].item() == pytest.approx(0, abs=1e-3)
    assert parts["position"].item() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("part", ["lower", "all"])
def test_a_moved_root_costs_its_metres_and_moves_every_joint(part):
    task, batch = task_and_batch("vqvae", part=part)
    shift_cm = torch.zeros(task.values.num_values)
    shift_cm[:3] = 50.0
    _, parts = task.train_step(copies(lambda x: x + shift_cm), batch)
    assert parts["translation"].item() == pytest.approx(0.5, abs=FOOT)
    assert parts["position"].item() == pytest.approx(0.5, abs=FOOT)
    assert parts["velocity"].item() == pytest.approx(0, abs=1e-5)


def test_a_known_angle_and_its_change_over_time():
    task, batch = task_and_batch("vqvae", part="upper")
    turns_deg = torch.zeros(34, 3)
    turns_deg[:, 0] = torch.arange(34.0)  # one degree more in every frame, about X
    layout = get_layout("beat_full_rot6d")
    unturned = rotation.matrix_to_rot6d(torch.eye(3)).repeat(layout.num_joints)
    batch["motion"][..., layout.rotation_slice] = unturned
    answer = rotation.matrix_to_rot6d(rotation.euler_to_matrix(turns_deg, "XYZ")).repeat(1, len(task.values.joints))
    _, parts = task.train_step(copies(lambda x: answer.expand_as(x)), batch)
    assert parts["geodesic"].item() == pytest.approx(torch.deg2rad(torch.tensor(16.5)).item(), rel=1e-3)
    angle = torch.deg2rad(turns_deg[:, 0])  # four of nine entries move: twice cos and twice sin
    moving = torch.stack([angle.cos(), angle.sin()], dim=-1).diff(dim=0).abs()
    rounded = torch.where(moving > FOOT, moving - FOOT / 2, moving.square() / (2 * FOOT))
    assert parts["velocity"].item() == pytest.approx(4 / 9 * rounded.mean().item(), rel=1e-3)


def test_a_jerking_face_costs_velocity_and_acceleration():
    task, batch = task_and_batch("vqvae", part="face")
    jerk = 0.1 * (-1.0) ** torch.arange(34)[:, None]  # +0.1, -0.1, ...
    _, parts = task.train_step(copies(lambda x: x + jerk), batch)
    assert [parts[name].item() for name in ("face", "velocity", "acceleration")] == pytest.approx(
        [0.1, 0.2, 0.4], abs=FOOT
    )


def test_contact_and_the_speed_of_standing_feet():
    task, batch = task_and_batch("vqvae", part="lower")
    layout = get_layout("beat_full_rot6d")
    batch["motion"] = batch["motion"][:, :1].expand(-1, 34, -1).clone()  # stands still: all feet in contact
    seen = copies()
    _, parts = task.train_step(seen, batch)
    assert (seen.args[0][..., -4:] == 1).all()
    assert parts["foot_velocity"].item() == pytest.approx(0, abs=1e-6)

    def slide(x):  # forward by 2 cm a frame, and every label wrong
        moved = x.clone()
        moved[..., 2] += 2.0 * torch.arange(34)
        moved[..., -4:] = 0
        return moved

    _, parts = task.train_step(copies(slide), batch)
    assert parts["contact"].item() == pytest.approx(1.0)
    assert parts["foot_velocity"].item() == pytest.approx((0.02 - FOOT / 2) / 3, rel=1e-3)  # of three coordinates
    assert layout.part_columns("lower")[2] == 2


def test_every_window_has_the_bones_of_its_speaker():
    """Contact through the skeleton of the speaker: the same motion on longer legs moves the feet faster."""
    task, batch = task_and_batch("vqvae", part="lower", size=20)
    corpus = WindowCorpus(small_config("vqvae", part="lower"))
    seen = copies()
    task.train_step(seen, batch)
    layout = get_layout("beat_full_rot6d")
    for k in range(20):
        label = corpus.speakers.labels[batch["speaker"][k]]
        skeleton = corpus.skeletons[label]
        bones = skeleton.offsets_cm[skeleton.indices(BEAT_JOINTS)].float()
        expected = contact_of_motion(batch["motion"][k], layout, bones, task.config.data.fps)
        assert torch.equal(seen.args[0][k, :, -4:], expected)


def test_the_network_gets_the_statistics_of_the_train_split():
    config = small_config("vqvae", part="lower")
    config.data.fps = 30.0
    corpus = WindowCorpus(config)
    model = task_of(config, corpus).build_model()
    means, stds = (rows["beat_full_rot6d"] for rows in (corpus.statistics.means, corpus.statistics.stds))
    columns = get_layout("beat_full_rot6d").part_columns("lower")
    torch.testing.assert_close(model.feature_mean[:-4], means[columns])
    torch.testing.assert_close(model.feature_scale[:3], stds[:3])
    assert model.fps == 30.0
    values = collate(corpus.windows("train"))["motion"][..., columns]
    normalised = (values - model.feature_mean[:-4]) / model.feature_scale[:-4]
    joints = normalised[..., 3:].unflatten(-1, (-1, 6))
    sizes = joints.square().mean(dim=(0, 1, 3)).sqrt()  # of each joint's six numbers
    assert sizes.log().mean().exp().item() == pytest.approx(1.0, abs=0.1)
    assert 0.5 < sizes.min() < sizes.max() < 2.0


def test_frames_without_capture_are_the_mean_to_the_network():
    task, batch = task_and_batch("vqvae", part="face")
    batch["face_valid"][:, 5] = False
    model = Answers(copies().answer)
    task.train_step(model, batch)
    assert torch.equal(model.args[1], batch["face_valid"])


def test_it_needs_rot6d_and_a_part_that_the_layout_holds():
    for options, message in (
        ({"layout": "beat_141"}, "got beat_141; a vqvae takes beat_full_rot6d or beat_141_rot6d"),
        ({"layout": "beat_141_rot6d", "part": "lower"}, "beat_141_rot6d: it has no joint of the part 'lower'"),
    ):
        config = small_config("vqvae", **options)
        with pytest.raises(InputError, match=message):
            task_of(config, WindowCorpus(config))


@pytest.mark.parametrize("part", ["upper", "lower", "face"])
def test_a_run_that_is_cut_in_two_ends_bit_for_bit_as_a_whole_one(tmp_path, part):
    """Codebooks, their counts and the draws that revive dead codes are all in the resume state."""
    curves, weights = [], []
    for name in ("whole", "cut"):
        config = small_config("vqvae", str(tmp_path / name), part=part, codebook_size=32)
        config.optim.save_every, config.optim.lr = 7, 3e-3
        corpus = WindowCorpus(config)

        def run(config=config, corpus=corpus) -> None:
            with Run(config) as opened:
                Trainer(opened, task_of(config, corpus), corpus, collate).run()

        def killed(run=run) -> None:
            step = MotionVQVAETask.train_step

            def dying(task, model, batch):
                if dying.calls == 11:  # between two saves of the resume state
                    os._exit(9)
                dying.calls += 1
                return step(task, model, batch)

            dying.calls = 0
            MotionVQVAETask.train_step = dying
            run()

        if name == "cut":
            assert in_child(killed) == 9
        assert in_child(run) == 0
        curves.append((tmp_path / name / "losses.jsonl").read_bytes())
        weights.append(load_file(tmp_path / name / "last" / "model.safetensors"))
    assert curves[0] == curves[1]
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())


def unquantized(task, batch, step: str = "train_step"):
    """What the network is told in a step of which windows to decode without codes."""
    seen = copies()
    getattr(task, step)(seen, batch)
    return seen.args[2]


def test_windows_without_codes_are_drawn_by_their_own_seeds_and_only_in_training():
    task, batch = task_and_batch("vqvae", size=16, unquantized_share=0.5)
    drawn = unquantized(task, batch)
    assert 2 <= int(drawn.sum()) <= 14
    half = {key: value[8:] if value.dim() else value for key, value in batch.items()}
    assert torch.equal(unquantized(task, half), drawn[8:])
    assert unquantized(task, batch, "eval_step") is None


def test_no_share_is_no_window():
    task, batch = task_and_batch("vqvae", unquantized_share=0.0)
    assert unquantized(task, batch) is None


@pytest.mark.parametrize("options", [{"part": "upper", "mirror_share": 0.5}, {"part": "face", "num_quantizers": 3}])
def test_accumulation_splits_a_step_and_changes_no_codebook(tmp_path, options):
    """20 updates whatever the number of micro-batches, from the first codes on, dead codes included."""
    curves, states = [], []
    for accumulation_steps in (1, 4):
        config = small_config("vqvae", str(tmp_path / str(accumulation_steps)), codebook_size=48, **options)
        config.optim.accumulation_steps = accumulation_steps
        corpus = WindowCorpus(config)
        with Run(config) as run:
            Trainer(run, task_of(config, corpus), corpus, collate).run()
        rows = (tmp_path / str(accumulation_steps) / "losses.jsonl").read_text().splitlines()
        curves.append([json.loads(row)["loss"] for row in rows])
        states.append(load_file(tmp_path / str(accumulation_steps) / "last" / "model.safetensors"))
    assert curves[1] == pytest.approx(curves[0], rel=1e-4)
    levels = [name for name in states[0] if name.endswith("num_updates")]
    assert levels
    assert {int(state[name]) for state in states for name in levels} == {20}
    for name in states[0]:
        torch.testing.assert_close(states[1][name], states[0][name], rtol=1e-3, atol=1e-3)
