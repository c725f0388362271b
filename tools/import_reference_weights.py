"""Turns a published BEAT (2022) checkpoint into one of our checkpoint folders: CaMN, or the network of the published FGD.

Which of the two it is, and its sizes, are read off the names and shapes of its tensors. The file is opened for tensors
alone (a pickle can run code; one that holds anything else is refused). What the weights mean something with lies beside
the published data and is given here: mean and deviation of the 141 columns (`bvh_rot/bvh_mean.npy`, `bvh_std.npy` of
the published cache), and for CaMN a recording with BEAT's skeleton and the words of its vocabulary.
"""

import argparse
import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dataloaders.statistics import nearest_rotation
from emage import __version__
from emage.checkpoint import Bundle, save_bundle, weights_hash
from emage.config import (
    CaMNConfig,
    CaMNLossConfig,
    Config,
    DataConfig,
    MotionAutoencoderConfig,
    MotionAutoencoderLossConfig,
)
from emage.errors import InputError, one_line_errors
from emage.models import MODELS
from emage.motion.bvh import BvhMotion, read_bvh
from emage.motion.convert import convert, from_matrices
from emage.motion.layout import get_layout
from emage.motion.statistics import MotionStatistics
from emage.speakers import SpeakerTable
from emage.text import normalise_word
from emage.vocabulary import SPECIAL_WORDS, Vocabulary

EXAMPLE = """
examples:
  python tools/import_reference_weights.py ae_300.bin --out runs/published/fgd --mean bvh_mean.npy --std bvh_std.npy
  python test.py -c configs/beat/camn.yaml ... metrics.fgd.checkpoint=runs/published/fgd
  python tools/import_reference_weights.py camn.bin --out runs/published/camn --mean bvh_mean.npy --std bvh_std.npy \\
      --bvh data/beat_english_v0.2.1/2/2_scott_0_1_1.bvh --words words.txt

words.txt: one word a line in the order of the published ids, without its first four (PAD, SOS, EOS, UNK). Where the
published code is installed, its pickled vocabulary `v` writes it with
  print(*[v.index2word[i] for i in range(4, v.n_words)], sep="\\n", file=open("words.txt", "w"))
"""
LAYOUT, FULL_LAYOUT, FACE_LAYOUT = "beat_141", "beat_full", "arkit_51"
WRAPPERS = ("model_state", "state_dict", "model_state_dict", "model")  # keys that published files put the tensors under
PARALLEL_PREFIX = "module."
WORD_TABLE, SPEAKER_TABLE = "text_encoder.embedding.weight", "speaker_embedding.0.weight"
AUTOENCODER_NAME = "pose_encoder.fc_mu.weight"
BATCH_COUNTER = "num_batches_tracked"
_SHOWN = 3

logger = logging.getLogger(__name__)


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("weights", type=Path, help="published file, e.g. ae_300.bin")
    add("--out", type=Path, required=True, metavar="DIR", help="checkpoint folder to write")
    add("--mean", type=Path, required=True, metavar="NPY", help="(141,) mean that the network was trained with")
    add("--std", type=Path, required=True, metavar="NPY", help="(141,) standard deviation")
    add("--bvh", type=Path, metavar="FILE", help="a BEAT recording: skeleton and pose of what the layout leaves out")
    add("--words", type=Path, metavar="TXT", help="CaMN: the words of its vocabulary, one a line")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    tensors = read_tensors(arguments.weights)
    config = config_of(tensors, arguments.weights)
    model = MODELS[config.model.name](config.model)
    load_tensors(model, tensors, arguments.weights)
    bundle = make_bundle(model, config, arguments)
    save_bundle(arguments.out, bundle)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"{config.model.name}, {parameters:,} parameters, {bundle.info['steps']} training steps")
    print(f"written: {arguments.out}, weights {weights_hash(arguments.out)[:12]}")
    return 0


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Names and tensors of a published file, without the prefix of its parallel training.

    Raises:
        InputError: no such file, one that is no torch file or holds more than tensors, or one without tensors.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"weights {path}: no such file") from error
    except (UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"weights {path}: not a torch file of tensors alone ({reason}); save its state_dict by itself where it was made"
        ) from error
    for key in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict) or not any(isinstance(value, Tensor) for value in content.values()):
        raise InputError(f"weights {path}: no table of tensors, at the top or under {', '.join(WRAPPERS)}")
    return {
        str(name).removeprefix(PARALLEL_PREFIX): value for name, value in content.items() if isinstance(value, Tensor)
    }


def config_of(tensors: dict[str, Tensor], path: Path) -> Config:
    """The config of the published network that these tensors belong to.

    Raises:
        InputError: neither of the two.
    """
    if WORD_TABLE in tensors and SPEAKER_TABLE in tensors:
        model = CaMNConfig(num_words=len(tensors[WORD_TABLE]), num_speakers=len(tensors[SPEAKER_TABLE]))
        return Config(data=DataConfig(), model=model, loss=CaMNLossConfig())
    if AUTOENCODER_NAME in tensors:
        # The published dense part has LeakyReLU(True), a slope of 1: it bends nothing.
        model = MotionAutoencoderConfig(features=len(tensors[AUTOENCODER_NAME]), dense_slope=1.0)
        return Config(data=DataConfig(), model=model, loss=MotionAutoencoderLossConfig())
    raise InputError(
        f"weights {path}: neither the published CaMN nor its motion autoencoder; the first of {len(tensors)} names are "
        f"{', '.join(list(tensors)[:_SHOWN])}"
    )


def load_tensors(model: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Gives the model these weights, which must fit it exactly.

    Raises:
        InputError: names or shapes differ (the first few are named).
    """
    wanted = model.state_dict()
    faults = {
        "missing": [name for name in wanted if name not in tensors],
        "unknown": [name for name in tensors if name not in wanted],
        "of another shape": [
            f"{name} {tuple(tensors[name].shape)} for {tuple(wanted[name].shape)}"
            for name in wanted
            if name in tensors and tensors[name].shape != wanted[name].shape
        ],
    }
    text = [f"{len(names)} {what}: {', '.join(names[:_SHOWN])}" for what, names in faults.items() if names]
    if text:
        raise InputError(
            f"weights {path}: they are not those of the published {type(model).__name__}: {'; '.join(text)}"
        )
    model.load_state_dict(tensors)
    model.eval()


def make_bundle(model: nn.Module, config: Config, arguments: argparse.Namespace) -> Bundle:
    """The network with all that its weights mean something with.

    Raises:
        InputError: statistics, skeleton or words that are missing or do not fit.
    """
    mean, std = (read_column(path, what) for path, what in ((arguments.mean, "--mean"), (arguments.std, "--std")))
    is_camn = config.model.name == "camn"
    if is_camn and arguments.bvh is None:
        raise InputError("--bvh: CaMN needs a skeleton; give the BVH file of any BEAT recording")
    motion = None if arguments.bvh is None else read_bvh(arguments.bvh)
    if motion is None:
        pose = convert(mean, LAYOUT, FULL_LAYOUT, fill=torch.zeros(get_layout(FULL_LAYOUT).dim))
    else:
        pose = mean_pose(motion)
    face_dim = get_layout(FACE_LAYOUT).dim  # the published network takes the face as it is
    statistics = MotionStatistics(
        {LAYOUT: mean, FACE_LAYOUT: torch.zeros(face_dim)}, {LAYOUT: std, FACE_LAYOUT: torch.ones(face_dim)}, pose
    )
    labels = [str(number + 1) for number in range(config.model.num_speakers)] if is_camn else []
    return Bundle(
        model=model,
        config=config,
        statistics=statistics,
        vocabulary=read_words(arguments.words, config.model.num_words) if is_camn else Vocabulary(),
        speakers=SpeakerTable.build(labels, len(labels)),
        skeletons={} if motion is None else dict.fromkeys(labels, motion.skeleton),
        info=_info(model, config, arguments.weights),
    )


def read_column(path: Path, option: str) -> Tensor:
    """A published mean or deviation, (141,) float32.

    Raises:
        InputError: no such file, or not 141 finite numbers.
    """
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{option} {path}: cannot be read as npy: {error}") from error
    dim = get_layout(LAYOUT).dim
    if values.shape != (dim,) or values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        raise InputError(f"{option} {path}: shape {values.shape}, {values.dtype}; expected {dim} finite numbers")
    return torch.from_numpy(values.astype(np.float32))


def mean_pose(motion: BvhMotion) -> Tensor:
    """Mean rotation of each joint and mean place of the root of a recording, (228,) in beat_full.

    Raises:
        InputError: the recording lacks a joint of BEAT.
    """
    layout = get_layout(FULL_LAYOUT)
    joints = motion.skeleton.indices(layout.joints)
    rotations = nearest_rotation(motion.rotations()[:, joints].sum(dim=0))
    return from_matrices(rotations, layout, motion.translations_cm()[:, joints[0]].mean(dim=0)).float()


def read_words(path: Path | None, num_words: int) -> Vocabulary:
    """The vocabulary whose ids are those of the published word table.

    A published entry may hold a blank for a comma, which no look-up meets; it is entered as the plain word unless that
    has an entry of its own.

    Raises:
        InputError: no such file, or another number of words than the table has.
    """
    if path is None:
        logger.info("no --words: every word is unknown to this network")
        return Vocabulary()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--words {path}: cannot be read: {error}") from error
    wanted = num_words - len(SPECIAL_WORDS)
    if len(lines) != wanted:
        raise InputError(f"--words {path}: {len(lines)} lines; the network has {wanted} words after its first four")
    return Vocabulary(_plain_words(lines))


def _plain_words(lines: Iterable[str]) -> list[str]:
    """Each line once and at its own place: plain where no earlier or exact entry takes that, else as it is."""
    lines = list(lines)
    taken, exact = set(SPECIAL_WORDS), set(lines)
    words = []
    for number, line in enumerate(lines):
        plain = normalise_word(line)
        word = plain if plain and plain not in taken and (plain == line or plain not in exact) else line
        while word in taken:
            word = f"{word}#{number}"  # keeps its place, and no look-up meets it
        taken.add(word)
        words.append(word)
    return words


def _info(model: nn.Module, config: Config, weights: Path) -> dict[str, Any]:
    counters = [int(value) for name, value in model.state_dict().items() if name.endswith(BATCH_COUNTER)]
    return {
        "model": config.model.name,
        "layout": config.model.layout,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "steps": max(counters, default=0),  # the batches that its BatchNorm counted
        "corpus": {"format": "published weights", "file": weights.name, "fps": config.data.fps},
        "version": __version__,
    }


if __name__ == "__main__":
    sys.exit(main())
