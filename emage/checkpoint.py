"""The folder of a model: everything that is needed to use its weights, and nothing that a network could not read.

A folder holds the seven FILES. It is written beside its place and swapped in whole, so that a reader, or a kill at any
moment, meets the old folder or the new one and never half of either.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from emage.config import Config, load_config, save_config
from emage.errors import InputError
from emage.models import MODELS
from emage.motion.skeleton import Skeleton
from emage.motion.statistics import MotionStatistics
from emage.speakers import SpeakerTable
from emage.vocabulary import Vocabulary

WEIGHTS_FILE, CONFIG_FILE, STATISTICS_FILE = "model.safetensors", "config.yaml", "statistics.json"
VOCABULARY_FILE, SPEAKERS_FILE, SKELETONS_FILE, INFO_FILE = "vocab.json", "speakers.json", "skeleton.json", "info.json"
FILES = (WEIGHTS_FILE, CONFIG_FILE, STATISTICS_FILE, VOCABULARY_FILE, SPEAKERS_FILE, SKELETONS_FILE, INFO_FILE)


@dataclass
class Bundle:
    """A model with all that its weights mean something with."""

    model: nn.Module
    config: Config
    statistics: MotionStatistics
    vocabulary: Vocabulary
    speakers: SpeakerTable
    skeletons: dict[str, Skeleton] = field(default_factory=dict)  # speaker label -> skeleton
    info: dict[str, Any] = field(default_factory=dict)  # model, steps, corpus, version, losses ...


def save_bundle(folder: str | Path, bundle: Bundle) -> None:
    """Writes a checkpoint folder in one swap; a folder of that name is replaced."""

    def write(partial: Path) -> None:
        save_tensors(bundle.model.state_dict(), partial / WEIGHTS_FILE)
        save_config(bundle.config, partial / CONFIG_FILE)
        bundle.statistics.save(partial / STATISTICS_FILE)
        bundle.vocabulary.save(partial / VOCABULARY_FILE)
        bundle.speakers.save(partial / SPEAKERS_FILE)
        skeletons = {label: skeleton.to_dict() for label, skeleton in bundle.skeletons.items()}
        (partial / SKELETONS_FILE).write_text(json.dumps(skeletons), encoding="utf-8")
        (partial / INFO_FILE).write_text(json.dumps(bundle.info, indent=1) + "\n", encoding="utf-8")

    swap_folder(Path(folder), write)


def load_bundle(folder: str | Path, *, expected: str | None = None) -> Bundle:
    """Reads a checkpoint folder; the model comes back in evaluation mode on the CPU.

    Args:
        folder: what `save_bundle` wrote, e.g. runs/camn/best.
        expected: the name of the model that the caller can use; None takes any.

    Raises:
        InputError: no checkpoint folder, a checkpoint of another model, or weights that do not fit its config.
    """
    folder = checkpoint_folder(folder)
    config = load_config(folder / CONFIG_FILE)
    name = config.model.name
    if expected is not None and name != expected:
        raise InputError(f"checkpoint {folder}: expected {expected}, got {name}; give a folder of a trained {expected}")
    model = MODELS[name](config.model)
    load_weights(model, folder / WEIGHTS_FILE)
    skeletons = read_json(folder / SKELETONS_FILE)
    return Bundle(
        model=model.eval(),
        config=config,
        statistics=MotionStatistics.load(folder / STATISTICS_FILE),
        vocabulary=Vocabulary.load(folder / VOCABULARY_FILE),
        speakers=SpeakerTable.load(folder / SPEAKERS_FILE),
        skeletons={label: Skeleton.from_dict(values) for label, values in skeletons.items()},
        info=read_json(folder / INFO_FILE),
    )


def checkpoint_folder(folder: str | Path) -> Path:
    """The folder if it is a whole checkpoint.

    Raises:
        InputError: it does not exist, or files are missing (they are named).
    """
    folder = Path(folder)
    if not folder.is_dir() and folder.name and _old(folder).is_dir():
        folder = _old(folder)  # a kill between the two renames of a swap: the one before is still whole
    if not folder.is_dir():
        raise InputError(f"checkpoint {folder}: no such folder; train.py writes output_dir/best and output_dir/last")
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        inside = [name for name in ("best", "last") if (folder / name / WEIGHTS_FILE).is_file()]
        remedy = f"; did you mean {folder / inside[0]}?" if inside else "; train.py writes such folders"
        raise InputError(f"checkpoint {folder}: not a checkpoint folder, it lacks {', '.join(missing)}{remedy}")
    return folder


def load_weights(model: nn.Module, path: Path) -> None:
    """Loads a safetensors file into a model whose parameters it must fit exactly.

    Raises:
        InputError: not a safetensors file, or names or shapes differ (the first few are named).
    """
    try:
        found = load_file(path)
    except SafetensorError as error:
        raise InputError(f"weights {path}: not a whole safetensors file ({error}); copy or train it again") from error
    wanted = model.state_dict()
    faults = [
        _named("missing", [key for key in wanted if key not in found]),
        _named("unknown", [key for key in found if key not in wanted]),
        _named(
            "of another shape",
            [
                f"{key} {tuple(found[key].shape)} for {tuple(wanted[key].shape)}"
                for key in wanted
                if key in found and found[key].shape != wanted[key].shape
            ],
        ),
    ]
    if any(faults):
        text = "; ".join(fault for fault in faults if fault)
        raise InputError(f"weights {path}: they do not fit {type(model).__name__} of the config beside them: {text}")
    model.load_state_dict(found)


def weights_hash(folder: str | Path) -> str:
    """SHA-256 (hex) of the weights file of a checkpoint folder: it names the exact network a number was made with."""
    digest = hashlib.sha256()
    with (checkpoint_folder(folder) / WEIGHTS_FILE).open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def plain_tensors(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors on the CPU, each contiguous, as safetensors wants them."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Writes a safetensors file with the permissions that the umask gives any new file.

    safetensors' own are 0600: it renames a temporary file.
    """
    path.touch()
    mode = path.stat().st_mode
    save_file(plain_tensors(tensors), path)
    path.chmod(mode)


def read_json(path: Path, remedy: str = "") -> Any:
    """The content of a json file.

    Args:
        path: the file.
        remedy: what the error message advises.

    Raises:
        InputError: it is no valid json.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid json: {error}{remedy and '; ' + remedy}") from error


def swap_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Replaces a folder by a new one as a whole.

    `write` fills the hidden folder `.<name>.partial` beside it; two renames then put it in place. A kill at any moment
    leaves what `recover_folder` turns into the old folder or the new one.
    """
    recover_folder(folder)
    partial, old = _partial(folder), _old(folder)
    partial.mkdir(parents=True)
    write(partial)
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def recover_folder(folder: Path) -> None:
    """Ends a swap that was killed: afterwards `folder` is whole, if there ever was one, and nothing lies beside it."""
    standing = standing_folder(folder)
    if standing != folder:
        standing.rename(folder)
    shutil.rmtree(_partial(folder), ignore_errors=True)
    shutil.rmtree(_old(folder), ignore_errors=True)


def standing_folder(folder: Path) -> Path:
    """Where the content of a folder lies, also after a kill between the two renames of a swap; changes nothing."""
    if folder.exists():
        return folder
    partial, old = _partial(folder), _old(folder)
    if not old.is_dir():
        return folder
    return partial if partial.is_dir() else old  # the old one was moved away only after the partial one was whole


# Hidden names, which collide with no copy that a user makes (`cp -r best best.old`).
def _partial(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.partial")


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _named(what: str, names: list[str], most: int = 3) -> str:
    if not names:
        return ""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{len(names)} {what}: {', '.join(names[:most])}{more}"
