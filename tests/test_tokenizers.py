"""Checkpoints of VQ-VAEs put together to one tokenizer."""

import pytest
import torch
from tiny_bundles import vqvae_bundle

from emage.checkpoint import save_bundle, weights_hash
from emage.errors import InputError
from emage.models import MotionTokenizer
from emage.tokenizers import load_tokenizer


@pytest.fixture
def folders(tmp_path) -> dict:
    for part in ("upper", "face"):
        save_bundle(tmp_path / part, vqvae_bundle(part=part))
    return {part: tmp_path / part for part in ("face", "upper")}


def test_what_was_trained_comes_back_with_its_hashes(folders):
    loaded = load_tokenizer(folders)
    assert loaded.tokenizer.parts == ("upper", "face") == tuple(loaded.configs) == tuple(loaded.sha256)
    assert loaded.sha256 == {part: weights_hash(folder) for part, folder in folders.items()}
    assert loaded.fps == 15.0
    assert not loaded.tokenizer.training
    assert not any(parameter.requires_grad for parameter in loaded.tokenizer.parameters())
    for part in folders:
        expected = vqvae_bundle(part=part).model.state_dict()
        found = loaded.tokenizer.vqvaes[part].state_dict()
        assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_configs_and_weights_are_enough_to_make_it_again(folders):
    loaded = load_tokenizer(folders)
    again = MotionTokenizer(loaded.configs).eval()
    again.load_state_dict(loaded.tokenizer.state_dict())
    face = torch.rand(1, 9, 51)
    codes = loaded.tokenizer.encode({"face": face})
    assert torch.equal(again.encode({"face": face})["face"], codes["face"])
    assert torch.equal(again.decode(codes, 9).face, loaded.tokenizer.decode(codes, 9).face)


def test_what_cannot_be_used_is_named(folders, tmp_path):
    save_bundle(tmp_path / "untrained", vqvae_bundle(steps=0))
    save_bundle(tmp_path / "faster", vqvae_bundle(part="hands", fps=30.0))
    for given, message in (
        ({"hands": folders["upper"]}, "given for the part 'hands' and is of 'upper'; train one with model.part=hands"),
        ({"upper": tmp_path / "untrained"}, r"never trained \(0 steps\)"),
        ({**folders, "hands": tmp_path / "faster"}, "data.fps differs: face 15, upper 15, hands 30"),
        ({"upper": tmp_path / "nothing"}, "no such folder"),
        ({}, "no part given"),
    ):
        with pytest.raises(InputError, match=message):
            load_tokenizer(given)
