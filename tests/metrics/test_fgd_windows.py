import numpy as np
import pytest
import torch

from emage.errors import InputError
from emage.metrics import fgd_windows
from emage.metrics.fgd import FGD, frechet_distance
from emage.metrics.fgd_windows import WholeWindows, principal_windows


def motions(count: int, *, seed: int = 0, num_frames: int = 120, num_columns: int = 6) -> list[np.ndarray]:
    """Smooth recordings whose directions have very different variances."""
    generator = np.random.default_rng(seed)
    mix = np.random.default_rng(99).standard_normal((8, num_columns)) * 0.7 ** np.arange(8)[:, None]
    walks = generator.standard_normal((count, num_frames + 7, 8)).cumsum(axis=1)
    return list((walks[:, 7:] - walks[:, :-7]) @ mix)


def windows(motion: np.ndarray) -> np.ndarray:
    return np.stack([motion[start : start + 34].ravel() for start in range(0, len(motion) - 33, 10)])


@pytest.mark.parametrize("exact_size", [0, 10_000])
@pytest.mark.parametrize(("count", "num_columns"), [(12, 6), (60, 2)])
def test_the_space_is_that_of_the_singular_vectors(monkeypatch, exact_size, count, num_columns):
    monkeypatch.setattr(fgd_windows, "EXACT_SIZE", exact_size)
    monkeypatch.setattr(fgd_windows, "BLOCK", 12)
    monkeypatch.setattr(fgd_windows, "MAX_COLUMNS", 60)
    references = motions(count, num_columns=num_columns)
    space = principal_windows(references, num_components=10)
    together = np.concatenate([windows(motion) for motion in references])
    centred = together - together.mean(axis=0)
    _, values, vectors = np.linalg.svd(centred, full_matrices=False)
    overlap = torch.linalg.svdvals(torch.from_numpy(vectors[:10]) @ space.basis)
    assert overlap.min() > 1 - 1e-6
    described = space.describe()
    assert described["variance_kept"] == pytest.approx((values[:10] ** 2).sum() / (values**2).sum(), rel=1e-6)
    assert (described["num_components"], described["num_values"]) == (10, 34 * num_columns)
    assert described["num_windows_fitted"] == described["num_windows_reference"] == len(together)
    torch.testing.assert_close(space.basis.T @ space.basis, torch.eye(10).double(), atol=1e-9, rtol=0)


@pytest.mark.parametrize("rank", [1, 5, 12, 30])
def test_a_reference_of_low_rank_ends_the_iteration(monkeypatch, rank):
    """Joints that never move, and others that move together: there are fewer directions than were asked for."""
    for name, value in (("EXACT_SIZE", 0), ("BLOCK", 12), ("MAX_COLUMNS", 60)):
        monkeypatch.setattr(fgd_windows, name, value)
    generator = np.random.default_rng(0)
    poses = generator.standard_normal((rank, 34 * 4))
    references = [(generator.standard_normal(rank) @ poses).reshape(34, 4) for _ in range(80)]
    space = principal_windows(references, num_components=10)
    described = space.describe()
    assert described["num_components"] == min(rank, 10)
    torch.testing.assert_close(space.basis.T @ space.basis, torch.eye(min(rank, 10)).double(), atol=1e-9, rtol=0)
    together = np.stack([motion.ravel() for motion in references])
    values = np.linalg.svd(together - together.mean(axis=0), compute_uv=False) ** 2
    assert described["variance_kept"] == pytest.approx(values[:10].sum() / values.sum(), abs=1e-5)


def test_fgd_in_that_space_is_the_distance_of_the_projections():
    references, generated = motions(8), motions(8, seed=1)
    metric = FGD(principal_windows(references, num_components=5))
    for pair in zip(generated, references, strict=True):
        metric.update(*pair)
    sets = [np.concatenate([windows(motion) for motion in side]) for side in (generated, references)]
    axes = np.linalg.svd(sets[1] - sets[1].mean(axis=0), full_matrices=False)[2][:5]
    assert metric.compute()["fgd"] == pytest.approx(frechet_distance(sets[0] @ axes.T, sets[1] @ axes.T), rel=1e-5)
    assert metric.compute()["num_features"] == 5


@pytest.mark.parametrize("count", [2, 20])
def test_the_reference_against_itself_is_zero_and_shuffled_time_is_not(count):
    references = motions(count)
    space = principal_windows(references)
    same, shuffled = FGD(space), FGD(space)
    generator = np.random.default_rng(0)
    for motion in references:
        same.update(motion, motion)
        shuffled.update(generator.permutation(motion), motion)
    trace = sum(float(np.var(windows(motion), axis=0).sum()) for motion in references)
    assert 0 <= same.compute()["fgd"] < 1e-6 * trace
    assert shuffled.compute()["fgd"] > 0.01 * trace


def test_order_does_not_matter_and_batch_size_neither():
    references, generated = motions(10), motions(10, seed=1)

    def distance(order: list[int], batch_windows: int) -> float:
        metric = FGD(principal_windows([references[i] for i in order]), batch_windows=batch_windows)
        for i in order:
            metric.update(generated[i], references[i], recording_id=str(i))
        return metric.compute()["fgd"]

    order = list(range(10))
    assert distance(order[::-1], 512) == pytest.approx(distance(order, 512), rel=1e-9)
    assert distance(order, 1) == pytest.approx(distance(order, 512), rel=1e-9)


def test_a_large_reference_is_sampled_by_content_and_not_by_order():
    references = motions(30)
    size = references[0].astype(np.float32).nbytes
    first = principal_windows(references, max_bytes=8 * size)
    again = principal_windows(references[::-1], max_bytes=8 * size)
    assert torch.equal(first.basis, again.basis)
    described = first.describe()
    assert described["num_windows_fitted"] == 8 * 9
    assert (described["num_windows_reference"], described["num_recordings_reference"]) == (30 * 9, 30)
    assert described["num_components"] == 64


def test_recordings_of_different_lengths_are_sampled_alike_in_any_order():
    references = [motion[: 40 + 3 * i] for i, motion in enumerate(motions(25))]
    spaces = []
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(25)
        spaces.append(principal_windows([references[i] for i in order], max_bytes=15_000).describe())
    assert all(space == spaces[0] for space in spaces)
    assert spaces[0]["num_windows_fitted"] < spaces[0]["num_windows_reference"]


def test_fewer_windows_than_components_give_as_many_as_they_span():
    reference = motions(1, num_frames=34 + 20)  # 3 windows
    assert principal_windows(reference).describe()["num_components"] == 2
    still = np.ones((60, 3))
    metric = FGD(principal_windows([still]))
    metric.update(still, still)
    assert metric.compute()["fgd"] == 0


def test_full_dimension_on_request():
    references, generated = motions(3, num_columns=2), motions(3, seed=1, num_columns=2)
    metric = FGD(WholeWindows(), keep_recordings=False)
    for pair in zip(generated, references, strict=True):
        metric.update(*pair)
    sets = [np.concatenate([windows(motion) for motion in side]) for side in (generated, references)]
    assert metric.compute()["fgd"] == pytest.approx(frechet_distance(*sets), rel=1e-5)
    assert metric.compute()["num_features"] == 68


def test_arguments_are_not_altered():
    references = motions(4)
    copies = [motion.copy() for motion in references]
    principal_windows(references)
    assert all(np.array_equal(a, b) for a, b in zip(references, copies, strict=True))


@pytest.mark.parametrize(
    ("references", "message"),
    [
        ([], "0 reference windows"),
        ([np.zeros((33, 3))], "0 reference windows"),
        ([np.zeros((60, 3)), np.zeros((60, 4))], r"\[3, 4\] columns"),
        ([np.full((60, 3), np.nan)], "finite values"),
        ([np.zeros(60)], r"shape \(60,\)"),
    ],
)
def test_bad_references_are_named(references, message):
    with pytest.raises(InputError, match=message):
        principal_windows(references)
