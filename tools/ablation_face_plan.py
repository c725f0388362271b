"""What the ablation of the face compares, and the command of each of its steps.

The target is the main corpus of a face config, with all or few of its recordings. Beside the config lie those that add FLAME
corpora to it (`<name>_emoca.yaml`, `<name>_singinghead.yaml`) and the one that pretrains on these alone (`<name>_pretraining.yaml`).
"""

import functools
from dataclasses import dataclass
from pathlib import Path

from ablation_budget import LONG_STEPS, SHORT_STEPS, pace
from ablation_plan import corpus_command
from ablation_steps import Step

from dataloaders.corpora.synthetic_plan import CorpusArguments
from emage.config import Config, DataConfig, load_config

TARGET, EMOCA, SINGINGHEAD, PRETRAINED = "target", "emoca", "singinghead", "pretrained"  # arms
ARMS = (TARGET, EMOCA, SINGINGHEAD, PRETRAINED)
PRETRAINING = "pretraining"
SHARES = (1.0, 0.25, 0.1)  # of the target's train recordings
PRETRAINING_PART = 2 / 3  # of the seconds of `pretrained`
# What tools/make_corpus.py makes where a root is empty; ten speakers are all that it knows.
SETS = {
    "raw": CorpusArguments(),
    "emoca": CorpusArguments(num_speakers=10),
    "singinghead": CorpusArguments(num_speakers=10, num_recordings=240, seconds=8.0),
}
_CACHE_KEYS = ("format", "root", "cache_dir", "fps", "audio_track")


def percent(share: float) -> str:
    """A share of the recordings as the name of a folder."""
    return f"{100 * share:g}_percent"


@dataclass(frozen=True)
class FacePlan:
    """What is compared.

    Attributes:
        config: YAML of the target.
        out: where everything but the result is written.
        seconds: training seconds of one core that each training gets, its pretraining included.
        seeds: of the trainings.
        shares: of the target's train recordings.
        overrides: further config values, of all trainings; where corpora lie is said by the configs.
    """

    config: Path
    out: Path
    seconds: float
    seeds: tuple[int, ...] = (0, 1, 2)
    shares: tuple[float, ...] = SHARES
    overrides: tuple[str, ...] = ()

    @functools.cached_property
    def main(self) -> str:
        """Name of the target among the corpora of a training."""
        return self.load().mixture.main

    def beside(self, name: str) -> Path:
        """The config of an arm, or of the pretraining."""
        alone = name in (TARGET, PRETRAINED)
        return self.config if alone else self.config.with_name(f"{self.config.stem}_{name}.yaml")

    def load(self, name: str = TARGET) -> Config:
        """The same, read."""
        return load_config(self.beside(name), self.overrides)

    def prepare(self) -> list[list[Step]]:
        """Corpora and caches; each list runs at once."""
        caches = self.caches()
        roots = {data.root: data.format for data in caches.values()}
        corpora = [
            Step(
                f"corpus {Path(root).name}",
                corpus_command(root, "beat" if format == "raw" else format, SETS[format]),
            )
            for root, format in roots.items()
        ]
        return [corpora, [self._cache(name, data) for name, data in caches.items()]]

    def caches(self) -> dict[str, DataConfig]:
        """Every cache that a training reads, by a name for people."""
        found: dict[str, DataConfig] = {}
        for arm in (TARGET, EMOCA, SINGINGHEAD, PRETRAINING):
            config = self.load(arm)
            for corpus in (config.data, *config.mixture.corpora.values()):
                values = {key: getattr(corpus, key) for key in _CACHE_KEYS}
                found[f"{corpus.format} at {corpus.fps:g} fps"] = DataConfig(**values)
        return found

    def _cache(self, name: str, data: DataConfig) -> Step:
        own = self.load().data
        options = [f"data.{key}={getattr(data, key)}" for key in _CACHE_KEYS if getattr(data, key) != getattr(own, key)]
        return Step(f"cache {name}", ("tools/build_cache.py", "-c", str(self.config), *options))

    def train(self, name: str, config: str, folder: Path, *more: str) -> Step:
        """A training."""
        command = ("train.py", "-c", str(self.beside(config)), f"output_dir={folder}", *self.overrides, *more)
        return Step(name, command)

    def calibration(self) -> dict[str, list[Step]]:
        """Two short runs of each config, whose difference is what steps cost."""
        return {
            config: [
                self.train(
                    f"calibration of {config} with {steps} steps",
                    config,
                    self.out / "calibration" / f"{config}_{steps}",
                    *pace(steps),
                )
                for steps in (SHORT_STEPS, LONG_STEPS)
            ]
            for config in (TARGET, EMOCA, SINGINGHEAD, PRETRAINING)
        }

    def pretrain(self, seed: int, num_steps: int) -> Step:
        """The pretraining of a seed, which all shares begin from: it has seen nothing of the target."""
        name, folder = f"{PRETRAINING} seed {seed}", self.out / PRETRAINING / f"seed_{seed}"
        return self.train(name, PRETRAINING, folder, f"seed={seed}", *pace(num_steps))

    def arm(self, arm: str, share: float, seed: int, num_steps: int) -> Step:
        """A training that is judged."""
        more = [f"mixture.train_share={share:g}", f"seed={seed}", *pace(num_steps)]
        if arm == PRETRAINED:
            more.append(f"model.init={self.out / PRETRAINING / f'seed_{seed}' / 'best'}")
        return self.train(self.name(arm, share, seed), arm, self.trained(arm, share, seed), *more)

    def name(self, arm: str, share: float, seed: int) -> str:
        """Of the step of a training."""
        return f"{arm} {100 * share:g} % seed {seed}"

    def trained(self, arm: str, share: float, seed: int) -> Path:
        """Folder of a training."""
        return self.out / arm / percent(share) / f"seed_{seed}"

    def made(self, arm: str, share: float, seed: int) -> Path:
        """Where its faces of the target's test split lie."""
        return self.out / "faces" / arm / percent(share) / f"seed_{seed}"

    def predict(self, arm: str, share: float, seed: int) -> Step:
        """The faces of the test split."""
        command = ("tools/predict_face.py", "--checkpoint", str(self.trained(arm, share, seed) / "best"))
        main = ("--corpora", self.main)
        out = str(self.made(arm, share, seed))
        return Step(f"faces of {self.name(arm, share, seed)}", (*command, *main, "--out", out))

    def scores(self, arm: str, share: float) -> Step:
        """Scores all seeds of an arm together, and beside the target alone."""
        folders = [[str(self.made(one, share, seed)) for seed in self.seeds] for one in (arm, TARGET)]
        command = ["tools/ablation_scores.py", "-c", str(self.config), "--faces", "--each-seed"]
        command += ["--generated", *folders[0], "--out", str(self.scores_folder(arm, share))]
        command += ["--compare", *folders[1]] if arm != TARGET else []
        return Step(f"scores of {arm} {100 * share:g} %", tuple(command))

    def scores_folder(self, arm: str, share: float) -> Path:
        """Where its report lies."""
        return self.out / "scores" / arm / percent(share)
