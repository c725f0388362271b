"""What data a run has, and how often it draws it: for info.json of its checkpoints, the log, and between processes.

The windows of one corpus are drawn in permutations, so a pass sees each once. A mixture of corpora draws each window
anew: it has a number of windows and a probability per corpus.
"""

import hashlib
from typing import Any

from torch.utils.data import Dataset

from emage.config import OptimConfig


def corpus_facts(corpus: Any) -> dict[str, Any]:
    """What tells two opened corpora apart: the fingerprint of each cache, the size and a digest of each split.

    Args:
        corpus: an emage.training.protocols.TrainingCorpus; one of several corpora has `members`, each of them with
            `name`, `cache` and `entries`.
    """
    facts: dict[str, Any] = {}
    for member in getattr(corpus, "members", [corpus]):
        place = f" of {member.name}" if hasattr(member, "name") else ""
        if hasattr(member, "cache"):
            facts[f"cache{place}"] = member.cache.fingerprint
        for split in ("train", "val"):
            entries = member.entries[split]
            facts[f"{split} recordings{place}"] = len(entries)
            digest = hashlib.sha256("\n".join(str(entry) for entry in entries).encode())
            facts[f"digest of the {split} split{place}"] = digest.hexdigest()[:12]
    return facts


def window_counts(train: Dataset, val: Dataset | None, optim: OptimConfig) -> dict[str, Any]:
    """The counts of a run.

    Args:
        train: windows of one corpus, or a mixture: then `num_windows` and `probabilities` by corpus name.
        val: windows of the validation split, if it has any.
        optim: steps and batch size.

    Returns:
        train_windows: windows in the train split of all corpora.
        train_draws: windows drawn in the whole run, max_steps * batch_size.
        val_windows: windows in the validation split.
        mixture: of a mixture only, by corpus name: its train_windows, its expected train_draws and their quotient, the
            passes.
    """
    draws = optim.max_steps * optim.batch_size
    by_corpus: dict[str, int] | None = getattr(train, "num_windows", None)
    counts: dict[str, Any] = {
        "train_windows": len(train) if by_corpus is None else sum(by_corpus.values()),
        "train_draws": draws,
        "val_windows": 0 if val is None else len(val),
    }
    if by_corpus is not None:
        counts["mixture"] = {
            name: {
                "train_windows": count,
                "train_draws": round(draws * train.probabilities[name]),
                "passes": round(draws * train.probabilities[name] / count, 3),
            }
            for name, count in by_corpus.items()
        }
    return counts


def window_lines(counts: dict[str, Any], max_steps: int) -> list[str]:
    """The counts of `window_counts` as log lines."""
    num_train, draws = counts["train_windows"], counts["train_draws"]
    passes = "" if "mixture" in counts else f", {draws / max(1, num_train):.1f} passes"
    lines = [
        f"windows: {num_train:,} train, {draws:,} drawn in {max_steps} steps{passes}; {counts['val_windows']:,} val"
    ]
    for name, own in counts.get("mixture", {}).items():
        lines.append(
            f"windows of {name}: {own['train_windows']:,} train, {own['train_draws']:,} drawn, {own['passes']:.1f} passes"
        )
    return lines
