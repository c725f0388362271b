import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from emage.checkpoint import FILES, Bundle, load_bundle, recover_folder, save_bundle, swap_folder, weights_hash
from emage.config import Config, MotionAutoencoderConfig, MotionAutoencoderLossConfig
from emage.errors import InputError
from emage.models import MODELS
from emage.motion.layout import get_layout
from emage.motion.skeleton import Skeleton
from emage.motion.statistics import MotionStatistics
from emage.speakers import SpeakerTable
from emage.vocabulary import Vocabulary


def small_bundle(seed: int = 0) -> Bundle:
    torch.manual_seed(seed)
    model = MotionAutoencoderConfig(features=3, channels=2, hidden=[6, 4])
    dims = {name: get_layout(name).dim for name in ("beat_141", "arkit_51")}
    return Bundle(
        model=MODELS["motion_autoencoder"](model),
        config=Config(model=model, loss=MotionAutoencoderLossConfig(), seed=seed),
        statistics=MotionStatistics(
            means={name: torch.randn(dim) for name, dim in dims.items()},
            stds={name: torch.rand(dim) for name, dim in dims.items()},
            mean_pose=torch.randn(get_layout("beat_full").dim),
        ),
        vocabulary=Vocabulary(["hello", "don't"], overflow=3),
        speakers=SpeakerTable({"2": 1, "30": 29}),
        skeletons={"2": Skeleton(("Hips", "Spine"), (-1, 0), torch.randn(2, 3, dtype=torch.float64))},
        info={"steps": 7, "model": "motion_autoencoder"},
    )


@pytest.fixture
def folder(tmp_path) -> Path:
    save_bundle(tmp_path / "best", small_bundle())
    return tmp_path / "best"


def test_what_is_saved_comes_back_equal(folder):
    saved, loaded = small_bundle(), load_bundle(folder)
    state = loaded.model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in saved.model.state_dict().items())
    assert loaded.config == saved.config
    assert loaded.vocabulary == saved.vocabulary
    assert loaded.speakers == saved.speakers
    assert loaded.info == saved.info
    assert torch.equal(loaded.statistics.mean_pose, saved.statistics.mean_pose)
    assert torch.equal(loaded.statistics.stds["arkit_51"], saved.statistics.stds["arkit_51"])
    assert loaded.skeletons["2"].parents == saved.skeletons["2"].parents
    assert torch.equal(loaded.skeletons["2"].offsets_cm, saved.skeletons["2"].offsets_cm)
    assert not loaded.model.training


def test_a_folder_holds_the_seven_files_and_no_pickle(folder):
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert load_file(folder / "model.safetensors")  # all the others are text
    assert all(path.read_text(encoding="utf-8") for path in folder.iterdir() if path.name != "model.safetensors")


def test_the_hash_names_the_weights_and_nothing_else(folder, tmp_path):
    save_bundle(tmp_path / "other", small_bundle(seed=1))
    assert weights_hash(folder) != weights_hash(tmp_path / "other")
    before = weights_hash(folder)
    (folder / "info.json").write_text("{}")
    assert weights_hash(folder) == before
    assert len(before) == 64


def test_another_model_is_named(folder):
    with pytest.raises(InputError, match="expected camn, got motion_autoencoder"):
        load_bundle(folder, expected="camn")
    assert load_bundle(folder, expected="motion_autoencoder").info["steps"] == 7


def test_no_folder_and_missing_files_are_named(folder, tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder"):
        load_bundle(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"not a checkpoint folder, it lacks .*did you mean .*best\?"):
        load_bundle(tmp_path)  # the run folder instead of its best/
    (folder / "vocab.json").unlink()
    with pytest.raises(InputError, match="it lacks vocab.json;"):
        load_bundle(folder)


def test_weights_that_do_not_fit_are_named(folder):
    weights = load_file(folder / "model.safetensors")
    names = sorted(name for name, value in weights.items() if value.dim() == 2)
    weights[names[0]] = torch.zeros(1, 1)
    weights["surplus"] = torch.zeros(2)
    del weights[names[1]]
    save_file(weights, folder / "model.safetensors")
    message = rf"1 missing: {names[1]}; 1 unknown: surplus; 1 of another shape: {names[0]} \(1, 1\) for "
    with pytest.raises(InputError, match=message):
        load_bundle(folder)


def test_a_long_list_of_wrong_names_is_cut_short(folder):
    save_file({f"layer{k}": torch.zeros(1) for k in range(5)}, folder / "model.safetensors")
    with pytest.raises(InputError, match="5 unknown: layer0, layer1, layer2 and 2 more"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.safetensors", "half a fi", "not a whole safetensors file"),
        ("info.json", "{", "not valid json"),
        ("config.yaml", "model: {name: camm}", "model.name: got 'camm'"),
        ("statistics.json", "{}", "statistics"),
    ],
)
def test_broken_files_are_input_errors_that_name_the_file(folder, name, content, message):
    (folder / name).write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        load_bundle(folder)
    assert name in str(caught.value)


def test_a_failed_write_leaves_the_old_folder_as_it_was(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def fail(partial: Path) -> None:
        (partial / "half").write_text("x")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        swap_folder(folder, fail)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    recover_folder(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["best"]


@pytest.mark.parametrize("partial_is_whole", [True, False])
def test_a_kill_between_the_renames_is_recovered_and_readable_before_that(folder, partial_is_whole):
    new, old = folder.with_name(".best.partial"), folder.with_name(".best.old")
    folder.rename(old)
    if partial_is_whole:
        new.mkdir()
        (new / "mark").write_text("new")
    assert load_bundle(folder).info["steps"] == 7  # a reader meets the old one
    recover_folder(folder)
    assert (folder / "mark").is_file() is partial_is_whole
    assert not new.exists()
    assert not old.exists()


def test_a_users_copies_beside_a_folder_are_not_touched(folder):
    """Names that a user gives to backups."""
    for suffix in (".old", ".partial", ".bak"):
        shutil.copytree(folder, folder.with_name("best" + suffix))
    save_bundle(folder, small_bundle(1))
    recover_folder(folder)
    assert {path.name for path in folder.parent.iterdir()} == {"best", "best.old", "best.partial", "best.bak"}
    assert load_bundle(folder.with_name("best.old")).config.seed == 0


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_all_files_follow_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        save_bundle(tmp_path / "best", small_bundle())
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "best").iterdir()}
    assert modes == {0o666 & ~umask}


def test_recovering_a_whole_folder_changes_nothing(folder):
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    recover_folder(folder)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
