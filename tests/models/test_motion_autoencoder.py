import json
from pathlib import Path

import pytest
import torch

from emage.config import MotionAutoencoderConfig
from emage.errors import InputError
from emage.models import MotionAutoencoder

PUBLISHED_SHAPES = json.loads((Path(__file__).parent / "published_shapes.json").read_text())["MotionAutoencoder"]
SMALL = {"features": 16, "channels": 8, "hidden": [24, 20]}


def test_published_size_names_and_shapes():
    model = MotionAutoencoder(MotionAutoencoderConfig())
    assert sum(parameter.numel() for parameter in model.parameters()) == 10_095_499
    assert {name: list(tensor.shape) for name, tensor in model.state_dict().items()} == PUBLISHED_SHAPES
    random = {name: torch.rand(shape).to(model.state_dict()[name].dtype) for name, shape in PUBLISHED_SHAPES.items()}
    model.load_state_dict(random, strict=True)
    output = model.eval()(torch.randn(2, 34, 141))
    assert output.features.shape == (2, 300)
    assert output.reconstruction.shape == (2, 34, 141)


@pytest.mark.parametrize("window_frames", [12, 13, 34, 61])
@pytest.mark.parametrize("features", [3, 16])
def test_any_window_and_number_of_features(window_frames, features):
    model = MotionAutoencoder(MotionAutoencoderConfig(**{**SMALL, "features": features}, window_frames=window_frames))
    motion = torch.randn(3, window_frames, 141)
    output = model.eval()(motion)
    assert output.reconstruction.shape == motion.shape
    assert torch.equal(output.features, model.encode(motion))
    assert output.features.shape == (3, features)


def test_in_eval_mode_a_window_does_not_depend_on_its_batch():
    torch.manual_seed(0)
    model = MotionAutoencoder(MotionAutoencoderConfig(**SMALL))
    motion = torch.randn(5, 34, 141)
    model(motion)  # moves BatchNorm's statistics
    model.eval()
    torch.testing.assert_close(model.encode(motion)[2:3], model.encode(motion[2:3]), rtol=0, atol=1e-5)
    model.train()
    assert not torch.allclose(model.encode(motion)[2:4], model.encode(motion[2:4]), atol=1e-3)


def test_dense_slope_of_one_is_the_linear_network_of_the_published_code():
    torch.manual_seed(0)
    motion = torch.randn(2, 34, 141)

    def bend(slope: float) -> float:
        """How far the dense part is from an affine map, at the middle of two inputs."""
        model = MotionAutoencoder(MotionAutoencoderConfig(**SMALL, dense_slope=slope)).eval()
        dense = model.pose_encoder.out_net
        a, b = model.pose_encoder.net(motion.transpose(1, 2)).flatten(1)
        a, b = 50 * a, 50 * b
        middle = (dense(a[None]) + dense(b[None])) / 2
        return (dense((a + b)[None] / 2) - middle).abs().max().item()

    assert bend(1.0) < 1e-4
    assert bend(0.2) > 1e-2


def test_gradients_reach_every_trainable_parameter():
    """Distributed training stops at one that they do not reach; fc_logvar, which nothing uses, is therefore frozen."""
    torch.manual_seed(0)
    model = MotionAutoencoder(MotionAutoencoderConfig(**SMALL)).double()
    output = model(torch.randn(6, 34, 141, dtype=torch.float64))
    (output.reconstruction.square().mean() + output.features.square().mean()).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert without == ["pose_encoder.fc_logvar.weight", "pose_encoder.fc_logvar.bias"]
    assert all(parameter.requires_grad == (name not in without) for name, parameter in model.named_parameters())


def test_one_batch_can_be_learned():
    torch.manual_seed(0)
    model = MotionAutoencoder(MotionAutoencoderConfig(features=32, channels=32, hidden=[64, 64]))
    phase = torch.rand(8, 1, 141) * 6
    motion = torch.sin(torch.arange(34)[None, :, None] / 5 + phase)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(80):
        loss = (model(motion).reconstruction - motion).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_windows_of_another_length_are_refused():
    model = MotionAutoencoder(MotionAutoencoderConfig(**SMALL))
    with pytest.raises(InputError, match="got windows of 30 frames; this one reads 34"):
        model.encode(torch.zeros(1, 30, 141))
    with pytest.raises(InputError, match="model.window_frames: got 11"):
        MotionAutoencoder(MotionAutoencoderConfig(**SMALL, window_frames=11))
    with pytest.raises(InputError, match="model.hidden"):
        MotionAutoencoder(MotionAutoencoderConfig(hidden=[1200]))
