"""Verdict and page of an ablation from made-up numbers: they say what the numbers say, also where it is unwelcome."""

import copy
import json

import pytest
from ablation_page import remarks, results_page
from ablation_plan import CAMN, ITERATIVE, MEAN_POSE, ONE_PASS
from ablation_results import MEASURES, verdict
from cause_judgement import CRITERIA, judge_causes


def share(value: float) -> dict:
    return {"share": value, "low": value - 0.05, "high": value + 0.05, "chance": 0.2, "excess": value - 0.2}


def causes(good: bool = True) -> dict:
    """Rows of tools/causes.py: of a model that knows every cause, or of one that heeds nothing."""
    heeded, unheeded = share(0.9), share(0.2)
    met = heeded if good else unheeded
    return {
        "stress": {
            "real": share(1.0),
            "matched": met,
            "mismatched": unheeded,
            "without_words": met,
            "recall_kept_without_words": 1.0,
        },
        "homophone": {
            "real": {"keyword": share(1.0), "twin": share(0.0)},
            "generated": {
                "keyword": met,
                "keyword_made_twin": share(0.05 if good else 0.4),
                "twin": share(0.05 if good else 0.4),
                "twin_made_keyword": met,
            },
        },
        "keyword": {"real": share(0.95), "matched": met, "other_keyword": met, "still_the_old_one": unheeded},
        "emotion": {"ratio": 1.7 if good else 1.0},
        "speaker": {"real": share(1.0), "matched": met, "swapped": met},
        "mouth": {
            "matched": {"correlation": 0.9 if good else 0.1},
            "without_audio_and_words": {"correlation": 0.05 if good else 0.6},
        },
        "editing": {
            "largest_error_deg": 0.0 if good else 3.0,
            "border_p99_cm_s2": 1800.0 if good else 9000.0,
            "real_p99_cm_s2": 2000.0,
            "within": 0.99 if good else 0.5,
            "real_within": 0.99,
            "elsewhere_within": 0.99,
        },
    }


def seed(number: int, fgd: float) -> dict:
    return {
        "seed": number,
        **dict.fromkeys(MEASURES, 0.4),
        "fgd_network": fgd,
        "training_cpu_s": 400.0,
        "training_wall_s": 800.0,
        "was_killed": False,
        "generation_s": 20.0,
        "device": "cpu",
        "steps": 500,
        "best_step": 450,
        "best_val_loss": 3.0,
        "parameters": 5_000_000,
        "commit": "abc",
    }


def system(fgd: tuple[float, ...], half_width: float) -> dict:
    mean = sum(fgd) / len(fgd)
    measures = {
        key: {"value": 0.4, "low": 0.3, "high": 0.5, "seed_std": 0.01, "ground_truth": 0.5, "reason": ""}
        for key in MEASURES
    }
    measures["fgd_network"] |= {"value": mean, "low": mean - half_width, "high": mean + half_width}
    difference = {"difference": -0.1, "low": -0.2, "high": -0.05, "told_apart": True}
    return {
        "measures": measures,
        "difference_to_camn": dict.fromkeys(MEASURES, difference),
        "seeds": [seed(number, value) for number, value in enumerate(fgd)],
    }


def made_up(
    masked: tuple[float, ...] = (0.5, 0.6), camn: tuple[float, ...] = (1.4, 1.5), half_width: float = 0.2
) -> dict:
    results = {
        "config": "configs/demo/masked_transformer.yaml",
        "seeds": [0, 1],
        "budget": {
            "seconds": 500.0,
            "tokenizers_s": 100.0,
            "validation_losses": {"0.0003": 4.0, "0.001": 3.0, "0.003": 3.5},
        },
        "counts": {"recordings": 60, "frames": 10800, "motion_s": 720.0},
        "fgd_network": {
            "weights_sha256": "0123456789abcdef",
            "steps": 500,
            "layout": "beat_141",
            "features": 32,
            "fps": 15.0,
        },
        "floor": {"split_half_mean": 0.9, "split_half_std": 0.1},
        "real": dict.fromkeys(MEASURES, 0.5),
        "systems": {
            MEAN_POSE: system((20.0,), 1.0) | {"seeds": []},
            CAMN: system(camn, half_width),
            ONE_PASS: system((0.8, 0.9), half_width),
            ITERATIVE: system(masked, half_width),
        },
        "causes": {CAMN: [causes(False), causes(False)], ITERATIVE: [causes(), causes()]},
        "machine": {"device": "cpu", "cores": 2},
    }
    for row in results["systems"][CAMN]["seeds"]:
        row["training_cpu_s"] = 500.0
    return results | {"verdict": verdict(results)}


@pytest.mark.parametrize(
    "masked, camn, half_width, below",
    [
        ((0.5, 0.6), (1.4, 1.5), 0.2, True),
        ((0.5, 0.6), (1.4, 1.5), 0.5, False),  # the intervals meet
        ((0.2, 1.45), (1.4, 1.5), 0.2, False),  # a seed of the one lies above a seed of the other
        ((1.4, 1.5), (0.5, 0.6), 0.2, False),
    ],
)
def test_below_without_overlap(masked, camn, half_width, below):
    results = made_up(masked, camn, half_width)
    assert results["verdict"]["fgd_below_without_overlap"] is below
    assert ("does NOT lie below" in remarks(results)[0]) is not below


def test_without_intervals_nothing_is_claimed():
    results = made_up()
    results["systems"][CAMN]["measures"]["fgd_network"]["low"] = None
    results["verdict"] = verdict(results)
    assert results["verdict"]["fgd_below_without_overlap"] is None
    assert "cannot be said" in remarks(results)[0]


def test_the_tokenizers_count_as_training():
    results = made_up()
    assert results["verdict"]["training_unevenness"] == pytest.approx(0.0)
    for row in results["systems"][ITERATIVE]["seeds"]:
        row["training_cpu_s"] = 600.0
    results["verdict"] = verdict(results)
    assert results["verdict"]["training_unevenness"] == pytest.approx(0.4)
    assert any("not even: +40 %" in line for line in remarks(results))


def test_the_page_is_whole_and_its_tables_are_even():
    results = made_up()
    page = results_page(results)
    assert json.loads(json.dumps(results)) == results
    for heading in ("How fair", "Numbers", "Seed by seed", "Causes", "What the numbers say"):
        assert f"\n## {heading}\n" in page
    assert "0.550 ± 0.010 [0.350, 0.750]" in page
    tables = [block.splitlines() for block in page.split("\n\n") if block.startswith("|")]
    assert len(tables) == 5
    for table in tables:
        assert len({line.count("|") for line in table}) == 1
    assert "| **no** |" not in page
    assert "None" not in page


def test_a_cause_that_is_not_seen_is_named():
    results = made_up()
    results["causes"][ITERATIVE][1]["emotion"]["ratio"] = 0.5  # mean over the seeds: 1.1
    assert "size of the strokes" in next(
        line for line in remarks(results) if line.startswith("Causes that are not seen")
    )
    assert results_page(results).count("| **no** |") == 1
    assert "Every cause is seen." in remarks(made_up())


def test_every_criterion_tells_a_model_that_knows_from_one_that_does_not():
    good, bad = ({row["what"]: row["seen"] for row in judge_causes([causes(kind)], None)} for kind in (True, False))
    assert len(good) == len(CRITERIA)
    assert all(good.values())
    kept = {what for what, seen in bad.items() if seen}
    # Who strokes at random does so too with another's sound, and loses nothing without words.
    assert kept == {
        "the same with audio and words of another recording",
        "stresses met without words, over those with them",
    }


def test_a_missing_number_is_not_seen():
    rows = copy.deepcopy(causes())
    del rows["editing"]
    judged = {row["what"]: row for row in judge_causes([rows], None)}
    assert judged["acceleration at its borders: share within the real 99th percentile"]["masked"] == "-"
    assert not judged["acceleration at its borders: share within the real 99th percentile"]["seen"]
