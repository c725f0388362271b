"""The ablation of the face: each step is a command that runs, arms differ in what they are about alone, seconds are equal, it resumes."""

import dataclasses
import functools
import json
import shutil
from pathlib import Path

import pytest
from ablate_face import main, run_all
from ablation_budget import FEWEST_STEPS
from ablation_face_plan import (
    ARMS,
    EMOCA,
    PRETRAINED,
    PRETRAINING,
    PRETRAINING_PART,
    SINGINGHEAD,
    TARGET,
    FacePlan,
)
from ablation_plan import _CORPUS_OPTIONS, corpus_command
from ablation_scores import main as score
from ablation_steps import Done, Journal, Step
from raw_corpus import make_raw_recording

from dataloaders.cache import build_cache
from dataloaders.corpora.synthetic_plan import CorpusArguments
from dataloaders.fingerprint import shaping_config
from emage.checkpoint import read_json
from emage.config import Config, config_differences, load_config

ROOT = Path(__file__).resolve().parents[2]
CONFIG = Path("configs/demo/face.yaml")


@pytest.fixture(autouse=True)
def _in_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def plan(tmp_path) -> FacePlan:
    return FacePlan(CONFIG, tmp_path, 100.0, seeds=(0, 1), shares=(1.0, 0.1), overrides=("optim.lr=0.002",))


def config_of(step: Step) -> Config:
    """What train.py or build_cache.py makes of a command."""
    return read_config(step.command[step.command.index("-c") + 1], tuple(overrides_of(step).items()))


def overrides_of(step: Step) -> dict[str, str]:
    return dict(word.split("=", 1) for word in step.command if "=" in word)


@functools.cache
def read_config(path: str, overrides: tuple[tuple[str, str], ...]) -> Config:
    return load_config(path, [f"{key}={value}" for key, value in overrides])


def judged(plan: FacePlan) -> dict[tuple[str, float, int], Step]:
    runs = [(arm, share, seed) for arm in ARMS for share in plan.shares for seed in plan.seeds]
    return {run: plan.arm(*run, 500) for run in runs}


def every_step(plan: FacePlan) -> list[Step]:
    steps = [step for steps in (*plan.prepare(), *plan.calibration().values()) for step in steps]
    steps += [plan.pretrain(seed, 300) for seed in plan.seeds]
    for run, step in judged(plan).items():
        steps += [step, plan.predict(*run)]
    return steps + [plan.scores(arm, share) for arm in ARMS for share in plan.shares]


def test_steps_are_commands_of_the_project_with_names_and_folders_of_their_own(plan):
    steps = every_step(plan)
    assert len({step.name for step in steps}) == len(steps)
    assert all((ROOT / step.command[0]).is_file() for step in steps)
    trainings = [step for step in steps if step.command[0] == "train.py"]
    assert len({config_of(step).output_dir for step in trainings}) == len(trainings) == 8 + 2 + 16


def test_arms_differ_in_what_they_are_about_and_in_nothing_else(plan):
    configs = {run: config_of(step) for run, step in judged(plan).items()}
    for (arm, share, seed), config in configs.items():
        assert (config.mixture.train_share, config.seed, config.optim.lr) == (share, seed, 0.002)
        differences = config_differences(configs[TARGET, share, seed], config, ignore=("output_dir",))
        keys = {row.partition(":")[0] for row in differences}
        if arm == PRETRAINED:
            assert keys == {"model.init"}
            assert config.model.init == str(plan.out / PRETRAINING / f"seed_{seed}" / "best")
        else:
            assert all(key.startswith("mixture.corpora.") for key in keys)
            assert list(config.mixture.corpora) == ([] if arm == TARGET else [arm])


def test_the_pretraining_sees_nothing_of_the_target_and_is_one_a_seed(plan):
    pretrained = {seed: config_of(plan.pretrain(seed, 300)) for seed in plan.seeds}
    target = plan.load()
    for seed, config in pretrained.items():
        formats = [config.data.format, *(corpus.format for corpus in config.mixture.corpora.values())]
        assert formats == ["emoca", "singinghead"]
        assert (config.seed, config.data.fps, config.data.window_frames) == (
            seed,
            target.data.fps,
            target.data.window_frames,
        )
        keys = {row.partition(":")[0].partition(".")[0] for row in config_differences(target, config)}
        assert keys <= {"data", "mixture", "seed", "output_dir", "optim"}
        assert config.model == target.model
    inits = {config_of(step).model.init for (arm, _, _), step in judged(plan).items() if arm == PRETRAINED}
    assert inits == {f"{config.output_dir}/best" for config in pretrained.values()}


def test_every_cache_that_a_training_reads_is_built_from_a_corpus_that_is_made(plan):
    corpora, caches = plan.prepare()
    built = [config_of(step).data for step in caches]
    roots = {command[command.index("--out") + 1] for command in (step.command for step in corpora)}
    for step in (*judged(plan).values(), plan.pretrain(0, 300)):
        config = config_of(step)
        for corpus in (config.data, *config.mixture.corpora.values()):
            assert corpus.root in roots
            assert [
                data
                for data in built
                if (data.root, data.cache_dir) == (corpus.root, corpus.cache_dir)
                and (data.format, data.fps, data.audio_track) == (corpus.format, corpus.fps, corpus.audio_track)
                and shaping_config(data)["sample_rate"] == config.data.sample_rate
            ]


def test_a_corpus_that_was_begun_goes_on_with_its_own_arguments(tmp_path):
    default = corpus_command(str(tmp_path))
    assert default == ("tools/make_corpus.py", "--out", str(tmp_path))
    wanted = CorpusArguments(num_speakers=10, num_recordings=240, seconds=8.0)
    command = corpus_command(str(tmp_path), "singinghead", wanted)
    assert command[3:] == ("--layout", "singinghead", "--speakers", "10", "--recordings", "240", "--seconds", "8")
    noted = {"rules_version": 2, "num_speakers": 2, "num_recordings": 6, "seconds": 12.0, "seed": 3}
    (tmp_path / "corpus.json").write_text(json.dumps(noted))
    assert corpus_command(str(tmp_path), "emoca", wanted)[5:] == ("--speakers", "2", "--recordings", "6", "--seed", "3")
    (tmp_path / "corpus.json").write_text(json.dumps(noted | {"pauses": 0.25}))
    assert corpus_command(str(tmp_path))[-2:] == ("--pauses", "0.25")
    # Whatever decides a corpus is an option.
    assert set(_CORPUS_OPTIONS.values()) == {field.name for field in dataclasses.fields(CorpusArguments)}


class StubRunner:
    """Finishes steps at once, as if a training took `fixed_s` and `step_s` for each step, and leaves what it would leave."""

    def __init__(self, plan: FacePlan, fixed_s: float = 6.0, step_s: float = 0.08) -> None:
        self.plan, self.fixed_s, self.step_s = plan, fixed_s, step_s
        self.commands: dict[str, tuple[str, ...]] = {}
        self.seconds: dict[str, float] = {}

    def run(self, steps):
        return {step.name: self._one(step) for step in steps}

    def _one(self, step: Step) -> Done:
        assert step.name not in self.commands
        self.commands[step.name] = step.command
        seconds = 1.0
        if step.command[0] == "train.py":
            values = overrides_of(step)
            mixed = str(CONFIG) not in step.command  # which costs more
            seconds = self.fixed_s + (1.25 if mixed else 1.0) * int(values["optim.max_steps"]) * self.step_s
            if "model.init" in values:
                before = f"output_dir={Path(values['model.init']).parent}"
                assert any(before in found for found in self.commands.values())
        self.seconds[step.name] = seconds
        return Done(list(step.command), "abc", seconds, seconds, 1)


@pytest.fixture
def stubbed(monkeypatch):
    """Runs a plan with a stub; what collect() would have been given comes back."""
    monkeypatch.setattr("ablate_face.collect", lambda plan, took, budget: {"took": took, "budget": budget})

    def run(plan: FacePlan, **costs: float):
        runner = StubRunner(plan, **costs)
        return run_all(plan, runner, Journal(plan.out, {"seconds": plan.seconds}, "abc")), runner

    return run


def test_every_training_gets_the_same_seconds_and_the_pretraining_counts(plan, stubbed):
    results, runner = stubbed(plan)
    for (arm, share, seed), step in judged(plan).items():
        seconds = runner.seconds[step.name]
        if arm == PRETRAINED:
            pretraining = runner.seconds[f"{PRETRAINING} seed {seed}"]
            assert pretraining == pytest.approx(PRETRAINING_PART * plan.seconds, abs=0.2)
            seconds += pretraining
        assert seconds == pytest.approx(plan.seconds, abs=0.3), (arm, share)
        assert results["took"][step.name].cpu_s == runner.seconds[step.name]
    steps = results["budget"]["steps"]
    assert steps[TARGET] > steps[EMOCA] == steps[SINGINGHEAD] > steps[PRETRAINING] > FEWEST_STEPS


def test_faces_and_scores_come_after_what_they_need(plan, stubbed):
    _, runner = stubbed(plan)
    order = list(runner.commands)
    for run in judged(plan):
        assert order.index(plan.name(*run)) < order.index(plan.predict(*run).name)
        arm, share, _ = run
        assert order.index(plan.predict(*run).name) < order.index(plan.scores(arm, share).name)


def test_the_same_command_again_gives_the_same_steps_though_the_machine_is_slower_now(plan, stubbed):
    """What is finished then keeps its command, and is not run again."""
    _, first = stubbed(plan)
    _, again = stubbed(plan, fixed_s=9.0, step_s=0.2)
    assert again.commands == first.commands


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--shares", "0"], "--shares: got 0;"),
        (["--seconds", "0"], "--seconds: got 0;"),
        (["--seeds", "0"], "--seeds: got 0;"),
        (["data.root=x"], "data.root=x: the configs and the ablation say that"),
        (["mixture.weight=2"], "mixture.weight=2: the configs"),
    ],
)
def test_arguments_that_cannot_be_used(arguments, message, tmp_path, capsys):
    assert main(["-c", str(CONFIG), "--out", str(tmp_path / "out"), *arguments]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_another_model_is_refused(tmp_path, capsys):
    assert main(["-c", "configs/demo/camn.yaml", "--out", str(tmp_path)]) == 1
    assert "a config of camn; give one of a face trunk" in capsys.readouterr().err


def test_faces_are_scored_seed_by_seed_and_beside_another_arm(tmp_path):
    """The real face is told from one of another recording, in files as tools/predict_face.py leaves them."""
    for take in (1, 2, 9):
        make_raw_recording(tmp_path / "raw", f"2_scott_0_{take}_{take}", seed=take)
    config = {
        "data": {"root": str(tmp_path / "raw"), "cache_dir": str(tmp_path / "caches")},
        "model": {"name": "face"},
        "mixture": {"main": "beat"},
    }
    (tmp_path / "face.yaml").write_text(json.dumps(config))
    build_cache(load_config(tmp_path / "face.yaml").data, 1, progress=False)
    real = tmp_path / "raw" / "2"
    still = json.loads((real / "2_scott_0_1_1.json").read_text())
    for frame in still["frames"]:
        frame["weights"] = [0.5] * len(frame["weights"])
    for arm in ("real", "still"):
        for seed in (0, 1):
            home = tmp_path / arm / f"seed_{seed}" / "beat"
            home.mkdir(parents=True)
            for take in (1, 2):
                name = f"2_scott_0_{take}_{take}.json"
                if arm == "still" or (seed, take) == (1, 2):
                    (home / name).write_text(json.dumps(still))
                else:
                    shutil.copy(real / name, home / name)
    folders = {arm: [str(tmp_path / arm / f"seed_{seed}") for seed in (0, 1)] for arm in ("real", "still")}
    command = ["-c", str(tmp_path / "face.yaml"), "--faces", "--each-seed", "--generated", *folders["real"]]
    assert score([*command, "--compare", *folders["still"], "--out", str(tmp_path / "scores")]) == 0
    of_seeds = [
        read_json(tmp_path / "scores" / f"seed_{seed}" / "metrics.json")["measures"]["face_mae_mouth"]["value"]
        for seed in (0, 1)
    ]
    row = read_json(tmp_path / "scores" / "metrics.json")["measures"]["face_mae_mouth"]
    assert of_seeds[0] == pytest.approx(0, abs=1e-3)  # the filter of the resampling
    assert 0.1 < of_seeds[1] < 0.2
    assert row["value"] == pytest.approx(sum(of_seeds) / 2)
    (compared,) = row["compare"].values()
    assert compared["difference"] < -0.1
    assert row["low"] is not None


def test_bodies_need_an_fgd_network_and_faces_none(tmp_path, capsys):
    command = ["-c", str(CONFIG), "--generated", str(tmp_path), "--out", str(tmp_path / "scores")]
    assert score(command) == 1
    assert "--fgd-checkpoint: give the network" in capsys.readouterr().err
