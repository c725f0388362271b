"""Which causes a model knows: the numbers of tools/causes.py against what would show that it does.

The limits leave room for a small model; the real motion beside them shows how far the measures themselves reach.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Rows = dict[str, Any]  # what causes.measure_causes returns


@dataclass(frozen=True)
class Criterion:
    """One thing that must be seen.

    Attributes:
        what: for people.
        value: of a model.
        wanted: for people.
        holds: whether a value shows it.
        real: the same of the real motion, where there is such a thing.
        digits: behind the point.
    """

    what: str
    value: Callable[[Rows], float | None]
    wanted: str
    holds: Callable[[float], bool]
    real: Callable[[Rows], float | None] = lambda rows: None
    digits: int = 2


def _excess(condition: str) -> Callable[[Rows], float | None]:
    return lambda rows: _at(rows, "stress", condition, "excess")


def _share(*path: str) -> Callable[[Rows], float | None]:
    return lambda rows: _at(rows, *path)


def _at(rows: Rows, *path: str) -> float | None:
    found: Any = rows
    for name in path:
        if found is None or name not in found:
            return None
        found = found[name]
    return found


def _above(limit: float) -> dict[str, Any]:
    return {"wanted": f"above {limit:g}", "holds": lambda value: value > limit}


def _at_most(limit: float) -> dict[str, Any]:
    return {"wanted": f"at most {limit:g}", "holds": lambda value: value <= limit}


def _near_zero(limit: float) -> dict[str, Any]:
    return {"wanted": f"0 ± {limit:g}", "holds": lambda value: abs(value) <= limit}


CRITERIA: tuple[Criterion, ...] = (
    Criterion("stresses met by a stroke, over chance", _excess("matched"), real=_excess("real"), **_above(0.3)),
    Criterion("the same with audio and words of another recording", _excess("mismatched"), **_near_zero(0.1)),
    Criterion("stresses met without words, over those with them", _share("stress", "recall_kept_without_words"), **_above(0.8)),
    Criterion("keywords met by a stroke, over chance", _share("homophone", "generated", "keyword", "excess"),
              real=_share("homophone", "real", "keyword", "excess"), **_above(0.2)),
    Criterion("the same, the text of each replaced by its homophone",
              _share("homophone", "generated", "keyword_made_twin", "excess"), **_at_most(0.05)),
    Criterion("homophones met by a stroke, over chance", _share("homophone", "generated", "twin", "excess"),
              real=_share("homophone", "real", "twin", "excess"), **_at_most(0.05)),
    Criterion("the same, the text of each replaced by the keyword",
              _share("homophone", "generated", "twin_made_keyword", "excess"), **_above(0.2)),
    Criterion("keywords with their own gesture (chance 0.17)", _share("keyword", "matched", "share"),
              real=_share("keyword", "real", "share"), **_above(0.5)),
    Criterion("gesture of another keyword, if the text says that one", _share("keyword", "other_keyword", "share"), **_above(0.5)),
    Criterion("size of the strokes, label anger over sadness (rule: 2)", _share("emotion", "ratio"), **_above(1.2)),
    Criterion("strokes by the hand of the label", _share("speaker", "matched", "share"),
              real=_share("speaker", "real", "share"), **_above(0.8)),
    Criterion("the same with the label of somebody who uses the other hand", _share("speaker", "swapped", "share"), **_above(0.8)),
    Criterion("jawOpen correlation", _share("mouth", "matched", "correlation"), **_above(0.5)),
    Criterion("the same without audio and words (another real face: 0.11)",
              _share("mouth", "without_audio_and_words", "correlation"), **_at_most(0.25)),
    Criterion("right arm given for seconds 2 to 5: largest error, degrees", _share("editing", "largest_error_deg"), digits=4,
              **_at_most(0.1)),
    Criterion("acceleration at its borders: share within the real 99th percentile", _share("editing", "within"),
              real=_share("editing", "real_within"), **_above(0.95)),
)  # fmt: skip


def judge_causes(masked: Sequence[Rows], camn: Sequence[Rows] | None) -> list[dict[str, Any]]:
    """One row a criterion, over all seeds.

    Args:
        masked: rows of each seed of the model that is judged.
        camn: those of the baseline, shown beside it.

    Returns:
        Rows of `what`, `real`, `camn`, `masked` and `wanted` (text), `values` of the seeds and `seen`: whether the mean
        over the seeds shows it.
    """
    found = []
    for criterion in CRITERIA:
        values = _values(masked, criterion)
        found.append(
            {
                "what": criterion.what,
                "real": _text([value] if (value := criterion.real(masked[0])) is not None else [], criterion.digits),
                "camn": _text(_values(camn or (), criterion), criterion.digits),
                "masked": _text(values, criterion.digits),
                "wanted": criterion.wanted,
                "values": values,
                "seen": bool(values) and bool(criterion.holds(sum(values) / len(values))),
            }
        )
    return found


def _values(rows: Sequence[Rows], criterion: Criterion) -> list[float]:
    values = [criterion.value(row) for row in rows]
    return [value for value in values if value is not None]


def _text(values: Sequence[float], digits: int) -> str:
    if not values:
        return "-"
    mean = f"{sum(values) / len(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.{digits}f} to {max(values):.{digits}f})"
