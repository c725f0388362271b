"""The page of an ablation: what was compared, how fairly, the numbers with their intervals, the causes, and what they do not show."""

from typing import Any

from ablation_plan import CAMN, DECODINGS, ITERATIVE, MEAN_POSE, ONE_PASS
from ablation_results import MEASURES, mean
from ablation_table import difference, number, table, with_interval
from cause_judgement import judge_causes

NAMES = {
    MEAN_POSE: "mean pose and mean face",
    CAMN: "CaMN",
    ONE_PASS: "masked transformer, one pass",
    ITERATIVE: "masked transformer, iterative",
}
DIGITS = {"fgd_network": 3, "l1_diversity": 2}


def results_page(results: dict[str, Any]) -> str:
    """The whole page in Markdown."""
    parts = [_head(results), _fairness(results), _scores(results), _seeds(results), _causes(results), _remarks(results)]
    return "\n\n".join(parts) + "\n"


def _head(results: dict[str, Any]) -> str:
    counts, network = results["counts"], results["fgd_network"]
    return "\n".join(
        [
            "# The synthetic corpus: CaMN against the masked transformer",
            "",
            f"Written by `python tools/ablate.py -c {results['config']}`; every number, seed by seed with commits, config and seconds,",
            f"is in [synthetic.json](synthetic.json). {counts['recordings']} test recordings, {counts['motion_s']:.0f} s;"
            f" {len(results['seeds'])} training seed(s); {results['machine']['device']}, {results['machine']['cores']} cores.",
            f"FGD in {network['layout']}, by one network ({network['features']} features, {network['steps']} steps,"
            f" weights {network['weights_sha256'][:12]}).",
        ]
    )


def _fairness(results: dict[str, Any]) -> str:
    budget, verdict = results["budget"], results["verdict"]
    rows = []
    for name, extra in ((CAMN, 0.0), (ITERATIVE, budget["tokenizers_s"])):
        seeds = results["systems"][name]["seeds"]
        training = mean([row["training_cpu_s"] for row in seeds])
        rows.append(
            [
                NAMES[name].partition(",")[0],
                f"{seeds[0]['steps']}",
                f"{seeds[0]['parameters'] / 1e6:.2f} M",
                number(extra, 0),
                number(training, 0),
                number(extra + training, 0),
                number(mean([row["generation_s"] for row in seeds]), 1),
            ]
        )
    tried = ", ".join(f"{rate}: {loss:.2f}" for rate, loss in budget["validation_losses"].items())
    return "\n".join(
        [
            "## How fair",
            "",
            "Both get audio, words, speaker and emotion, neither a face nor seed frames; the same recordings, the best validation loss of"
            " each training, and the same training seconds of one core. The tokenizers, trained once and shared by the seeds, count.",
            "",
            table(
                ["", "steps", "parameters", "tokenizers, s", "training, s", "together, s", "generation of the test, s"],
                rows,
            ),
            "",
            f"Aimed at {budget['seconds']:.0f} s each; the transformer got {100 * verdict['training_unevenness']:+.0f} % against CaMN."
            f" CaMN has the best of three learning rates (validation loss of the first seed: {tried}); the transformer has one."
            f" One pass is decoded with {' '.join(DECODINGS[ONE_PASS])}, the rest as the config says.",
        ]
    )


def _scores(results: dict[str, Any]) -> str:
    head = ["", *MEASURES.values()]
    floor = results["floor"]
    rows = [["real motion", "-", *(number(results["real"][key], _digits(key)) for key in list(MEASURES)[1:])]]
    split = f"{number(floor['split_half_mean'], 3)} ± {number(floor['split_half_std'], 3)}"
    rows.append(["two halves of the real recordings", split, *["-"] * (len(MEASURES) - 1)])
    for name, label in NAMES.items():
        measures = results["systems"][name]["measures"]
        rows.append([label, *(with_interval(measures[key], _digits(key)) for key in MEASURES)])
    differences = [
        [
            NAMES[name],
            *(difference(results["systems"][name]["difference_to_camn"].get(key), _digits(key)) for key in MEASURES),
        ]
        for name in (ONE_PASS, ITERATIVE)
    ]
    return "\n".join(
        [
            "## Numbers",
            "",
            "Mean over the seeds ± their standard deviation, [95 % interval: recordings and seeds drawn again]. FGD and MAE: lower is"
            " better; BC and diversity: as the real motion; excess and correlation: higher.",
            "",
            table(head, rows),
            "",
            "Less CaMN's, on the same recordings (bold: told apart from 0):",
            "",
            table(head, differences),
        ]
    )


def _seeds(results: dict[str, Any]) -> str:
    rows = [
        [NAMES[name], str(row["seed"]), *(number(row[key], _digits(key)) for key in MEASURES), str(row["best_step"])]
        for name in (CAMN, ONE_PASS, ITERATIVE)
        for row in results["systems"][name]["seeds"]
    ]
    return "\n".join(["## Seed by seed", "", table(["", "seed", *MEASURES.values(), "best step"], rows)])


def _causes(results: dict[str, Any]) -> str:
    judged = judge_causes(results["causes"][ITERATIVE], results["causes"][CAMN])
    rows = [
        [
            row["what"],
            row["real"],
            row["camn"],
            row["masked"],
            row["wanted"],
            {True: "yes", False: "**no**"}[row["seen"]],
        ]
        for row in judged
    ]
    return "\n".join(
        [
            "## Causes",
            "",
            "What one input causes in the corpus, and whether the model knows it: one input is swapped or left out, the test recordings are"
            " generated again (iterative), and the effect is measured (`tools/causes.py`). Mean over the seeds (least to most).",
            "",
            table(["what", "real motion", "CaMN", "masked transformer", "wanted", "seen"], rows),
        ]
    )


def _remarks(results: dict[str, Any]) -> str:
    return "\n".join(["## What the numbers say", "", *(f"- {line}" for line in remarks(results))])


def remarks(results: dict[str, Any]) -> list[str]:
    """Sentences that follow from the numbers, the unwelcome ones too."""
    verdict, floor = results["verdict"], results["floor"]["split_half_mean"]
    fgd = {name: results["systems"][name]["measures"]["fgd_network"] for name in NAMES}
    ours, theirs = fgd[ITERATIVE], fgd[CAMN]
    said = f"{number(ours['value'], 3)} against {number(theirs['value'], 3)}"
    lines = {
        True: f"The masked transformer's FGD lies below CaMN's without overlap of intervals and seeds: {said}.",
        False: f"The masked transformer's FGD does NOT lie below CaMN's without overlap: {said}.",
        None: f"Whether the masked transformer's FGD lies below CaMN's cannot be said without intervals: {said}.",
    }
    found = [lines[verdict["fgd_below_without_overlap"]]]
    if not verdict["training_is_even"]:
        found.append(
            f"The training was not even: {100 * verdict['training_unevenness']:+.0f} % for the transformer; read the rest with care."
        )
    if any(row["was_killed"] for name in (CAMN, ITERATIVE) for row in results["systems"][name]["seeds"]):
        found.append("A training was killed and went on: of its first part the seconds are not counted.")
    better = "lower" if verdict["iterative_below_one_pass"] else "NOT lower"
    found.append(f"Iterative decoding gives a {better} FGD than one pass ({number(fgd[ONE_PASS]['value'], 3)}).")
    if floor is not None:
        below = [NAMES[name] for name in NAMES if fgd[name]["value"] is not None and fgd[name]["value"] < floor]
        if below:
            found.append(
                f"Below the floor of two halves of the real recordings ({floor:.3f}): {', '.join(below)}. The halves hold"
                " different speech; who hears the very speech that is compared can do better. It does not mean better than real."
            )
    real, excess = results["real"]["beat_align_excess"], results["systems"][ITERATIVE]["measures"]["beat_align_excess"]
    if real is not None and excess["value"] is not None:
        found.append(
            f"BC over chance is {real:.3f} for the real motion and {excess['value']:.3f} here: it counts every onset of the sound, few of"
            " which cause a stroke; the share of the stresses that are met (causes) is the sharper measure."
        )
    failed = [row["what"] for row in judge_causes(results["causes"][ITERATIVE], None) if not row["seen"]]
    found.append(f"Causes that are not seen: {'; '.join(failed)}." if failed else "Every cause is seen.")
    found.append("The corpus is made from rules: what holds here need not hold for captured motion.")
    return found


def _digits(key: str) -> int:
    return DIGITS.get(key, 3)
