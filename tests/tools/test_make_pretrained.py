"""The driver that makes the package's own model: its commands hang together, and a copy holds nothing of the machine."""

from pathlib import Path

import pytest
import torch
from tiny_bundles import camn_bundle, masked_bundle

from emage.checkpoint import FILES, load_bundle, save_bundle
from emage.config import load_config
from emage.errors import InputError
from emage.tokenizers import planned_tokenizers
from tools import make_pretrained

ROOT = Path(__file__).resolve().parents[2]


def steps_of(*arguments) -> dict[str, list[str]]:
    stages = make_pretrained.commands(*arguments)
    return {name: command for stage in stages for lane in stage for name, command in lane.items()}


@pytest.mark.parametrize("out", [make_pretrained.DEFAULT_OUT, Path("runs/elsewhere")])
def test_the_commands_hang_together(out):
    steps = steps_of(out, "24", ["optim.max_steps=7"])
    assert list(steps) == [
        *("corpus", "cache", "tokenizer of upper", "tokenizer of lower", "tokenizer of face", "tokenizer of hands"),
        "masked transformer",
    ]
    configs = {}
    for name, command in steps.items():
        assert (ROOT / command[0]).is_file()
        if "-c" in command:
            overrides = [item for item in command[1:] if "=" in item]
            configs[name] = load_config(ROOT / command[command.index("-c") + 1], overrides)
    assert {config.data.root for config in configs.values()} == {str(out / "corpus")}
    assert {config.data.cache_dir for config in configs.values()} == {str(out / "cache")}
    assert steps["corpus"][1:5] == ["--out", str(out / "corpus"), "--recordings", "24"]
    for part, folder in configs["masked transformer"].model.tokenizers.items():
        tokenizer = configs[f"tokenizer of {part}"]
        assert folder == f"{tokenizer.output_dir}/best"
        assert tokenizer.model.part == part
        assert tokenizer.optim.max_steps == 7


def test_its_model_hears_altered_sound_and_often_no_words():
    path = ROOT / "configs/pretrained/masked_transformer.yaml"
    config = planned_tokenizers(load_config(path), path)
    assert config.model.audio_augmentation > 0.5
    assert config.model.words_dropout >= 0.3


def test_a_copy_is_the_same_model_without_the_places_of_the_machine(tmp_path):
    bundle = masked_bundle()
    bundle.config.data.root, bundle.config.output_dir = "/home/someone/corpus", "/home/someone/run"
    save_bundle(tmp_path / "best", bundle)
    num_bytes = make_pretrained.copy_checkpoint(tmp_path / "best", tmp_path / "package" / "small")
    copy = load_bundle(tmp_path / "package" / "small")
    assert {path.name for path in (tmp_path / "package" / "small").iterdir()} == set(FILES)
    assert num_bytes == sum(path.stat().st_size for path in (tmp_path / "package" / "small").iterdir())
    assert copy.config.data.root == copy.config.data.cache_dir == copy.config.output_dir == ""
    for name, value in bundle.model.state_dict().items():
        assert torch.equal(copy.model.state_dict()[name], value)


def test_what_is_no_such_model_or_too_large_is_told(tmp_path, monkeypatch):
    save_bundle(tmp_path / "camn", camn_bundle())
    with pytest.raises(InputError, match="expected masked_transformer, got camn"):
        make_pretrained.copy_checkpoint(tmp_path / "camn", tmp_path / "copy")
    save_bundle(tmp_path / "best", masked_bundle())
    monkeypatch.setattr(make_pretrained, "MAX_BYTES", 1000)
    with pytest.raises(InputError, match="has at most"):
        make_pretrained.copy_checkpoint(tmp_path / "best", tmp_path / "copy")
