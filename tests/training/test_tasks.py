from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from training.windows import BODY_MODELS, WindowCorpus, small_config

from dataloaders.batch import collate
from emage.errors import InputError
from emage.motion import rotation
from emage.training import TRAINERS
from emage.training.tasks.camn import CaMNTask
from emage.training.tasks.motion_autoencoder import MotionAutoencoderTask
from emage.training.tasks.vqvae import FOOT, MotionVQVAETask


def task_and_batch(name: str, size: int = 4, **model):
    config = small_config(name, **model)
    corpus = WindowCorpus(config)
    return TRAINERS[name](config, corpus.statistics), collate(corpus.windows("train")[:size])


class Answers(nn.Module):
    """Stands in for a network: keeps what it was given and answers by a function of it."""

    def __init__(self, answer) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, *args: Tensor, **kwargs: Tensor) -> SimpleNamespace:
        self.args, self.kwargs = args, kwargs
        return self.answer(*args, **kwargs)


def copies(change=lambda x: x) -> Answers:
    zero = torch.zeros(())
    return Answers(lambda x: SimpleNamespace(reconstruction=change(x), commitment_loss=zero, perplexity=zero))


@pytest.mark.parametrize("name", BODY_MODELS)
def test_one_batch_can_be_learned(name):
    task, batch = task_and_batch(name)
    torch.manual_seed(0)
    model = task.build_model().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    first = task.train_step(model, batch)[0].item()
    for _ in range(120):
        optimizer.zero_grad()
        loss, parts = task.train_step(model, batch)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.7 * first
    assert all(value.dim() == 0 and value.isfinite() for value in parts.values())


@pytest.mark.parametrize("name", BODY_MODELS)
def test_validation_repeats_exactly_and_leaves_the_network_alone(name):
    options = {"dropout": 0.5, "word_dropout": 0.5} if name == "camn" else {}
    task, batch = task_and_batch(name, **options)
    model = task.build_model()
    task.train_step(model, batch)  # an EMA codebook takes its first codes from a batch
    before = {key: value.clone() for key, value in model.state_dict().items()}
    first, second = (task.eval_step(model.eval(), batch) for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert "loss" in first
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", BODY_MODELS)
def test_frames_that_were_not_captured_do_not_count_whatever_stands_there(name):
    options = {"face_input": False, "predict_face": True} if name == "camn" else {}
    task, batch = task_and_batch(name, **options)
    torch.manual_seed(0)
    model = task.build_model().eval()
    results = []
    for junk in (0.0, 1e6, float("nan")):
        spoiled = {key: value.clone() for key, value in batch.items()}
        for key in ("motion", "face"):
            spoiled[f"{key}_valid"][:, 20:24] = False
            spoiled[key][:, 20:24] = junk
        model.zero_grad()
        loss, _ = task.train_step(model, spoiled)
        loss.backward()
        results.append((loss.item(), [p.grad.clone() for p in model.parameters() if p.grad is not None]))
    for loss, gradients in results[1:]:
        assert loss == results[0][0]
        assert all(torch.equal(a, b) for a, b in zip(gradients, results[0][1], strict=True))
    assert results[0][0] != task.train_step(model, batch)[0].item()


def test_autoencoder_loss_of_a_constant_error_in_deviations():
    task, batch = task_and_batch("motion_autoencoder")
    loss, parts = task.train_step(copies(lambda x: x + 0.5), batch)
    assert parts["reconstruction"].item() == pytest.approx(0.5, rel=1e-5)
    assert parts["velocity"].item() == pytest.approx(0, abs=1e-6)
    assert loss.item() == pytest.approx(0.5, rel=1e-5)


def test_autoencoder_sees_z_scored_motion():
    task, batch = task_and_batch("motion_autoencoder", size=20)
    model = copies()
    task.train_step(model, batch)
    seen = model.args[0].flatten(0, 1)
    torch.testing.assert_close(seen.mean(dim=0), torch.zeros(seen.shape[1]), atol=0.2, rtol=0)
    torch.testing.assert_close(seen.std(dim=0), torch.ones(seen.shape[1]), atol=0.1, rtol=0)


def test_autoencoder_windows_must_be_the_networks():
    config = small_config("motion_autoencoder")
    config.data.window_frames = 40
    with pytest.raises(InputError, match="data.window_frames: got 40, .*model.window_frames=34"):
        MotionAutoencoderTask(config, WindowCorpus(small_config("motion_autoencoder")).statistics)


@pytest.mark.parametrize(
    ("layout", "part", "num_translation"),
    [("beat_141_rot6d", "upper", 0), ("beat_full_rot6d", "lower", 3), ("beat_full_rot6d", "hands", 0)],
)
def test_vqvae_sees_raw_rotations_and_judges_them_as_rotations(layout, part, num_translation):
    task, batch = task_and_batch("vqvae", layout=layout, part=part)
    model = copies(lambda x: torch.cat([x[..., :num_translation], 3 * x[..., num_translation:]], dim=-1))
    loss, parts = task.train_step(model, batch)  # three times as long rot6d columns are the same rotation
    assert loss.item() == pytest.approx(0, abs=2e-3)
    assert ("translation" in parts) is (num_translation > 0)
    rotations = model.args[0][..., num_translation:]
    assert torch.equal(rotations, batch["motion"][..., task.columns][..., num_translation:])


def test_vqvae_translation_is_judged_in_deviations():
    task, batch = task_and_batch("vqvae", layout="beat_full_rot6d", part="lower")
    shift = torch.zeros(len(task.columns))
    shift[:3] = 0.5
    _, parts = task.train_step(copies(lambda x: x + shift), batch)
    assert parts["translation"].item() == pytest.approx(0.5, rel=1e-5)
    assert parts["velocity"].item() == pytest.approx(0, abs=1e-6)


def test_vqvae_known_angle_and_its_change_over_time():
    task, batch = task_and_batch("vqvae")
    turns_deg = torch.zeros(34, 3)
    turns_deg[:, 0] = torch.arange(34.0)  # one degree more in every frame, about X
    wanted = torch.eye(3).expand(34, 3, 3)
    batch["motion"] = rotation.matrix_to_rot6d(wanted).repeat(4, 1, task.layout.num_joints)
    answer = rotation.matrix_to_rot6d(rotation.euler_to_matrix(turns_deg, "XYZ")).repeat(1, task.num_joints)
    _, parts = task.train_step(copies(lambda x: answer.expand_as(x)), batch)
    assert parts["geodesic"].item() == pytest.approx(torch.deg2rad(torch.tensor(16.5)).item(), rel=1e-3)
    angle = torch.deg2rad(turns_deg[:, 0])  # four of nine entries move: twice cos and twice sin
    moving = torch.stack([angle.cos(), angle.sin()], dim=-1).diff(dim=0).abs()
    rounded = torch.where(moving > FOOT, moving - FOOT / 2, moving.square() / (2 * FOOT))
    assert parts["velocity"].item() == pytest.approx(4 / 9 * rounded.mean().item(), rel=1e-3)


def test_vqvae_needs_rot6d():
    config = small_config("vqvae", layout="beat_141")
    with pytest.raises(InputError, match="model.layout: got beat_141; a vqvae takes beat_141_rot6d"):
        MotionVQVAETask(config, WindowCorpus(small_config("camn")).statistics)


def test_camn_loss_is_the_references_formula():
    task, batch = task_and_batch("camn")
    torch.manual_seed(0)
    answer = torch.randn_like(batch["motion"])
    loss, _ = task.train_step(Answers(lambda *_, **__: SimpleNamespace(motion=answer, face=None)), batch)
    target = task.statistics.normalise(batch["motion"], "beat_141")
    weight = (1 + batch["semantic"])[..., None]
    expected = 500 * 0.1 * nn.functional.smooth_l1_loss(answer * weight / 0.1, target * weight / 0.1)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(("face_input", "predict_face"), [(True, False), (False, True), (False, False)])
def test_camn_face_is_given_or_predicted_as_the_config_says(face_input, predict_face):
    task, batch = task_and_batch("camn", face_input=face_input, predict_face=predict_face)
    face = task.statistics.normalise(batch["face"], "arkit_51")
    motion = task.statistics.normalise(batch["motion"], "beat_141")
    model = Answers(lambda *_, **__: SimpleNamespace(motion=motion, face=face + 1.0))
    loss, parts = task.train_step(model, batch)
    if face_input:
        assert torch.equal(model.kwargs["face"], face)
    else:
        assert model.kwargs["face"] is None
    assert ("face" in parts) is predict_face
    assert loss.item() == pytest.approx(500 * (1 - 0.05) if predict_face else 0, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("seed_frames", [0, 4])
def test_camn_gets_the_first_frames_as_seed(seed_frames):
    task, batch = task_and_batch("camn", seed_frames=seed_frames)
    motion = task.statistics.normalise(batch["motion"], "beat_141")
    model = Answers(lambda *_, **__: SimpleNamespace(motion=motion, face=None))
    task.train_step(model, batch)
    if seed_frames:
        assert torch.equal(model.kwargs["seed_motion"], motion[:, :4])
    else:
        assert model.kwargs["seed_motion"] is None


def test_camn_seed_must_leave_something_to_generate():
    config = small_config("camn", seed_frames=34)
    with pytest.raises(InputError, match="model.seed_frames: got 34; it must be below data.window_frames=34"):
        CaMNTask(config, WindowCorpus(config).statistics)
