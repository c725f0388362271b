import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from emage.errors import InputError
from emage.metrics.fgd import FGD, GaussianSummary, frechet_distance


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gaussian(mean: Tensor, covariance: Tensor) -> GaussianSummary:
    return GaussianSummary(101, mean, covariance * 100)


def test_closed_form_of_gaussians_with_common_axes():
    """Then the distance is |m1 - m2|^2 plus the squared differences of the standard deviations along each axis."""
    axes = torch.linalg.qr(normal(5, 5)).Q
    std_a, std_b = torch.tensor([1.0, 2, 3, 0, 5]).double(), torch.tensor([1.5, 2, 1, 4, 0]).double()
    mean_a, mean_b = normal(5, seed=1), normal(5, seed=2)
    a, b = (gaussian(m, axes @ torch.diag(s**2) @ axes.T) for m, s in ((mean_a, std_a), (mean_b, std_b)))
    expected = (mean_a - mean_b).square().sum() + (std_a - std_b).square().sum()
    assert a.distance(b) == pytest.approx(expected.item(), rel=1e-9)


def test_scipy_agrees_where_the_covariances_are_full():
    a, b = normal(200, 8), normal(150, 8, seed=1) @ normal(8, 8, seed=2) + 1
    covariances = [np.cov(x.numpy(), rowvar=False) for x in (a, b)]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    mean = a.mean(dim=0) - b.mean(dim=0)
    expected = mean.square().sum().item() + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("num_vectors", [2, 10, 500])
def test_equal_sets_are_at_distance_zero_also_when_rank_deficient(num_vectors):
    features = 100 * normal(num_vectors, 60) + 1000
    distance = frechet_distance(features, features.flip(0))
    assert 0 <= distance < 1e-6 * features.var()
    assert frechet_distance(features, features) < 1e-6 * features.var()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), dim=st.integers(1, 12), count=st.integers(2, 20))
def test_never_negative_and_symmetric(seed, dim, count):
    a, b = normal(count, dim, seed=seed), normal(count + 3, dim, seed=seed + 1)
    assert frechet_distance(a, b) >= 0
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-7, abs=1e-9)


def test_a_shift_adds_its_square_and_nothing_else():
    features = normal(80, 6)
    distances = [frechet_distance(features, features + shift) for shift in (0.0, 0.1, 0.5, 2.0, 10.0)]
    assert distances == pytest.approx([6 * shift**2 for shift in (0.0, 0.1, 0.5, 2.0, 10.0)], rel=1e-9, abs=1e-9)


def test_a_turn_of_the_feature_space_changes_nothing():
    a, b = normal(60, 7), normal(60, 7, seed=1) * 2 + 1
    turn = torch.linalg.qr(normal(7, 7, seed=2)).Q
    assert frechet_distance(a @ turn, b @ turn) == pytest.approx(frechet_distance(a, b), rel=1e-9)


def test_summaries_added_in_pieces_are_those_of_the_whole():
    features = normal(100, 5) + 1e6  # sums of squares would lose all digits of the variance
    parts = [GaussianSummary.of(features[i:j]) for i, j in ((0, 0), (0, 1), (1, 40), (40, 40), (40, 100))]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    assert total.count == 100
    torch.testing.assert_close(total.mean, features.mean(dim=0))
    torch.testing.assert_close(total.covariance(), torch.cov(features.T), rtol=1e-6, atol=0)


class Encoder(nn.Module):
    """Features of a window: a normalised random projection, with a dropout that eval mode must switch off."""

    def __init__(self, num_columns: int, num_features: int = 4) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.project = nn.Linear(num_columns, num_features)
        self.norm = nn.BatchNorm1d(num_features)
        self.drop = nn.Dropout(0.5)

    def encode(self, windows: Tensor) -> Tensor:
        return self.drop(self.norm(self.project(windows).mean(dim=1) + self.project(windows).std(dim=1)))


def windows(motion: Tensor) -> Tensor:
    return torch.stack([motion[start : start + 34] for start in range(0, len(motion) - 33, 10)])


def recordings(count: int, *, seed: int = 0, num_frames: int = 100) -> list[Tensor]:
    return [normal(num_frames + i, 3, seed=seed + i).float() for i in range(count)]


def test_windows_of_all_recordings_count_alike():
    network = Encoder(3)
    metric = FGD(network)
    generated, reference = recordings(3), recordings(3, seed=50)
    for pair in zip(generated, reference, strict=True):
        metric.update(*pair)
    network.eval()
    features = [torch.cat([network.encode(windows(m)) for m in side]).detach() for side in (generated, reference)]
    result = metric.compute()
    assert result["fgd"] == pytest.approx(frechet_distance(*features), rel=1e-5)
    assert result["num_windows_generated"] == result["num_windows_reference"] == 7 + 7 + 7
    assert result["num_recordings"] == 3
    assert (result["window_frames"], result["stride_frames"], result["num_features"]) == (34, 10, 4)


def test_the_network_is_in_eval_mode_and_gets_its_modes_back_unchanged():
    network = Encoder(3).train()
    network.norm.eval()  # frozen, as in a training run
    before = {name: value.clone() for name, value in network.state_dict().items()}
    metric = FGD(network)
    metric.update(recordings(1)[0], recordings(1)[0])
    assert metric.compute()["fgd"] < 1e-9
    assert (network.training, network.drop.training, network.norm.training) == (True, True, False)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_modes_come_back_after_an_error_too():
    network = Encoder(3).train()
    with pytest.raises(RuntimeError):
        FGD(network).update(torch.zeros(50, 2), torch.zeros(50, 2))
    assert network.drop.training


@pytest.mark.parametrize("kind", [torch.Tensor, np.ndarray])
def test_arguments_are_not_altered(kind):
    generated, reference = (x.numpy() if kind is np.ndarray else x for x in recordings(2))
    copies = [np.asarray(generated).copy(), np.asarray(reference).copy()]
    metric = FGD(Encoder(3))
    metric.update(generated, reference)
    metric.split_half()
    metric.compute()
    assert np.array_equal(np.asarray(generated), copies[0])
    assert np.array_equal(np.asarray(reference), copies[1])


def test_recordings_shorter_than_a_window_are_counted_and_not_scored():
    metric, alone = FGD(Encoder(3)), FGD(Encoder(3))
    pair = recordings(2, num_frames=200)
    metric.update(*pair)
    metric.update(torch.zeros(33, 3), torch.zeros(33, 3))
    metric.update(torch.zeros(0, 3), recordings(1)[0][:33])
    alone.update(*pair)
    result = metric.compute()
    assert result["fgd"] == alone.compute()["fgd"]
    assert (result["num_recordings"], result["num_generated_too_short"], result["num_reference_too_short"]) == (3, 2, 2)


def test_nothing_to_measure_gives_none():
    metric = FGD(Encoder(3))
    assert metric.compute()["fgd"] is None
    metric.update(torch.zeros(34, 3), torch.zeros(34, 3))  # one window, no covariance
    assert metric.compute()["fgd"] is None
    assert metric.split_half()["split_half_mean"] is None


def kept_bytes(metric: FGD) -> int:
    """What a metric holds of its recordings."""
    packed = [side for pair in metric._recordings.values() for side in pair if side is not None]
    return sum(tensor.nbytes for side in packed for tensor in (side.mean, side.triangle))


def test_memory_does_not_grow_with_the_frames_and_fits_a_megabyte_at_the_published_size():
    def kept(num_frames: int) -> int:
        metric = FGD(Encoder(3, num_features=300))
        metric.update(*recordings(2, num_frames=num_frames))
        return kept_bytes(metric)

    assert kept(5000) == kept(100) <= 1_000_000


def test_worse_motion_is_further_away():
    reference = recordings(6, num_frames=300)
    distances = []
    for noise in (0.0, 0.3, 1.0, 3.0):
        metric = FGD(Encoder(3))
        for i, motion in enumerate(reference):
            metric.update(motion + noise * normal(len(motion), 3, seed=500 + i).float(), motion)
        distances.append(metric.compute()["fgd"])
    assert distances == sorted(distances)
    assert distances[0] < 1e-9 < distances[1]


def test_split_halves_are_seeded_and_small_beside_a_real_difference():
    metric = FGD(Encoder(3))
    for motion in recordings(12, num_frames=300):
        metric.update(motion * 3 + 1, motion)
    floor = metric.split_half(num_splits=10)
    assert floor == metric.split_half(num_splits=10)
    assert floor["split_half_mean"] != metric.split_half(num_splits=10, seed=1)["split_half_mean"]
    assert (floor["num_splits"], floor["num_recordings"]) == (10, 12)
    assert 0 < floor["split_half_mean"] < 0.2 * metric.compute()["fgd"]


def test_split_halves_are_of_recordings_and_not_of_windows():
    """Two kinds of people: halves of recordings differ, however alike random halves of all the windows would be."""
    metric = FGD(Encoder(3))
    for i, motion in enumerate(recordings(4, num_frames=2000)):
        metric.update(motion, motion + (10 if i < 2 else 0))
    assert metric.split_half(num_splits=20)["split_half_mean"] > 1


@pytest.mark.parametrize(
    ("motion", "message"),
    [(torch.zeros(2, 40, 3), r"generated motion has shape \(2, 40, 3\)"), (torch.full((40, 3), np.nan), "frame 0")],
)
def test_bad_motion_is_named(motion, message):
    with pytest.raises(InputError, match=message):
        FGD(Encoder(3)).update(motion, torch.zeros(40, 3))


def test_one_vector_is_no_set():
    with pytest.raises(InputError, match="got 1 feature vectors"):
        frechet_distance(normal(1, 3), normal(5, 3))


@pytest.mark.parametrize(("a", "b"), [((5, 3), (5, 4)), ((5,), (5,)), ((5, 3), (2, 5, 3))])
def test_sets_of_other_shapes_are_named(a, b):
    with pytest.raises(InputError, match="expected .vectors, features."):
        frechet_distance(normal(*a), normal(*b))


def test_a_feature_that_is_not_finite_is_refused():
    with pytest.raises(InputError, match="not finite"):
        frechet_distance(torch.tensor([[0.0], [float("inf")], [1.0]]), normal(3, 1))


@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e5])
@pytest.mark.parametrize(("count", "dim"), [(3, 40), (41, 40), (400, 40)])
def test_the_published_formula_with_an_eigenvalue_root(scale, count, dim):
    """|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1^(1/2) S2 S1^(1/2))^(1/2), np.cov with ddof 1, in numpy."""
    generator = np.random.default_rng(0)
    a = generator.standard_normal((count, dim)) @ generator.standard_normal((dim, dim)) * scale
    b = generator.standard_normal((count + 2, dim)) * scale + 0.3 * scale
    s1, s2 = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values, vectors = np.linalg.eigh(s1)
    root = vectors @ np.diag(np.sqrt(np.clip(values, 0, None))) @ vectors.T
    mixed = np.sqrt(np.clip(np.linalg.eigvalsh(root @ s2 @ root), 0, None)).sum()
    expected = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(s1) + np.trace(s2) - 2 * mixed
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-5)


def fill(metric: FGD, pairs: list[tuple[Tensor, Tensor]], names: list[str] | None = None) -> FGD:
    for i, (generated, reference) in enumerate(pairs):
        metric.update(generated, reference, recording_id=None if names is None else names[i])
    return metric


def test_order_and_batch_size_do_not_matter():
    network = Encoder(3)
    pairs = list(zip(recordings(6, num_frames=200), recordings(6, seed=50, num_frames=230), strict=True))
    names = [f"take_{i}" for i in range(6)]
    whole = fill(FGD(network), pairs, names)
    turned = fill(FGD(network), pairs[::-1], names[::-1])
    single = fill(FGD(network, batch_windows=1), pairs, names)
    assert turned.compute()["fgd"] == pytest.approx(whole.compute()["fgd"], rel=1e-9)
    assert single.compute()["fgd"] == pytest.approx(whole.compute()["fgd"], rel=1e-5)
    assert turned.split_half()["split_half_mean"] == pytest.approx(whole.split_half()["split_half_mean"], rel=1e-9)


def test_beat2022_normalises_each_recording_by_itself():
    """The published fault: a generated motion that is off by a scale and a shift looks like the real one."""
    reference = recordings(4, num_frames=300)
    pairs = [(3 * motion + 5, motion) for motion in reference]
    network = nn.Sequential()
    network.encode = lambda windows: network.norm(windows.mean(dim=1))
    network.norm = nn.BatchNorm1d(3)
    published = fill(FGD(network, variant="beat2022"), pairs).compute()
    assert published["fgd"] < 1e-6
    assert published["variant"] == "beat2022"
    assert fill(FGD(network), pairs).compute()["fgd"] > 1
    windows_of = [windows(side) for side in pairs[0]]
    by_hand = [w.mean(dim=1) for w in windows_of]
    by_hand = [(x - x.mean(0)) / (x.var(0, unbiased=False) + network.norm.eps).sqrt() for x in by_hand]
    one = fill(FGD(network, variant="beat2022"), pairs[:1]).compute()["fgd"]
    assert one == pytest.approx(frechet_distance(*by_hand), abs=1e-6)


def test_beat2022_leaves_the_network_as_it_was():
    network = Encoder(3).eval()
    network.drop.p = 0.0
    before = {name: value.clone() for name, value in network.state_dict().items()}
    metric = fill(FGD(network, variant="beat2022"), [tuple(recordings(2))])
    assert metric.compute()["fgd"] is not None
    assert not network.norm.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_beat2022_cannot_normalise_one_window():
    metric = fill(FGD(Encoder(3), variant="beat2022"), [(torch.rand(34, 3), torch.rand(60, 3))])
    assert (metric.compute()["fgd"], metric.compute()["num_generated_too_short"]) == (None, 1)


def test_a_resample_is_the_distance_of_the_recordings_repeated():
    network = Encoder(3)
    pairs = list(zip(recordings(4, num_frames=200), recordings(4, seed=50, num_frames=200), strict=True))
    metric = fill(FGD(network), pairs)
    found = metric.resampled(np.array([[1, 1, 1, 1], [2, 0, 1, 1], [0, 0, 4, 0], [0, 0, 0, 0]]))["fgd"]
    network.eval()

    def features(side: int, times: list[int]) -> Tensor:
        return torch.cat(
            [network.encode(windows(p[side])) for p, n in zip(pairs, times, strict=True) for _ in range(n)]
        )

    for value, times in zip(found[:3], ([1, 1, 1, 1], [2, 0, 1, 1], [0, 0, 4, 0]), strict=True):
        expected = frechet_distance(features(0, times).detach(), features(1, times).detach())
        assert value == pytest.approx(expected, rel=1e-5)
    assert np.isnan(found[3])


def test_totals_alone_give_the_same_distance_and_nothing_else():
    network = Encoder(3)
    pairs = [*zip(recordings(4), recordings(4, seed=50), strict=True), (torch.zeros(3, 3), recordings(1, seed=99)[0])]
    metric = fill(FGD(network, keep_recordings=False), pairs)
    assert kept_bytes(metric) == 0
    assert metric.compute()["fgd"] == pytest.approx(fill(FGD(network), pairs).compute()["fgd"], rel=1e-9)
    assert metric.split_half()["split_half_mean"] is None
    assert np.isnan(metric.resampled(np.ones((1, 5)))["fgd"]).all()


def test_a_recording_counts_once():
    metric = FGD(Encoder(3))
    metric.update(*recordings(2), recording_id="a")
    with pytest.raises(InputError, match="recording a was added twice"):
        metric.update(*recordings(2), recording_id="a")


def test_another_variant_is_refused():
    with pytest.raises(InputError, match="got 'train'; choose one of corrected, beat2022"):
        FGD(Encoder(3), variant="train")


@pytest.mark.parametrize("frames", [0, 1, 33])
def test_motion_too_short_for_a_window_is_no_crash(frames):
    metric = FGD(Encoder(3))
    metric.update(torch.zeros(frames, 3), torch.zeros(frames, 3))
    assert metric.compute()["fgd"] is None
