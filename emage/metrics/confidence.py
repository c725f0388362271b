"""How sure a score is: bootstrap intervals over recordings, paired differences between systems, several seeds pooled.

The unit that is drawn again is the RECORDING: frames and windows of one are no independent witnesses. Recordings are
drawn from their summaries, which the metrics keep, so nothing is generated or read again. The draws of some scores are
biased (an FGD of repeated recordings is too large: they span less), so they are shifted until their median is the
score itself: the interval then always holds it. One recording alone says nothing of the spread: no interval, and why.

Several seeds of one system are scored in one metric object each. The score is the mean over the seeds; a draw takes the
same recordings for all of them, and draws among the seeds too, so that more seeds are never counted as more recordings.

Shapes: R recordings, N draws.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from emage.errors import InputError

LEVEL = 0.95
METHOD = "bootstrap over recordings, shifted so that its median is the value"


class Resampled(Protocol):
    """What the metric classes offer: see recording_sums.RecordingSums and fgd.FGD."""

    score_names: tuple[str, ...]
    num_resamples: int
    limits: dict[str, tuple[float, float]]

    @property
    def recording_ids(self) -> tuple[str, ...]: ...

    def scored(self) -> dict[str, np.ndarray]: ...

    def resampled(self, counts: np.ndarray) -> dict[str, np.ndarray]: ...


@dataclass(frozen=True)
class Interval:
    """A score and how sure it is.

    Attributes:
        value: the score (of several seeds: their mean; of two systems: the difference); None where nothing was scored.
        low: lower end of the interval; None where there is none.
        high: upper end.
        standard_error: standard deviation of the draws.
        bias: median of the draws minus the value, before they are shifted.
        seed_std: standard deviation over the seeds; None for one.
        num_recordings: recordings that have a part in the score.
        num_seeds: metric objects pooled (of two systems: the fewer).
        num_draws: draws that gave a score.
        level: share of the draws within the interval.
        reason: why there is no interval; "" where there is one.
    """

    value: float | None
    low: float | None
    high: float | None
    standard_error: float | None
    bias: float | None
    seed_std: float | None
    num_recordings: int
    num_seeds: int
    num_draws: int
    level: float
    reason: str = ""

    @property
    def excludes_zero(self) -> bool | None:
        """Of a difference: whether the two systems can be told apart; None without an interval."""
        return None if self.low is None or self.high is None else not self.low <= 0 <= self.high

    def to_dict(self) -> dict[str, Any]:
        """Plain values for json, with the method."""
        return {**asdict(self), "method": METHOD}


def intervals(
    metrics: Resampled | Sequence[Resampled],
    *,
    num_draws: int | None = None,
    level: float = LEVEL,
    seed: int = 0,
) -> dict[str, Interval]:
    """Every score of a metric with its interval.

    Args:
        metrics: one metric object, or one a seed, over the same recordings.
        num_draws: how often recordings are drawn; None: the metric's own (200 for FGD, 1000 for the rest).
        level: of the interval.
        seed: of the draws; recordings are taken in the order of their ids.

    Returns:
        Score name -> Interval.

    Raises:
        InputError: seeds over different recordings.
    """
    seeds = _as_seeds(metrics)
    ids = _common_ids(seeds)
    draws = num_draws or seeds[0].num_resamples
    value, spread, taken = _draw(seeds, ids, draws, np.random.default_rng(seed), np.random.default_rng((seed, 1)))
    limits = seeds[0].limits
    scored = _scored_by_all(seeds)
    return {
        name: _interval(
            value[name],
            taken[name],
            num_recordings=int(scored[name].sum()),
            seed_std=spread[name],
            num_seeds=len(seeds),
            level=level,
            limits=limits.get(name, (-np.inf, np.inf)),
        )
        for name in seeds[0].score_names
    }


def paired_differences(
    metrics_a: Resampled | Sequence[Resampled],
    metrics_b: Resampled | Sequence[Resampled],
    *,
    num_draws: int | None = None,
    level: float = LEVEL,
    seed: int = 0,
) -> dict[str, Interval]:
    """Every score of system A minus that of system B, on the same recordings drawn together.

    What both find easy or hard cancels out, so a difference can be sure where the two intervals overlap.

    Args:
        metrics_a: one metric object of system A, or one a seed.
        metrics_b: of system B, over recordings of the same ids.
        num_draws: how often recordings are drawn; None: the metric's own.
        level: of the interval.
        seed: of the draws.

    Returns:
        Score name -> Interval of the difference; see `Interval.excludes_zero`.

    Raises:
        InputError: the two were not scored on the same recordings.
    """
    systems = _as_seeds(metrics_a), _as_seeds(metrics_b)
    ids = _common_ids([*systems[0], *systems[1]])
    draws = num_draws or systems[0][0].num_resamples
    # One generator of recordings, started twice: the same are drawn for both. Seeds are drawn apart.
    a, b = (
        _draw(seeds, ids, draws, np.random.default_rng(seed), np.random.default_rng((seed, number)))
        for number, seeds in enumerate(systems, 1)
    )
    scored = [_scored_by_all(seeds) for seeds in systems]
    return {
        name: _interval(
            a[0][name] - b[0][name],
            a[2][name] - b[2][name],
            num_recordings=int((scored[0][name] & scored[1][name]).sum()),
            seed_std=None,
            num_seeds=min(len(seeds) for seeds in systems),
            level=level,
            limits=(-np.inf, np.inf),
        )
        for name in systems[0][0].score_names
        if name in systems[1][0].score_names
    }


def shifted_interval(
    value: float, draws: np.ndarray, level: float = LEVEL, limits: tuple[float, float] = (-np.inf, np.inf)
) -> tuple[float, float]:
    """Percentile interval of draws that are shifted so that their median is the value; it always holds the value.

    Args:
        value: the score.
        draws: (N,) scores of the draws, finite.
        level: share of the draws within.
        limits: what the score can be; the ends are cut there.
    """
    low, middle, high = np.quantile(draws, [(1 - level) / 2, 0.5, (1 + level) / 2])
    ends = np.clip([value + (low - middle), value + (high - middle)], *limits)
    return min(float(ends[0]), value), max(float(ends[1]), value)


def _as_seeds(metrics: Resampled | Sequence[Resampled]) -> list[Resampled]:
    seeds = list(metrics) if isinstance(metrics, Sequence) else [metrics]
    if not seeds:
        raise InputError("confidence: got no metric; give one, or one a seed")
    return seeds


def _common_ids(seeds: Sequence[Resampled]) -> tuple[str, ...]:
    ids = seeds[0].recording_ids
    for other in seeds[1:]:
        if other.recording_ids != ids:
            odd = sorted(set(ids) ^ set(other.recording_ids))
            more = f" and {len(odd) - 3} more" if len(odd) > 3 else ""
            raise InputError(
                "confidence: systems and seeds are compared on the same recordings; only one side has "
                f"{', '.join(odd[:3])}{more}"
            )
    return ids


def _scored_by_all(seeds: Sequence[Resampled]) -> dict[str, np.ndarray]:
    found = [metric.scored() for metric in seeds]
    return {name: np.logical_and.reduce([scored[name] for scored in found]) for name in found[0]}


def _draw(
    seeds: Sequence[Resampled],
    ids: tuple[str, ...],
    num_draws: int,
    recordings: np.random.Generator,
    seed_draws: np.random.Generator,
) -> tuple[dict[str, float], dict[str, float | None], dict[str, np.ndarray]]:
    """Mean over the seeds, their standard deviation, and the draws (N,) of each score."""
    num_recordings = len(ids)
    names = seeds[0].score_names
    if num_recordings == 0:
        empty = np.full(0, np.nan)
        return dict.fromkeys(names, np.nan), dict.fromkeys(names), dict.fromkeys(names, empty)
    # How often each recording is drawn; the first row is the recordings themselves.
    counts = np.ones((1 + num_draws, num_recordings))
    counts[1:] = recordings.multinomial(num_recordings, np.full(num_recordings, 1 / num_recordings), size=num_draws)
    scores = [metric.resampled(counts) for metric in seeds]
    weights = seed_draws.multinomial(len(seeds), np.full(len(seeds), 1 / len(seeds)), size=num_draws) / len(seeds)
    value, spread, taken = {}, {}, {}
    for name in names:
        table = np.stack([seed_scores[name] for seed_scores in scores], axis=1)  # (1 + N, seeds)
        value[name] = float(table[0].mean())
        spread[name] = float(table[0].std(ddof=1)) if len(seeds) > 1 else None
        taken[name] = (table[1:] * weights).sum(axis=1)
    return value, spread, taken


def _interval(
    value: float,
    draws: np.ndarray,
    *,
    num_recordings: int,
    seed_std: float | None,
    num_seeds: int,
    level: float,
    limits: tuple[float, float],
) -> Interval:
    draws = draws[np.isfinite(draws)]
    reason = ""
    if not np.isfinite(value):
        reason = "nothing could be scored"
    elif num_recordings < 2:
        reason = "one recording: it does not show how much recordings differ"
    elif len(draws) < 2:
        reason = "no draw of the recordings could be scored"
    known = {"num_recordings": num_recordings, "num_seeds": num_seeds, "level": level, "seed_std": seed_std}
    shown = float(value) if np.isfinite(value) else None
    if reason:
        return Interval(shown, None, None, None, None, num_draws=0, reason=reason, **known)
    low, high = shifted_interval(float(value), draws, level, limits)
    bias = float(np.median(draws) - value)
    return Interval(shown, low, high, float(draws.std(ddof=1)), bias, num_draws=len(draws), **known)
