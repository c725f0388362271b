from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emage.config import MODEL_CONFIGS, CaMNConfig, Config, config_differences, load_config, save_config
from emage.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
YAML_FILES = sorted((ROOT / "configs").rglob("*.yaml"))


@pytest.fixture
def camn(tmp_path) -> Path:
    path = tmp_path / "camn.yaml"
    path.write_text("model: {name: camn}\n")
    return path


def test_bases_are_merged_in_order_and_the_file_wins(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "a.yaml").write_text("optim: {lr: 0.1, max_steps: 1}\ndata: {fps: 30}\n")
    (tmp_path / "shared" / "b.yaml").write_text("bases: a.yaml\noptim: {max_steps: 2, batch_size: 8}\n")
    (tmp_path / "run.yaml").write_text("bases: [shared/b.yaml]\nmodel: {name: vqvae}\noptim: {batch_size: 16}\n")
    config = load_config(tmp_path / "run.yaml")
    assert (config.optim.lr, config.optim.max_steps, config.optim.batch_size, config.data.fps) == (0.1, 2, 16, 30)
    assert config.optim.warmup_steps == Config().optim.warmup_steps


def test_overrides_win_and_take_lists(camn):
    config = load_config(camn, ["optim.max_steps=5", "data.splits.train=[2_scott_0_1_1,4_x_0_2_2]", "model.hidden=64"])
    assert config.optim.max_steps == 5
    assert config.data.splits.train == ["2_scott_0_1_1", "4_x_0_2_2"]
    assert config.model == CaMNConfig(hidden=64)


def test_ids_that_look_like_numbers_stay_texts(camn):
    assert load_config(camn, ["data.speakers=[2,4]"]).data.speakers == ["2", "4"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["optim.max_step=5"], r"unknown key optim.max_step; did you mean optim.max_steps\?"),
        (["optimm.lr=5"], r"unknown key optimm; did you mean optim\?"),
        (["model.code_dim=5"], "unknown key model.code_dim; .*keys here: .*hidden"),  # an option of vqvae
        (["loss.commitment=1"], "unknown key loss.commitment"),
        (["optim.max_steps=many"], "optim.max_steps: got 'many'"),
        (["optim.max_steps=1.5"], "optim.max_steps: got 1.5"),
        (["optim=3"], "optim: got 3; expected keys below it"),
        (["optim.max_steps=-1"], "optim.max_steps: got -1; it must be at least 0"),
        (["optim.precision=fp16"], "optim.precision: got 'fp16'; choose one of no, bf16"),
        (["optim.ema_decay=1"], "optim.ema_decay: got 1"),
        (["optim.batch_size=6", "optim.accumulation_steps=4"], "optim.batch_size: 6 is not a multiple"),
        (["model.name=cam"], "model.name: got 'cam'; choose one of motion_autoencoder, vqvae, camn"),
        (["model.predict_face=true"], "model.predict_face: a face that is given cannot be predicted"),
        (["data.format=beat"], "data.format: got 'beat'"),
        (["--max_steps"], "'--max_steps' is no override; write key=value"),
        (["optim.max_steps"], "is no override"),
        (["data.fps=.inf"], "data.fps: got inf; it must be from 1 to 1000"),
        (["data.fps=.nan"], "data.fps: got nan"),
        (["optim.lr=.inf"], "optim.lr: got inf; it must be at least 0, and finite"),
        (["optim.lr=1e400"], "optim.lr: got inf"),
        (["optim.betas=[.nan,0.9]"], "optim.betas: got"),
        (["model.dropout=.inf"], "model.dropout: got inf"),
        (["loss.huber=.nan"], "loss.huber: got nan; it must be finite"),
        (["num_processes=-3"], "num_processes: got -3; it must be at least 0"),
        (["seed=-5"], "seed: got -5; it must be a whole number from 0 to"),
        (["seed=100000000000000000000000000"], "seed: got 1000"),
        (["generation.steps=0"], "generation.steps: got 0; it must be a whole number from 1 to 1000"),
        (["generation.steps=100000000000000000000"], "generation.steps: got 1000"),
        (["generation.temperature=.inf"], "generation.temperature: got inf; it must be from 0 to 100"),
        (["generation.guidance=.nan"], "generation.guidance: got nan"),
        (["generation.guidance=-1"], "generation.guidance: got -1"),
        (["generation.coherence_s=.inf"], "generation.coherence_s: got inf"),
        (["mixture.weight=.inf"], "mixture.weight.*: got inf; it must be above 0, and finite"),
    ],
)
def test_wrong_options_are_named(camn, overrides, message):
    with pytest.raises(InputError, match=message):
        load_config(camn, overrides)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("model: {name: camn", "not valid YAML"),
        ("- 1\n- 2\n", "expected `key: value` lines"),
        ("just text", "model.name: got None"),
        ("bases: other.yaml\n", "other.yaml: no such file"),
        ("bases: run.yaml\n", "lead back to the file itself"),
        ("optim: {lr: 0.1}\n", "model.name: got None"),
        ("", "model.name: got None"),
        ("model: {name: camn, part: upper}\n", "unknown key model.part"),
    ],
)
def test_wrong_files_are_named(tmp_path, content, message):
    (tmp_path / "run.yaml").write_text(content)
    with pytest.raises(InputError, match=message):
        load_config(tmp_path / "run.yaml")


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="none.yaml: no such file"):
        load_config(tmp_path / "none.yaml")


@pytest.mark.parametrize("name", MODEL_CONFIGS)
def test_what_is_saved_loads_equal(tmp_path, name):
    model, loss = MODEL_CONFIGS[name]
    config = Config(model=model(), loss=loss(), seed=3, output_dir="runs/a b")
    config.data.speakers, config.data.splits.test = ["2", "04"], ["2_scott_0_1_1"]
    config.optim.lr = 1e-5
    save_config(config, tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml") == config


@settings(max_examples=25)
@given(lr=st.floats(0, 1e3), decay=st.floats(0, 0.999), seed=st.integers(0, 2**31))
def test_numbers_survive_saving_bit_for_bit(tmp_path_factory, lr, decay, seed):
    path = tmp_path_factory.getbasetemp() / "numbers.yaml"
    model, loss = MODEL_CONFIGS["camn"]
    config = Config(model=model(), loss=loss(), seed=seed)
    config.optim.lr, config.optim.ema_decay = lr, decay
    save_config(config, path)
    assert load_config(path) == config


def test_differences_name_both_values_and_pass_over_what_is_ignored(camn):
    old = load_config(camn)
    new = load_config(camn, ["optim.lr=0.1", "data.root=elsewhere", "data.splits.val=[a]"])
    assert config_differences(old, new, ignore=("data.root",)) == [
        "data.splits.val: [] -> ['a']",
        "optim.lr: 0.0003 -> 0.1",
    ]
    assert config_differences(old, old) == []


def test_differences_of_two_models_name_the_keys_of_both(camn, tmp_path):
    (tmp_path / "vq.yaml").write_text("model: {name: vqvae}\n")
    rows = config_differences(load_config(camn), load_config(tmp_path / "vq.yaml"))
    assert "model.name: 'camn' -> 'vqvae'" in rows
    assert "model.part: None -> 'upper'" in rows


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_config_of_the_project_loads(path):
    assert YAML_FILES, "configs/ is empty"
    overrides = ["model.name=camn"] if path.name == "base.yaml" else []
    assert load_config(path, overrides).model.name in MODEL_CONFIGS


def test_precision_can_be_switched_off_on_the_command_line():
    assert load_config("configs/beat/masked_transformer.yaml", ["optim.precision=no"]).optim.precision == "no"
