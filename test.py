"""Checkpoint in, motion files and numbers out: runs a generator over every test recording at full length and judges it.

The config says which recordings are tested (`data`) and how (`metrics`); the checkpoint says which network runs.
Written are OUT/test/<id>.bvh, OUT/test/<id>.json (the predicted face; a given one is <id>.given.json and never scored)
and OUT/metrics.json with metrics.csv and report.html.
"""

import argparse
import dataclasses
import json
import logging
import shlex
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from tqdm import tqdm

from dataloaders.cache_format import MOTION_LAYOUT
from dataloaders.corpus import Corpus
from dataloaders.splits import SplitEntry
from emage import __version__
from emage.checkpoint import Bundle, load_bundle, weights_hash
from emage.config import Config, config_to_dict, load_config
from emage.devices import usable_device
from emage.errors import InputError, one_line_errors
from emage.evaluation import Evaluation, FGDNetwork, Options, Pair, evaluate_pairs, load_fgd_network
from emage.evaluation.fgd_network import FGD_MODEL
from emage.generation import Generator, checkpoint_in
from emage.motion.convert import convert
from emage.motion.layout import get_layout
from emage.performance import Performance

EXAMPLE = """
example:
  python test.py -c configs/demo/camn.yaml --checkpoint runs/demo/camn/best output_dir=runs/demo/camn \\
      metrics.fgd.checkpoint=runs/demo/motion_autoencoder/best
"""

SCORES = ("fgd", "split_half_floor", "beat_align", "beat_align_reference")


@dataclass
class Tester:
    """A generator, the corpus it is tested on, and the folder of its results."""

    generator: Generator
    corpus: Corpus
    folder: Path
    config: Config
    give_seed_frames: bool = False
    generation_s: float = 0.0  # spent in the network so far, without reading, writing and scoring

    def pairs(self) -> Iterator[Pair]:
        """Generates each test recording, writes its files and hands it on for scoring."""
        for number, entry in enumerate(tqdm(self.corpus.usable("test"), "test", unit="recording", disable=None)):
            yield self._pair(entry, number)

    def _pair(self, entry: SplitEntry, number: int) -> Pair:
        generator = self.generator
        streams = self.corpus.clip_streams(entry, generator.bundle.vocabulary)
        full = torch.from_numpy(streams["motion_full"])
        real = convert(full, MOTION_LAYOUT, generator.layout)  # (T, D)
        num_seed = self.num_seed_frames
        started = time.monotonic()
        performance = generator.generate(
            streams["waveform"],
            generator.sample_rate,
            words=streams["word_list"],
            speaker=streams["speaker"],
            emotion=streams["emotion"],
            seed_motion=real[:num_seed] if num_seed else None,
            face=streams["face"] if generator.takes_face else None,
            seed=(self.config.seed, number),
            options=self.config.generation if generator.draws else None,
        )
        self.generation_s += time.monotonic() - started
        assert performance.num_frames == streams["num_frames"], f"{entry.id}: no tail dropped, no first frame lost"
        self._write(entry.id, performance)
        reference = dataclasses.replace(
            performance, motion=real, face=torch.from_numpy(streams["face"]), face_given=False
        )
        pair = Pair(
            entry.id, performance, reference, streams["waveform"], streams["semantic"], tuple(streams["phone_list"])
        )
        return pair.after(num_seed, generator.sample_rate)

    @property
    def num_seed_frames(self) -> int:
        """Real frames that the generator is given at the start of each recording; they are not scored."""
        return self.generator.seed_frames if self.give_seed_frames else 0

    def _write(self, entry_id: str, performance: Performance) -> None:
        folder = self.folder / "test"
        faces = {False: folder / f"{entry_id}.json", True: folder / f"{entry_id}.given.json"}
        performance.save_bvh(folder / f"{entry_id}.bvh")
        if performance.face is not None:
            performance.save_arkit_json(faces.pop(performance.face_given))
        for path in faces.values():  # of an earlier test whose model had another kind of face
            path.unlink(missing_ok=True)


def check_checkpoint(bundle: Bundle, config: Config, folder: Path) -> None:
    """Refuses a checkpoint that the config does not fit.

    Raises:
        InputError: another model, or data of another frame or sample rate.
    """
    trained = bundle.config
    for key, has, asked in (
        ("model.name", trained.model.name, config.model.name),
        ("data.fps", trained.data.fps, config.data.fps),
        ("data.sample_rate", trained.data.sample_rate, config.data.sample_rate),
    ):
        if has != asked:
            raise InputError(
                f"checkpoint {folder}: {key} is {has}, the config says {asked}; give the config it was trained with"
            )


def fgd_train_command(config: Config, config_path: Path) -> str:
    """The command that trains an FGD network for a test: on the data of its config, at the same frame rate.

    The network keeps its own windows (the FGD of BEAT 2022 has 34 frames). A network of another frame rate than its
    config file's gets a folder of its own.

    Args:
        config: of the test.
        config_path: its file; a motion_autoencoder.yaml beside it is preferred to that of configs/demo.
    """
    path, network = _fgd_config(config_path)
    own, wanted = _data_values(network), _data_values(config)
    changed = [f"data.{key}={_yaml(value)}" for key, value in wanted.items() if value != own[key]]
    if _layout_fault(network, config):
        changed.append(f"model.layout={config.model.layout}")
    rate = "" if config.data.fps == network.data.fps else f"_{config.data.fps:g}"
    folder = Path(config.output_dir).parent / f"{FGD_MODEL}{rate}"
    return " ".join(map(shlex.quote, ["python", "train.py", "-c", str(path), f"output_dir={folder}", *changed]))


def _fgd_config(config_path: Path) -> tuple[Path, Config]:
    beside = config_path.with_name(f"{FGD_MODEL}.yaml")
    if beside.is_file() and (config := load_config(beside)).model.name == FGD_MODEL:
        return beside, config
    path = Path("configs") / "demo" / f"{FGD_MODEL}.yaml"
    path = path if path.is_file() else Path(__file__).resolve().parent / path
    return path, load_config(path)


def _data_values(config: Config) -> dict[str, Any]:
    """The values of `data` that a network is trained on, but its windows; splits only if one can train on them."""
    values = dataclasses.asdict(config.data)
    splits = values.pop("splits")
    splits = splits if splits["train"] and splits["val"] else dict.fromkeys(splits, [])
    values |= {f"splits.{name}": ids for name, ids in splits.items()}
    return {key: value for key, value in values.items() if key not in ("window_frames", "stride_frames", "num_workers")}


def _yaml(value: Any) -> str:
    """A value as it stands behind the = of an override."""
    is_plain = not isinstance(value, list) and OmegaConf.from_dotlist([f"key={value}"]).key == value
    return str(value) if is_plain else json.dumps(value, ensure_ascii=False)


def check_fgd_network(network: Config, config: Config, folder: str | Path, command: str) -> None:
    """Refuses an FGD network that cannot measure the motion of a test.

    Args:
        network: the config of the network.
        config: of the test.
        folder: of the network, for the error message.
        command: trains another one, for the error message.

    Raises:
        InputError: another frame rate, or a layout that the generator's motion cannot be brought to.
    """
    remedy = f"train one with `{command}`"
    if network.data.fps != config.data.fps:
        raise InputError(
            f"metrics.fgd.checkpoint: {folder} was trained at {network.data.fps:g} fps, data.fps is"
            f" {config.data.fps:g}; {remedy}"
        )
    fault = _layout_fault(network, config)
    if fault:
        raise InputError(f"metrics.fgd.checkpoint: {folder} cannot see this model's motion: {fault}; {remedy}")


def _layout_fault(network: Config, config: Config) -> str:
    """Why a motion of the generator cannot be brought to the layout of the network; empty if it can."""
    layout, fill = get_layout(config.model.layout), torch.zeros(1, get_layout(MOTION_LAYOUT).dim)
    try:
        convert(torch.zeros(1, layout.dim), layout, network.model.layout, fill=fill[0])
    except InputError as error:
        return str(error)
    return ""


def report(run: Tester, config: Config, checkpoint: Path, results: dict[str, Any]) -> dict[str, Any]:
    """What metrics.json holds: the results and all that they hang on."""
    bundle, corpus = run.generator.bundle, run.corpus
    tested = {entry.recording_id for entry in corpus.entries["test"]}
    notices = [f"{key}: {note}" for key in sorted(tested) for note in corpus.cache.notices.get(key, [])]
    if run.num_seed_frames:
        notices.append(f"the first {run.num_seed_frames} frames of each recording were given and are not scored")
    elif run.generator.always_seeded:
        notices.append("the model always had seed frames in training (model.seed_dropout=0) and got none here")
    faceless = []
    if not run.generator.makes_face:
        reason = "it was given to the model" if run.generator.takes_face else "the model makes none"
        faceless.append({"id": "all", "metric": "face", "reason": reason})
    return {
        **results,
        "not_scored": [
            *({"id": key, "metric": "all", "reason": reason} for key, reason in corpus.unusable["test"]),
            *results["not_scored"],
            *faceless,
        ],
        "seconds": {
            "motion": results["counts"]["motion_s"],
            "generation": run.generation_s,
            "device": str(run.generator.device),
        },
        "seed_frames_given": run.num_seed_frames,
        "notices": [*results.get("notices", []), *notices],
        "checkpoint": {"folder": str(checkpoint), "weights_sha256": weights_hash(checkpoint), "info": bundle.info},
        "cache": corpus.cache.fingerprint,
        "seed": config.seed,
        "config": config_to_dict(config),
        "checkpoint_config": config_to_dict(bundle.config),
        "version": __version__,
    }


def summary(results: dict[str, Any]) -> list[str]:
    """The lines that the command prints at its end."""
    fgd, floor, beats, real = (results[key] for key in SCORES)
    made = f"{results['seconds']['motion']:.1f} s of motion generated in {results['seconds']['generation']:.1f} s"
    rows = [
        ("FGD", f"{_number(fgd['fgd'])}   (two halves of the real data: {_number(floor['split_half_mean'])})"),
        (
            f"BC {beats['variant']}",
            f"{_number(beats['beat_align'])}   (chance: {_number(beats['chance_random'])} random beats, "
            f"{_number(beats['chance_shifted'])} its own beats shifted; real motion: {_number(real['beat_align'])})",
        ),
        ("recordings", f"{results['counts']['recordings']}, {made}"),
    ]
    rows += [("not scored", f"{row['id']}: {row['metric']}: {row['reason']}") for row in results["not_scored"]]
    return [f"{name:<14} {text}" for name, text in rows]


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    add("-c", "--config", required=True, type=Path, metavar="FILE", help="YAML file that the model was trained with")
    add("--checkpoint", required=True, type=Path, metavar="DIR", help="what train.py wrote, e.g. runs/demo/camn/best")
    add("--give-seed-frames", action="store_true", help="give the model its first real frames; they are not scored")
    add("--device", default=device, help="where the networks run; by default the GPU, if there is one")
    add("overrides", nargs="*", metavar="key=value", help="config values, e.g. output_dir=DIR")
    return parser


def _open(arguments: argparse.Namespace, config: Config) -> tuple[Tester, FGDNetwork]:
    """Loads and checks all that a test needs, before any recording is generated."""
    if not config.output_dir:
        raise InputError("output_dir: not set; add output_dir=DIR, e.g. output_dir=runs/demo/camn")
    device = usable_device(arguments.device)
    folder = Path(config.output_dir)
    bundle = load_bundle(arguments.checkpoint)
    check_checkpoint(bundle, config, arguments.checkpoint)
    generator = Generator(bundle, device)
    if arguments.give_seed_frames and not generator.seed_frames:
        raise InputError(f"--give-seed-frames: {arguments.checkpoint} takes none (model.seed_frames=0); leave it out")
    command = fgd_train_command(config, arguments.config)
    fgd_network = load_fgd_network(config.metrics.fgd.checkpoint, command, device=device)
    check_fgd_network(fgd_network.bundle.config, config, fgd_network.folder, command)
    corpus = Corpus.open(config)
    for entry in corpus.usable("test"):  # an unknown speaker should not end the test after an hour
        bundle.speakers.index(corpus.cache.known[entry.recording_id].speaker)
    return Tester(generator, corpus, folder, config, arguments.give_seed_frames), fgd_network


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Runs the command; the exit code is 0, or 1 for an input that cannot be used."""
    arguments = _parser().parse_intermixed_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    arguments.checkpoint = checkpoint_in(arguments.checkpoint)
    config = load_config(arguments.config, arguments.overrides)
    run, fgd_network = _open(arguments, config)
    evaluation = evaluate_pairs(
        run.pairs(),
        fgd_network,
        options=Options(
            sample_rate=config.data.sample_rate,
            seed=config.seed,
            intervals=config.metrics.intervals,
            controls=config.metrics.controls,
        ),
        beat_align=config.metrics.beat_align.variant,
        facts={"generated": str(arguments.checkpoint), "reference": f"the test split of {config.data.root}"},
    )
    results = report(run, config, arguments.checkpoint, evaluation.results)
    Evaluation(results, evaluation.pictures).write(run.folder)
    for line in summary(results):
        print(line)
    print(f"written: {run.folder / 'metrics.json'}, metrics.csv, report.html and {run.folder / 'test'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
