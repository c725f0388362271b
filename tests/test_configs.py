"""Every YAML loads, opens with what a reader needs, and holds only what differs from the defaults."""

import re
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from emage.config import MODEL_CONFIGS, Config, config_to_dict, load_config
from emage.models import MODELS, MotionTokenizer
from emage.motion.parts import TOKEN_PARTS
from emage.tokenizers import planned_tokenizers

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted(path.relative_to(ROOT) for path in (ROOT / "configs").rglob("*.yaml"))
RUNS = [path for path in CONFIGS if not path.stem.endswith("base")]


def flat(node: dict, prefix: str = "") -> dict:
    rows = {}
    for key, value in node.items():
        rows |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return rows


def with_bases(path: Path):
    node = OmegaConf.load(path)
    bases = node.pop("bases", [])
    bases = [with_bases(path.parent / base) for base in ([bases] if isinstance(bases, str) else bases)]
    return OmegaConf.merge(*bases, node)


def header(path: Path) -> str:
    """The comment lines that a file opens with."""
    return re.match(r"(#.*\n)*", (ROOT / path).read_text(encoding="utf-8")).group()


def of_corpus(corpus: str) -> dict[str, Config]:
    return {path.stem: load_config(ROOT / path) for path in RUNS if path.parent.name == corpus}


@pytest.mark.parametrize("corpus", ["demo", "beat"])
def test_each_corpus_has_every_model_and_a_vqvae_of_every_part(corpus):
    configs = of_corpus(corpus)
    assert {config.model.name for config in configs.values()} == set(MODEL_CONFIGS)
    tokenizer = {part: configs[f"vqvae_{part}"] for part in TOKEN_PARTS}
    assert [config.model.part for config in tokenizer.values()] == list(TOKEN_PARTS)
    MotionTokenizer({part: config.model for part, config in tokenizer.items()})  # they fit together
    assert len({config.data.fps for config in tokenizer.values()}) == 1


def test_each_corpus_of_faces_has_its_config():
    assert {path.stem for path in RUNS if path.parent.name == "corpora"} == {"emoca", "singinghead", "beat2"}


@pytest.mark.parametrize("path", RUNS, ids=str)
def test_a_config_loads_and_its_model_can_be_built(path):
    config = planned_tokenizers(load_config(ROOT / path), ROOT / path)
    # A corpus' own config has the name of the corpus.
    assert path.stem.startswith(config.model.name) or (config.model.name == "face" and path.parent.name == "corpora")
    assert sum(p.numel() for p in MODELS[config.model.name](config.model).parameters()) > 0


@pytest.mark.parametrize("path", CONFIGS, ids=str)
def test_only_what_differs_is_written(path):
    """A value equal to what would stand there without the line is noise, and hides the day the default changes."""
    own = OmegaConf.to_container(OmegaConf.load(ROOT / path))
    bases = own.pop("bases", [])
    name = load_config(ROOT / path).model.name if path in RUNS else own.get("model", {}).get("name", "camn")
    model, loss = MODEL_CONFIGS[name]
    before = flat(config_to_dict(Config(model=model(), loss=loss())))
    for base in [bases] if isinstance(bases, str) else bases:
        before |= flat(OmegaConf.to_container(with_bases((ROOT / path).parent / base)))
    repeated = [key for key, value in flat(own).items() if key != "model.name" and before.get(key) == value]
    assert repeated == []


@pytest.mark.parametrize("path", RUNS, ids=str)
def test_the_head_says_what_it_is_the_command_hardware_time_and_the_number_to_reach(path):
    text = header(path)
    assert len(text.splitlines()) >= 4
    assert re.search(rf"train\.py -c {re.escape(str(path))} output_dir=runs/\S+", text)
    assert all(f"# {word}:" in text for word in ("Command", "Hardware", "Steps", "To reach")), text


@pytest.mark.parametrize("path", CONFIGS, ids=str)
def test_a_base_too_says_what_it_is_for(path):
    assert header(path).startswith("# ")


def test_the_demo_stays_in_its_own_folder_and_the_models_share_one_cache():
    configs = [load_config(ROOT / path) for path in RUNS if path.parent.name == "demo"]
    data = [config.data for config in configs]
    assert {(d.cache_dir, d.fps, d.sample_rate) for d in data} == {("runs/demo/cache", 15.0, 16000)}
    roots = {(config.model.name == "face", config.data.root) for config in configs if config.data.format == "raw"}
    assert roots == {(False, "runs/demo/corpus"), (True, "runs/demo/raw")}
    flame = [d for d in data if d.format != "raw"] + [d for config in configs for d in config.mixture.corpora.values()]
    assert {(d.root, d.cache_dir) for d in flame} == {(f"runs/demo/{d.format}", "runs/demo/cache") for d in flame}


def test_the_full_size_transformer_has_80_million_parameters_of_its_own():
    path = ROOT / "configs/beat/masked_transformer.yaml"
    config = planned_tokenizers(load_config(path), path)
    model = MODELS["masked_transformer"](config.model)
    assert sum(p.numel() for name, p in model.named_parameters() if not name.startswith("tokenizer.")) >= 80e6


def test_beat_has_the_published_sizes_and_settings():
    configs = of_corpus("beat")
    sizes = {
        name: sum(p.numel() for p in MODELS[name](configs[name].model).parameters())
        for name in ("camn", "motion_autoencoder")
    }
    assert (sizes["camn"], sizes["motion_autoencoder"]) == (16365225, 10095499)
    assert all(config.data.speakers == ["2", "4", "6", "8"] for config in configs.values())
    optim = configs["camn"].optim
    assert (optim.batch_size, optim.lr, optim.min_lr, optim.betas) == (256, 5e-4, 5e-4, [0.5, 0.999])
