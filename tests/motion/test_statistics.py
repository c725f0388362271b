import json

import pytest
import torch

from emage.errors import InputError
from emage.motion.layout import get_layout
from emage.motion.statistics import MotionStatistics


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def statistics() -> MotionStatistics:
    means = {"beat_141": randn(141), "arkit_51": randn(51)}
    stds = {"beat_141": randn(141, seed=1).abs() + 0.1, "arkit_51": randn(51, seed=2).abs() + 0.1}
    return MotionStatistics(means, stds, randn(228, seed=3))


def test_the_train_data_itself_becomes_zero_mean_and_unit_deviation():
    data = randn(500, 51) * torch.linspace(0.1, 40, 51) + torch.linspace(-90, 90, 51)
    own = MotionStatistics({"arkit_51": data.mean(0)}, {"arkit_51": data.std(0)}, torch.zeros(228))
    scores = own.normalise(data, "arkit_51")
    torch.testing.assert_close(scores.mean(0), torch.zeros(51), atol=1e-4, rtol=0)
    torch.testing.assert_close(scores.std(0), torch.ones(51), atol=1e-4, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("layout", ["beat_141", get_layout("arkit_51")])
def test_there_and_back(dtype, layout):
    values = randn(2, 7, get_layout(layout).dim).to(dtype) * 50
    scores = statistics().normalise(values, layout)
    assert scores.dtype == dtype
    torch.testing.assert_close(statistics().denormalise(scores, layout), values, atol=1e-4, rtol=1e-5)


def test_a_constant_column_is_shifted_and_not_blown_up():
    own = statistics()
    own.stds["beat_141"][4], own.stds["beat_141"][5], own.stds["beat_141"][6] = 0.0, 0.9e-4, 1.1e-4
    values = own.means["beat_141"] + 1e-3
    scores = own.normalise(values, "beat_141")
    assert scores[[4, 5, 6]].tolist() == pytest.approx([1e-3, 1e-3, 1e-3 / 1.1e-4], rel=1e-3)
    torch.testing.assert_close(own.denormalise(scores, "beat_141"), values)


def test_json_round_trip_is_bit_for_bit(tmp_path):
    own = statistics()
    own.means["beat_141"][0], own.stds["beat_141"][0] = 1 / 3, 1e-30
    own.save(tmp_path / "statistics.json")
    again = MotionStatistics.load(tmp_path / "statistics.json")
    assert again.means.keys() == own.means.keys()
    for name in own.means:
        assert torch.equal(again.means[name], own.means[name])
        assert torch.equal(again.stds[name], own.stds[name])
    assert torch.equal(again.mean_pose, own.mean_pose)
    assert again.mean_pose.dtype == torch.float32


def test_unknown_layout_and_wrong_width_are_named():
    with pytest.raises(InputError, match="none for layout beat_full; layouts here: arkit_51, beat_141"):
        statistics().normalise(torch.zeros(228), "beat_full")
    with pytest.raises(InputError, match="layout beat_141: got 51 columns, expected 141"):
        statistics().denormalise(torch.zeros(3, 51), "beat_141")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stds": {}}, r"means of \['arkit_51'\] but stds of \[\]"),
        ({"means": {"arkit_51": [0.0] * 50}}, r"means.arkit_51 has shape \(50,\), expected \(51,\)"),
        ({"mean_pose": [float("nan")] * 228}, "mean_pose holds NaN"),
        ({"means": None}, "not a statistics file"),
        ({"means": {"arkit_51": ["a"] * 51}}, "not a statistics file"),
    ],
)
def test_a_broken_file_is_named(tmp_path, change, message):
    node = {"means": {"arkit_51": [0.0] * 51}, "stds": {"arkit_51": [1.0] * 51}, "mean_pose": [0.0] * 228}
    path = tmp_path / "statistics.json"
    path.write_text(json.dumps(node))
    MotionStatistics.load(path)  # whole, it loads
    path.write_text(json.dumps(node | change))
    with pytest.raises(InputError, match=message) as caught:
        MotionStatistics.load(path)
    assert "statistics.json" in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_no_json_no_statistics(tmp_path, text):
    path = tmp_path / "statistics.json"
    path.write_text(text)
    with pytest.raises(InputError, match="not a statistics file"):
        MotionStatistics.load(path)
    with pytest.raises(InputError, match="no such file"):
        MotionStatistics.load(tmp_path / "other.json")
