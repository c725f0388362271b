"""Verdict and page of the ablation of the face from made-up numbers: they say what the numbers say, also where it is unwelcome."""

import json

import pytest
from ablation_face_page import NAMES, remarks, results_page
from ablation_face_plan import ARMS, EMOCA, PRETRAINED, SINGINGHEAD, TARGET
from ablation_face_results import DECIDING, MEASURES, told_apart, verdict, without_overlap

GOOD, BAD = 0.2, 0.6  # badness: of an arm that is better than the target, and of the target


def value_of(key: str, badness: float) -> float:
    return 1 - badness if MEASURES[key][1] else badness


def arm(badness: float, *, half_width: float = 0.05, spread: float = 0.01, against: float | None = None) -> dict:
    """Made-up results of an arm that is as bad in every measure; `against` is the badness of the target."""
    seeds = [
        {
            "seed": seed,
            **{key: value_of(key, badness + (seed - 0.5) * spread) for key in MEASURES},
            "training_cpu_s": 100.0,
            "training_wall_s": 120.0,
            "was_killed": False,
            "steps": 1000,
            "best_step": 400,
            "best_val_loss": 0.8,
            "last_val_loss": 0.9,
            "last_train_loss": 0.4,
            "parameters": 225_000,
        }
        for seed in (0, 1)
    ]
    measures, differences = {}, {}
    for key in MEASURES:
        value = value_of(key, badness)
        measures[key] = {"value": value, "low": value - half_width, "high": value + half_width, "seed_std": spread}
        if against is not None:
            gap = value - value_of(key, against)
            differences[key] = {
                "difference": gap,
                "low": gap - 0.02,
                "high": gap + 0.02,
                "told_apart": abs(gap) > 0.02,
            }
    return {"measures": measures, "difference_to_target": differences, "seeds": seeds}


def made_up(at_ten: dict[str, float] | None = None, **options: float) -> dict:
    """Nothing helps at 100 %; at 10 % the arms are as bad as told, else good."""
    shares = []
    for share in (1.0, 0.1):
        target = GOOD if share == 1 else BAD
        badness = {TARGET: target, **dict.fromkeys(ARMS[1:], GOOD), **((at_ten or {}) if share < 1 else {})}
        against = {name: None if name == TARGET else target for name in ARMS}
        shares.append(
            {
                "share": share,
                "recordings": {"train": round(80 * share), "val": 16, "test": 60},
                "train_minutes": 17.0 * share,
                "target_windows_share": {TARGET: 1.0, EMOCA: 0.3, SINGINGHEAD: 0.3, PRETRAINED: 1.0},
                "arms": {name: arm(badness[name], against=against[name], **options) for name in ARMS},
            }
        )
    for row in shares[0]["arms"][TARGET]["seeds"]:
        row["last_train_loss"] = 0.85  # it knows nothing by heart
    results = {
        "config": "configs/demo/face.yaml",
        "seeds": [0, 1],
        "budget": {"seconds": 100.0, "steps": {"pretraining": 700}},
        "counts": {"recordings": 60, "frames": 10800, "motion_s": 720.0},
        "real": dict.fromkeys(MEASURES, 0.9),
        "mean_face": dict.fromkeys(MEASURES),
        "corpora": {"emoca": {"recordings": 128, "minutes": 25.6, "speakers": 8}},
        "shares": shares,
        "machine": {"device": "cpu", "cores": 2, "torch": "2.13"},
    }
    return results | {"verdict": verdict(results)}


def test_an_arm_that_is_better_everywhere_wins_at_the_smallest_share():
    results = made_up({EMOCA: GOOD, SINGINGHEAD: BAD, PRETRAINED: BAD})
    assert results["verdict"]["few_recordings_help"]
    assert results["verdict"]["clear_arms"] == [EMOCA]
    assert remarks(results)[0].startswith("At 10 %")
    assert NAMES[EMOCA] in remarks(results)[0]


def test_singinghead_alone_does_not_decide():
    results = made_up({EMOCA: BAD, SINGINGHEAD: GOOD, PRETRAINED: BAD})
    assert not results["verdict"]["few_recordings_help"]
    assert "NEITHER" in remarks(results)[0]


@pytest.mark.parametrize("options", [{"half_width": 0.25}, {"spread": 0.9}], ids=["intervals", "seeds"])
def test_what_overlaps_is_no_win(options):
    results = made_up(**options)
    assert not results["verdict"]["few_recordings_help"]


@pytest.mark.parametrize("key", DECIDING)
def test_one_measure_that_overlaps_is_enough_to_lose(key):
    results = made_up()
    for name in (EMOCA, PRETRAINED):
        results["shares"][1]["arms"][name]["measures"][key] |= {"low": 0.0, "high": 1.0}
    assert not verdict(results)["few_recordings_help"]


def test_without_an_interval_nothing_is_claimed():
    good, bad = arm(GOOD), arm(BAD)
    assert without_overlap(good, bad, "lip_closure_f1") is True
    assert without_overlap(bad, good, "lip_closure_f1") is False
    bad["measures"]["lip_closure_f1"]["low"] = None
    assert without_overlap(good, bad, "lip_closure_f1") is None


@pytest.mark.parametrize("key", MEASURES)
def test_told_apart_knows_which_way_is_better(key):
    assert told_apart(arm(GOOD, against=BAD), key) == "better"
    assert told_apart(arm(BAD, against=GOOD), key) == "worse"
    assert told_apart(arm(GOOD, against=GOOD), key) == ""


def test_where_it_does_not_help_the_page_says_so_and_why():
    lines = remarks(made_up({SINGINGHEAD: BAD + 0.2}))
    of_ten = next(line for line in lines if line.startswith("10 %:"))
    assert f"{NAMES[SINGINGHEAD]} is WORSE in" in of_ten
    assert f"{NAMES[EMOCA]} is better in" in of_ten
    of_all = next(line for line in lines if line.startswith("100 %:"))
    assert of_all.count("not told apart in") == 3
    assert "better in" not in of_all
    assert "learns its recordings by heart" in next(line for line in lines if line.startswith("Why, at 10 %"))
    why = next(line for line in lines if line.startswith("Why, at 100 %"))
    assert "does not learn its recordings by heart" in why
    assert "+ EMOCA set does not help: 30 % of the windows in its 1000 steps are the target's" in why
    assert f"{NAMES[PRETRAINED]} does not help: it has 1000 steps on the target" in why


def test_of_an_arm_that_helps_nothing_is_excused():
    (why,) = (line for line in remarks(made_up()) if line.startswith("Why, at 10 %"))
    assert "does not help" not in why


def test_uneven_training_is_said():
    results = made_up()
    for row in results["shares"][1]["arms"][EMOCA]["seeds"]:
        row["training_cpu_s"] = 130.0
    results["verdict"] = verdict(results)
    assert not results["verdict"]["training_is_even"]
    assert "30 % from the target's seconds. That is NOT even" in results_page(results)
    assert "NOT even" not in results_page(made_up())


def test_the_page_is_whole_and_its_tables_are_even():
    results = made_up()
    page = results_page(results)
    assert json.loads(json.dumps(results)) == results
    for heading in ("How fair", "Numbers", "Less the target only", "Seed by seed", "What the numbers say"):
        assert f"\n## {heading}\n" in page
    assert "0.2000 ± 0.0100 [0.1500, 0.2500]" in page
    tables = [block.splitlines() for block in page.split("\n\n") if block.startswith("|")]
    assert len(tables) == 5
    for table in tables:
        assert len({line.count("|") for line in table}) == 1
    assert "None" not in page


def test_a_training_that_was_killed_is_told():
    results = made_up()
    assert not any("was killed" in line for line in remarks(results))
    results["shares"][0]["arms"][TARGET]["seeds"][0]["was_killed"] = True
    assert any("was killed" in line for line in remarks(results))
