"""`emage info`: what a checkpoint or a config holds."""

import pytest
from tiny_bundles import camn_bundle, vqvae_bundle
from torch import nn

from emage.checkpoint import save_bundle
from emage.cli import main
from emage.commands.info import parameters_by_part


def rows(capsys) -> dict[str, str]:
    return {line.split("  ")[0]: line.split("  ", 1)[1].strip() for line in capsys.readouterr().out.splitlines()}


@pytest.mark.parametrize(
    "config, parameters, layout, fps",
    [
        ("configs/beat/camn.yaml", "16,365,225", "beat_141", "15"),
        ("configs/beat/motion_autoencoder.yaml", "10,095,499", "beat_141", "15"),
        ("configs/beat/vqvae_plain.yaml", "2,432,900", "beat_full_rot6d", "30"),
    ],
)
def test_a_config_needs_no_data_and_shows_the_published_size(capsys, config, parameters, layout, fps):
    assert main(["info", config]) == 0
    found = rows(capsys)
    assert found["parameters"] == parameters
    assert found["layout"] == layout
    assert found["fps"] == fps
    assert found["corpus"] == "raw at data/beat_english_v0.2.1, speakers 2, 4, 6, 8"
    parts = [int(value.replace(",", "")) for name, value in found.items() if name.startswith("parameters of ")]
    assert sum(parts) == int(parameters.replace(",", ""))


def test_a_checkpoint_says_what_it_was_trained_on_and_how_long(tmp_path, capsys):
    bundle = camn_bundle(steps=1234)
    bundle.config.data.root = "some/corpus"
    bundle.info["corpus"] = {"speakers": ["2", "4"], "train_windows": 56789}
    save_bundle(tmp_path / "run" / "best", bundle)
    for folder in (tmp_path / "run" / "best", tmp_path / "run"):
        assert main(["info", str(folder)]) == 0
        found = rows(capsys)
        assert found["model"] == "camn"
        assert found["steps"] == "1,234 of 10,000"
        assert found["corpus"] == "raw at some/corpus, speakers 2, 4, 56,789 training windows"
        assert found["parameters"] == f"{sum(p.numel() for p in bundle.model.parameters()):,}"


def test_the_part_of_the_body_is_named(tmp_path, capsys):
    save_bundle(tmp_path / "best", vqvae_bundle())
    assert main(["info", str(tmp_path / "best")]) == 0
    assert rows(capsys)["model"] == "vqvae (upper)"


def test_parameters_by_part_count_what_the_network_holds_itself():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    model.scale = nn.Parameter(nn.Linear(1, 5).weight.detach())
    assert parameters_by_part(model) == {"0": 9, "(own)": 5, "2": 4}


@pytest.mark.parametrize("name, message", [("nothing", "no such file or folder"), ("empty", "not a checkpoint folder")])
def test_anything_else_is_a_one_line_error(tmp_path, capsys, name, message):
    (tmp_path / "empty").mkdir()
    assert main(["info", str(tmp_path / name)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def test_help_shows_an_example(capsys):
    for arguments in (["--help"], ["info", "--help"]):
        with pytest.raises(SystemExit) as exit_:
            main(arguments)
        assert exit_.value.code == 0
        assert "emage info runs/demo/camn/best" in capsys.readouterr().out
