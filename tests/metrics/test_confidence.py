import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emage.errors import InputError
from emage.metrics.confidence import intervals, paired_differences, shifted_interval
from emage.metrics.diversity import PairwiseDiversity
from emage.metrics.fgd import FGD
from emage.metrics.fgd_windows import principal_windows
from emage.metrics.recording_sums import RecordingSums, ratio


class Mean(RecordingSums):
    """The plainest metric: a mean over recordings."""

    score_names = ("mean", "scale")
    limits = {"scale": (0.0, np.inf)}

    def update(self, value: float | None, recording_id: str | None = None) -> None:
        known = value is not None
        self._add(recording_id, total=value if known else 0.0, square=value**2 if known else 0.0, count=known)

    def _scores(self, sums: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {
            "mean": ratio(sums["total"], sums["count"]),
            "scale": np.sqrt(ratio(sums["square"], sums["count"])),
        }


def mean_of(values: list[float | None], names: list[str] | None = None) -> Mean:
    metric = Mean()
    for i, value in enumerate(values):
        metric.update(value, None if names is None else names[i])
    return metric


def test_the_interval_of_a_mean_is_that_of_the_textbook():
    values = np.random.default_rng(0).normal(5, 2, 200)
    found = intervals(mean_of(list(values)))["mean"]
    error = values.std(ddof=1) / np.sqrt(200)
    assert found.value == pytest.approx(values.mean())
    assert found.standard_error == pytest.approx(error, rel=0.1)
    assert (found.low, found.high) == pytest.approx(
        (values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.2 * error
    )
    assert (found.num_draws, found.num_recordings, found.num_seeds, found.level) == (1000, 200, 1, 0.95)


def test_nineteen_of_twenty_intervals_hold_the_truth():
    """Skewed values, 40 recordings, as a metric has them."""
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        found = intervals(mean_of(list(generator.exponential(1.0, 40))), num_draws=300)["mean"]
        held += found.low <= 1.0 <= found.high
    assert 0.88 <= held / 300 <= 0.99


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=2, max_size=30), st.floats(-100, 100), st.floats(0.5, 0.99))
def test_the_interval_always_holds_the_value(draws, value, level):
    low, high = shifted_interval(value, np.array(draws), level)
    assert low <= value <= high
    low, high = shifted_interval(abs(value), np.array(draws), level, limits=(0.0, np.inf))
    assert 0 <= low <= abs(value) <= high


def test_the_draws_of_fgd_are_biased_and_its_interval_holds_it_all_the_same():
    generator = np.random.default_rng(0)
    references = [generator.standard_normal((200, 4)).cumsum(axis=0) for _ in range(12)]
    metric = FGD(principal_windows(references))
    for motion in references:
        metric.update(motion + generator.normal(0, 0.1, motion.shape), motion)
    found = intervals(metric)["fgd"]
    assert found.num_draws == 200
    assert found.low <= found.value <= found.high
    assert found.low >= 0
    same = FGD(principal_windows(references))
    for motion in references:
        same.update(motion, motion)
    assert intervals(same, num_draws=20)["fgd"].value == pytest.approx(0, abs=1e-6)


def test_one_recording_gives_no_interval_and_says_why():
    for metric in (mean_of([3.0]), mean_of([3.0, None, None])):
        found = intervals(metric)["mean"]
        assert (found.value, found.low, found.high) == (3.0, None, None)
        assert found.reason.startswith("one recording")
        assert found.excludes_zero is None
    empty = intervals(mean_of([None, None]))["mean"]
    assert (empty.value, empty.reason) == (None, "nothing could be scored")
    assert intervals(Mean())["mean"].reason == "nothing could be scored"
    assert intervals(mean_of([1.0, 2.0]))["mean"].reason == ""


def test_the_same_seed_gives_the_same_interval_in_any_order():
    names = [f"take_{i}" for i in range(9)]
    values = list(np.random.default_rng(0).normal(size=9))
    first = intervals(mean_of(values, names))
    for ends in ("low", "high", "value"):
        turned = getattr(intervals(mean_of(values[::-1], names[::-1]))["mean"], ends)
        assert turned == pytest.approx(getattr(first["mean"], ends), rel=1e-9)
    assert intervals(mean_of(values, names), seed=1)["mean"].low != first["mean"].low


def test_a_paired_difference_is_sure_where_the_two_intervals_overlap():
    generator = np.random.default_rng(0)
    hard = generator.normal(0, 10, 30)  # how hard each recording is, for both systems
    a, b = mean_of(list(hard + 1 + generator.normal(0, 0.5, 30))), mean_of(list(hard + generator.normal(0, 0.5, 30)))
    apart = intervals(a)["mean"], intervals(b)["mean"]
    assert apart[0].low < apart[1].high
    difference = paired_differences(a, b)["mean"]
    assert difference.value == pytest.approx(apart[0].value - apart[1].value)
    assert difference.low > 0
    assert difference.excludes_zero is True
    turned = paired_differences(b, a)["mean"]
    assert (turned.low, turned.high) == pytest.approx((-difference.high, -difference.low), abs=1e-9)
    none = paired_differences(a, a)["mean"]
    assert (none.value, none.low, none.high, none.excludes_zero) == (0, 0, 0, False)


def test_more_seeds_are_not_more_recordings():
    """Three copies of one run say no more than one; runs that differ widen the interval."""
    values = np.random.default_rng(0).normal(0, 1, 25)
    alone = intervals(mean_of(list(values)))["mean"]
    copies = intervals([mean_of(list(values)) for _ in range(3)])["mean"]
    assert (copies.value, copies.low, copies.high) == pytest.approx((alone.value, alone.low, alone.high))
    assert (copies.num_seeds, copies.num_recordings, copies.seed_std) == (3, 25, 0.0)
    shifted = intervals([mean_of(list(values + shift)) for shift in (-1.0, 0.0, 1.0)])["mean"]
    assert shifted.value == pytest.approx(alone.value)
    assert shifted.seed_std == pytest.approx(1.0)
    assert shifted.high - shifted.low > 1.5 * (alone.high - alone.low)
    assert alone.seed_std is None


def test_differences_of_systems_with_seeds():
    values = np.random.default_rng(0).normal(0, 1, 25)
    a = [mean_of(list(values + 3 + shift)) for shift in (-0.1, 0.1)]
    found = paired_differences(a, mean_of(list(values)))["mean"]
    assert found.value == pytest.approx(3)
    assert found.excludes_zero
    assert found.num_seeds == 1


def test_pairwise_diversity_can_be_drawn_too():
    metric = PairwiseDiversity(window_frames=10)
    for seed in range(8):
        metric.update(np.random.default_rng(seed).standard_normal((60, 3)) * (1 + seed / 4))
    found = intervals(metric)["pairwise_diversity"]
    assert found.low < found.value < found.high
    assert found.value == pytest.approx(metric.compute()["pairwise_diversity"])


def test_other_recordings_cannot_be_compared():
    a, b = mean_of([1.0, 2.0], ["a", "b"]), mean_of([1.0, 2.0], ["a", "c"])
    with pytest.raises(InputError, match="only one side has b, c"):
        paired_differences(a, b)
    with pytest.raises(InputError, match="only one side has b, c"):
        intervals([a, b])
    with pytest.raises(InputError, match="got no metric"):
        intervals([])


def test_to_dict_is_plain():
    found = intervals(mean_of([1.0, 2.0, 4.0]))["mean"].to_dict()
    assert set(found) >= {"value", "low", "high", "reason", "method", "num_recordings"}
    assert all(isinstance(value, str | float | int | None) for value in found.values())
