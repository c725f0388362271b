"""Every config of configs/beat and configs/demo trains on two processes, its networks made small.

One pair of processes trains all of them, one after another: to start a pair costs more than three small steps.
"""

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from face_corpora import make_emoca_sequence, make_singinghead
from raw_corpus import make_raw_recording
from torch.optim.optimizer import register_optimizer_step_pre_hook
from training.test_processes import on_two_processes

import train
from dataloaders.cache import build_cache
from emage.config import Config, DataConfig, load_config
from emage.motion.parts import TOKEN_PARTS
from emage.training.processes import join_processes

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = [path for folder in ("beat", "demo") for path in sorted((ROOT / "configs" / folder).glob("*.yaml"))]
RUNS = {f"{path.parent.name}/{path.stem}": path for path in CONFIGS if path.stem != "base"}
ONE_LEVEL = "beat/masked_transformer over vqvae_plain"  # one level of codes in each tokenizer
STEPS = 3
SMALL = {
    "motion_autoencoder": ["channels=8", "hidden=[16,12]"],
    "vqvae": ["channels=16", "code_dim=16", "codebook_size=8"],
    "camn": ["word_dim=8", "text_dim=8", "text_hidden=8", "audio_channels=[4,4,4,4,4,4]", "hidden=16", "num_layers=1"],
    "masked_transformer": [
        "num_words=64", "word_dim=8", "audio_dim=16", "audio_layers=1", "text_layers=1", "hint_dim=8", "dim=32",
        "num_heads=2", "speech_layers=1", "motion_layers=1", "part_dim=32", "part_layers=1",
    ],
    "face": ["audio_channels=[4,4,4,8,8,8]", "channels=16", "num_layers=2", "num_speakers=32"],
}  # fmt: skip
SPLITS = {"train": ["2_scott_0_9_9", "4_lawrence_0_9_9"], "val": ["2_scott_0_57_57"], "test": []}


def make_corpora(root: Path) -> None:
    for take, name in enumerate([*SPLITS["train"], *SPLITS["val"]]):
        make_raw_recording(root / "raw", name, seconds=5.0, seed=take)
    for number in range(18):  # three speakers of each version: some are of the validation split
        make_emoca_sequence(root / "emoca", f"V{number % 6}-s{number}-00001", frames=80)
    make_singinghead(root / "singinghead", {"train": ["id0_1_0_0"], "test": ["id1_1_0_0"]})


def overrides(name: str, config: Config, root: Path) -> list[str]:
    """Where the corpora, the tokenizers and the weights to begin from are, and sizes that train in milliseconds."""
    home = name.partition("/")[0]
    items = [f"model.{item}" for item in SMALL[config.model.name]]
    items += [f"optim.{key}={STEPS}" for key in ("max_steps", "eval_every", "save_every")]
    items += ["optim.batch_size=4", f"data.root={root / config.data.format}", f"data.cache_dir={root / 'caches'}"]
    if config.data.format == "raw":
        items += ["data.speakers=[2,4]", *(f"data.splits.{split}=[{','.join(ids)}]" for split, ids in SPLITS.items())]
    for corpus, own in config.mixture.corpora.items():
        items += [f"mixture.corpora.{corpus}.root={root / own.format}"]
        items += [f"mixture.corpora.{corpus}.cache_dir={root / 'caches'}"]
    for part in getattr(config.model, "tokenizers", {}):
        items += [f"model.tokenizers.{part}={root / 'runs' / home / f'vqvae_{part}' / 'best'}"]
    if getattr(config.model, "init", ""):
        items += [f"model.init={root / 'runs' / home / 'face' / 'best'}"]
    return [*items, f"output_dir={root / 'runs' / name}"]


def commands(root: Path) -> Iterator[tuple[str, list[str]]]:
    """The runs, those that others are built on first."""
    configs = {name: load_config(path) for name, path in RUNS.items()}
    order = sorted(configs, key=lambda name: (_is_built_on_others(configs[name]), name))
    for name in order:
        yield name, ["-c", str(RUNS[name]), *overrides(name, configs[name], root)]
    plain, home = "beat/vqvae_plain", root / "runs" / "beat"
    for part in TOKEN_PARTS:
        arguments = overrides(plain, configs[plain], root)[:-1]
        yield (
            f"{plain} {part}",
            ["-c", str(RUNS[plain]), *arguments, f"model.part={part}", f"output_dir={home / f'plain_{part}'}"],
        )
    name = "beat/masked_transformer"
    tokenizers = [f"model.tokenizers.{part}={home / f'plain_{part}' / 'best'}" for part in TOKEN_PARTS]
    out = f"output_dir={home / 'one_level'}"
    yield ONE_LEVEL, ["-c", str(RUNS[name]), *overrides(name, configs[name], root)[:-1], *tokenizers, out]


def _is_built_on_others(config: Config) -> bool:
    return bool(getattr(config.model, "tokenizers", None) or getattr(config.model, "init", ""))


def build_caches(root: Path) -> None:
    for _, command in commands(root):
        config = load_config(command[1], command[2:])
        build_cache(config.data, num_processes=1, progress=False)
        for corpus in config.mixture.corpora.values():
            own = {key: getattr(corpus, key) for key in ("format", "root", "cache_dir", "fps", "audio_track")}
            build_cache(DataConfig(**own), num_processes=1, progress=False)


def train_all(root: Path) -> None:
    """Trains every config and writes, for this process, what became of it and which parameters got no gradient."""
    without_gradient: set[tuple[int, ...]] = set()

    def look(optimizer: torch.optim.Optimizer, *_: object) -> None:
        parameters = (parameter for group in optimizer.param_groups for parameter in group["params"])
        without_gradient.update(tuple(parameter.shape) for parameter in parameters if parameter.grad is None)

    join_processes()  # once for all runs
    register_optimizer_step_pre_hook(look)
    outcomes = {}
    for name, command in commands(root):
        AcceleratorState._reset_state()  # the next run may have another precision; the group of processes stays
        without_gradient.clear()
        told = io.StringIO()
        try:
            with contextlib.redirect_stderr(told):
                code = train.main(command)
        except Exception as exception:
            code = repr(exception)
        error = told.getvalue() if code else ""
        outcomes[name] = {"code": code, "error": error, "without_gradient": sorted(without_gradient)}
        rank = torch.distributed.get_rank()
        (root / f"outcomes_{rank}.json").write_text(json.dumps(outcomes))


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> list[dict]:
    root = tmp_path_factory.mktemp("every_config")
    make_corpora(root)
    build_caches(root)
    assert on_two_processes(lambda: train_all(root), timeout_s=300) == [0, 0]
    return [json.loads((root / f"outcomes_{rank}.json").read_text()) for rank in range(2)] + [root]


@pytest.mark.parametrize("name", [*RUNS, ONE_LEVEL])
def test_a_config_trains_on_two_processes_and_every_parameter_gets_a_gradient(outcomes, name):
    for rank in range(2):
        assert outcomes[rank][name] == {"code": 0, "error": "", "without_gradient": []}
