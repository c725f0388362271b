"""What an ablation compares, and the command of each of its steps.

Each step is a command that a person could type; where it writes follows from the system and the seed.
"""

from dataclasses import dataclass
from pathlib import Path

from ablation_budget import LONG_STEPS, SHORT_STEPS, pace
from ablation_steps import Step

from dataloaders.corpora.synthetic import ARGUMENTS_FILE
from dataloaders.corpora.synthetic_plan import DEMO_CORPUS, CorpusArguments
from emage.checkpoint import read_json
from emage.config import Config, load_config

CAMN, MASKED = "camn", "masked_transformer"
ONE_PASS, ITERATIVE, MEAN_POSE = "masked_one_pass", "masked_iterative", "mean_pose"  # systems, beside camn
RATES = (3e-4, 1e-3, 3e-3)  # of CaMN
FGD_NETWORK = "motion_autoencoder"
DECODINGS = {ONE_PASS: ("generation.steps=1",), ITERATIVE: ()}
BASELINE_CONFIG, FGD_CONFIG = "camn.yaml", "motion_autoencoder.yaml"
_CORPUS_OPTIONS = {
    "--speakers": "num_speakers",
    "--recordings": "num_recordings",
    "--seconds": "seconds",
    "--seed": "seed",
    "--pauses": "pauses",
}


def corpus_command(root: str, layout: str = "beat", wanted: CorpusArguments | None = None) -> tuple[str, ...]:
    """Makes a synthetic corpus, or what is missing of one that was begun, with the arguments that it was begun with.

    Args:
        root: of the corpus.
        layout: of tools/make_corpus.py.
        wanted: arguments of a new one; None: the default.
    """
    noted = read_json(Path(root, ARGUMENTS_FILE)) if Path(root, ARGUMENTS_FILE).is_file() else {}
    wanted = wanted or CorpusArguments()
    command = ["tools/make_corpus.py", "--out", root]
    command += ["--layout", layout] if layout != "beat" else []
    for option, name in _CORPUS_OPTIONS.items():
        value = noted.get(name, getattr(wanted, name))
        if value != getattr(CorpusArguments(), name):
            command += [option, f"{value:g}" if isinstance(value, float) else str(value)]
    return tuple(command)


@dataclass(frozen=True)
class Plan:
    """What is compared.

    Attributes:
        config: YAML of the masked transformer; those of CaMN, the tokenizers and the FGD network lie beside it.
        out: where everything but the result is written.
        seeds: of the trainings.
        seconds: training seconds of one core that each system gets; None: the tokenizers' and what the config's own steps take.
        overrides: further config values, of all models.
    """

    config: Path
    out: Path
    seeds: tuple[int, ...] = (0, 1, 2)
    seconds: float | None = None
    overrides: tuple[str, ...] = ()

    def load(self, name: str | None = None) -> Config:
        """The config of the transformer, or of another file beside it."""
        return load_config(self.beside(name), self.overrides)

    def beside(self, name: str | None = None) -> Path:
        """A config file."""
        return self.config if name is None else self.config.with_name(name)

    def train(self, name: str, config: str | None, folder: Path, *more: str) -> Step:
        """A training."""
        command = ("train.py", "-c", str(self.beside(config)), f"output_dir={folder}", *self.overrides, *more)
        return Step(name, command)

    def tokenizers(self) -> dict[str, Path]:
        """Part -> where its tokenizer is trained."""
        return {part: self.out / f"vqvae_{part}" for part in self.load().model.tokenizers}

    def with_tokenizers(self) -> list[str]:
        """Overrides that name them."""
        return [f"model.tokenizers.{part}={folder / 'best'}" for part, folder in self.tokenizers().items()]

    def prepare(self) -> list[list[Step]]:
        """Corpus, cache, FGD network and tokenizers; each list runs at once."""
        data = self.load().data
        networks = [self.train("FGD network", FGD_CONFIG, self.out / FGD_NETWORK)]
        networks += [
            self.train(f"tokenizer of {part}", f"vqvae_{part}.yaml", folder)
            for part, folder in self.tokenizers().items()
        ]
        cache = Step("cache", ("tools/build_cache.py", "-c", str(self.config), *self.overrides))
        return [[Step("corpus", corpus_command(data.root, wanted=DEMO_CORPUS))], [cache], networks]

    def masked(self, seed: int, num_steps: int) -> Step:
        """A training of the transformer."""
        more = [*self.with_tokenizers(), f"seed={seed}", *pace(num_steps)]
        return self.train(f"{MASKED} seed {seed}", None, self.out / MASKED / f"seed_{seed}", *more)

    def camn(self, seed: int, num_steps: int, rate: float) -> Step:
        """A training of CaMN."""
        more = [f"seed={seed}", f"optim.lr={rate}", *pace(num_steps)]
        folder = self.camn_folder(seed, rate)
        return self.train(f"CaMN seed {seed} rate {rate:g}", BASELINE_CONFIG, folder, *more)

    def camn_folder(self, seed: int, rate: float) -> Path:
        """Where it is trained."""
        return self.out / CAMN / f"seed_{seed}_rate_{rate:g}"

    def calibration(self) -> dict[str, list[Step]]:
        """Two short runs of each system, whose difference is what steps cost."""
        found: dict[str, list[Step]] = {}
        for name, config, more in ((MASKED, None, self.with_tokenizers()), (CAMN, BASELINE_CONFIG, [])):
            found[name] = [
                self.train(
                    f"calibration of {name} with {steps} steps",
                    config,
                    self.out / "calibration" / f"{name}_{steps}",
                    *more,
                    *pace(steps),
                )
                for steps in (SHORT_STEPS, LONG_STEPS)
            ]
        return found

    def made(self, system: str, seed: int | None = None) -> Path:
        """Where the motion of a system lies."""
        return self.out / "results" / system / ("all" if seed is None else f"seed_{seed}")

    def test(self, system: str, seed: int, checkpoint: Path, config: str | None, *more: str) -> Step:
        """Generates the test split; intervals and controls come with all seeds together."""
        command = ["test.py", "-c", str(self.beside(config)), "--checkpoint", str(checkpoint / "best")]
        command += [f"output_dir={self.made(system, seed)}", f"metrics.fgd.checkpoint={self.fgd_network}"]
        command += ["metrics.intervals=false", "metrics.controls=false", *self.overrides, *more]
        return Step(f"test of {system} seed {seed}", tuple(command))

    @property
    def fgd_network(self) -> Path:
        """What FGD measures with."""
        return self.out / FGD_NETWORK / "best"

    def causes(self, system: str, seed: int, checkpoint: Path, config: str | None) -> Step:
        """Measures the causes on one checkpoint."""
        command = ("tools/causes.py", "-c", str(self.beside(config)), "--checkpoint", str(checkpoint / "best"))
        out = self.causes_file(system, seed)
        return Step(f"causes of {system} seed {seed}", (*command, "--out", str(out), *self.overrides))

    def causes_file(self, system: str, seed: int) -> Path:
        """What it writes."""
        return self.out / "causes" / f"{system}_seed_{seed}.json"

    def scores(self, system: str, other: str | None) -> Step:
        """Scores all seeds of a system together."""
        command = ["tools/ablation_scores.py", "-c", str(self.config), "--fgd-checkpoint", str(self.fgd_network)]
        command += ["--generated", *self._all_made(system), "--out", str(self.scores_folder(system))]
        command += ["--compare", *self._all_made(other)] if other else []
        command += ["--set", *self.overrides] if self.overrides else []
        return Step(f"scores of {system}", tuple(command))

    def _all_made(self, system: str) -> list[str]:
        return [str(self.made(system, seed)) for seed in (self.seeds if system != MEAN_POSE else (None,))]

    def scores_folder(self, system: str) -> Path:
        """Where its report lies."""
        return self.out / "scores" / system
