import math

import pytest
import torch
import torch.nn.functional as F

from emage import losses
from emage.motion import rotation


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(3, 7, 5, generator=generator, dtype=torch.float64) for _ in range(2))


def test_huber_is_the_formula_of_the_published_code(pair):
    prediction, target = pair
    semantic = torch.rand(3, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    scaled = [(x * (1 + semantic[..., None])) / 0.1 for x in pair]
    published = 0.1 * F.smooth_l1_loss(*scaled)
    ours = losses.huber(prediction, target, beta=0.1, frame_scale=1 + semantic)
    assert ours.item() == pytest.approx(published.item(), rel=1e-12)


@pytest.mark.parametrize(("error", "loss"), [(0.0, 0.0), (0.05, 0.0125), (0.1, 0.05), (1.0, 0.95)])
def test_huber_known_values(error, loss):
    target = torch.zeros(1, 1, 1, dtype=torch.float64)
    assert losses.huber(target + error, target, beta=0.1).item() == pytest.approx(loss)


def test_a_masked_frame_changes_nothing_whatever_it_holds(pair):
    prediction, target = pair
    mask = torch.ones(3, 7, dtype=torch.bool)
    mask[0, 3:] = False
    kept = torch.cat([(prediction - target).abs()[0, :3], *(prediction - target).abs()[1:]])
    spoiled = prediction.clone()
    spoiled[0, 3:] = math.nan
    spoiled.requires_grad_()
    loss = losses.l1(spoiled, target, mask=mask)
    loss.backward()
    assert loss.item() == pytest.approx(kept.mean().item())
    assert spoiled.grad[0, 3:].eq(0).all()
    assert losses.l1(prediction, target, mask=torch.ones_like(mask)) == losses.l1(prediction, target)


@pytest.mark.parametrize("loss", [losses.l1, losses.velocity])
def test_no_valid_frame_costs_nothing_and_can_be_differentiated(loss, pair):
    prediction = pair[0].requires_grad_()
    value = loss(prediction, pair[1], mask=torch.zeros(3, 7, dtype=torch.bool))
    value.backward()
    assert value.item() == 0
    assert prediction.grad.eq(0).all()


def test_velocity_sees_change_and_not_place():
    time = torch.arange(6, dtype=torch.float64)[None, :, None]
    assert losses.velocity(2 * time + 100, 5 * time).item() == pytest.approx(3)
    assert losses.velocity(2 * time, 5 * time, order=2).item() == pytest.approx(0)
    assert losses.velocity(2 * time**2, time**2, order=2).item() == pytest.approx(2)


@pytest.mark.parametrize(("order", "expected"), [(1, 4 / 3), (2, 1.0)])
def test_a_difference_counts_only_if_every_frame_in_it_is_valid(order, expected):
    mask = torch.tensor([[True, True, False, True, True, True]])
    target = torch.zeros(1, 6, 1, dtype=torch.float64)
    values = torch.tensor([0.0, 1.0, 1e9, 0.0, 1.0, 3.0], dtype=torch.float64)[None, :, None]
    # first differences of valid pairs: 1, 1, 2; second differences of valid triples: 1
    assert losses.velocity(values, target, order=order, mask=mask).item() == pytest.approx(expected)


def test_a_clip_of_one_frame_has_no_velocity():
    one = torch.randn(2, 1, 3, requires_grad=True)
    loss = losses.velocity(one, torch.zeros(2, 1, 3))
    loss.backward()
    assert loss.item() == 0


@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi])
def test_geodesic_is_the_angle_between_with_finite_gradient(angle):
    axis_angle = torch.tensor([0.0, angle, 0.0], dtype=torch.float64)
    turned = rotation.axis_angle_to_matrix(axis_angle).expand(2, 4, 3, 3, 3).clone().requires_grad_()
    loss = losses.geodesic(turned, torch.eye(3, dtype=torch.float64).expand(2, 4, 3, 3, 3))
    loss.backward()
    assert loss.item() == pytest.approx(angle, abs=1e-6)
    assert turned.grad.isfinite().all()


def test_losses_pass_gradcheck(pair):
    prediction, target = (x[:, :3, :2].clone().requires_grad_() for x in pair)
    mask = torch.tensor([[True, True, False], [True, True, True], [False, True, True]])
    for loss in (
        lambda a, b: losses.huber(a, b, beta=0.1, mask=mask),
        lambda a, b: losses.velocity(a, b, mask=mask),
        lambda a, b: losses.velocity(a, b, order=2),
    ):
        assert torch.autograd.gradcheck(loss, (prediction, target))
