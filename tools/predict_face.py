"""Writes what a trained face trunk predicts for the recordings of its corpora, in each corpus' own arrays and as ARKit json.

<out>/<corpus>/<id>/expcode.npy, posecode.npy    EMOCA codes, 25 fps: expression 50; head 3, jaw 3
<out>/<corpus>/<id>.npz                          SingingHead, 30 fps: expcodes (T, 50), posecodes (T, 9) = head, 0, jaw
                                                 BEAT2: expcodes (T, 100), posecodes (T, 9)
<out>/<corpus>/<id>.json                         51 ARKit weights: by the head that BEAT trained, or by --map
"""

import argparse
import logging
import sys
from pathlib import Path

import numpy as np
import torch

from dataloaders.face_corpus import FaceCorpus
from emage.checkpoint import Bundle, load_bundle
from emage.config import config_to_dict, load_config
from emage.errors import InputError, one_line_errors
from emage.face_prediction import ARKIT_FORMATS, PredictedFace, corpus_formats, predict_face
from emage.generation import checkpoint_in
from emage.motion.arkit import write_arkit_json
from emage.motion.arkit_flame import FaceMap, load_face_map
from emage.motion.face_file import write_codes_npz
from emage.motion.layout import get_layout

EXAMPLE = """
examples:
  python tools/predict_face.py --checkpoint runs/beat/face/best --out runs/beat/face/predicted
  python tools/predict_face.py --checkpoint runs/corpora/emoca/best --split val --out runs/emoca --map face_map.safetensors
"""


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="DIR", help="of a face trunk, e.g. RUN/best")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--split", choices=("train", "val", "test"), default="test", help="default %(default)s")
    parser.add_argument("--corpora", nargs="+", metavar="NAME", help="only these of the mixture; default: all")
    parser.add_argument("--map", type=Path, metavar="FILE", help="FLAME to ARKit, where no head for ARKit was trained")
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="where caches lie now, e.g. data.cache_dir=DIR"
    )
    arguments = parser.parse_intermixed_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    folder = checkpoint_in(arguments.checkpoint)
    bundle = load_bundle(folder, expected="face")
    config = load_config(folder / "config.yaml", arguments.overrides)
    if config_to_dict(config)["model"] != config_to_dict(bundle.config)["model"]:
        raise InputError("model.*: the checkpoint decides it; only where data lies can be changed")
    face_map = load_face_map(arguments.map) if arguments.map else None
    corpus = FaceCorpus.open(config)
    names = [member.name for member in corpus.members]
    unknown = [name for name in arguments.corpora or () if name not in names]
    if unknown:
        raise InputError(f"--corpora: {unknown[0]!r} is no corpus of this training; choose of {', '.join(names)}")
    members = [member for member in corpus.members if member.name in (arguments.corpora or names)]
    total = 0
    for member in members:
        for entry in member.entries[arguments.split]:
            waveform = member.cache.read(entry.recording_id, "waveform")
            speaker = member.cache.known[entry.recording_id].speaker
            face = predict_face(bundle, waveform, member.name, speaker=speaker, fps=member.cache.fps)
            write_prediction(arguments.out / member.name, entry.recording_id, face, format=member.data.format)
            weights = arkit_weights(bundle, waveform, face, face_map)
            if weights is not None:
                write_arkit_json(arguments.out / member.name / f"{entry.recording_id}.json", weights, face.fps)
            total += 1
        print(f"{arguments.out / member.name}: {len(member.entries[arguments.split])} recordings of {arguments.split}")
    if not total:
        raise InputError(f"--split {arguments.split}: no corpus has a recording in it; choose another")
    return 0


def write_prediction(folder: Path, name: str, face: PredictedFace, *, format: str) -> None:
    """Writes a face as its corpus keeps faces; one of ARKit weights has nothing but its json."""
    if format in ARKIT_FORMATS:
        return
    head = torch.zeros(len(face.values), 3) if face.head is None else face.head
    if format != "emoca":
        # There is one rotation of the head: the global one has it, and the neck stays straight.
        path = folder / f"{name}.npz"
        turns = torch.cat([head, torch.zeros_like(head)], dim=1)
        write_codes_npz(path, face.values, face.layout, face.fps, head=turns)
        return
    jaw = get_layout(face.layout).part_slices["jaw"]
    home = folder / name
    home.mkdir(parents=True, exist_ok=True)
    np.save(home / "expcode.npy", face.values[:, : jaw.start].numpy())
    np.save(home / "posecode.npy", torch.cat([head, face.values[:, jaw]], dim=1).numpy())


def arkit_weights(
    bundle: Bundle, waveform: np.ndarray, face: PredictedFace, face_map: FaceMap | None
) -> torch.Tensor | None:
    """ARKit weights (T, 51) for the same sound: its own, those of the head for ARKit, or by the map; None: no way."""
    if face.layout == "arkit_51":
        return face.values
    named = [name for name, kind in corpus_formats(bundle.config).items() if kind in ARKIT_FORMATS]
    if named:
        return predict_face(bundle, waveform, named[0], fps=face.fps).values
    return None if face_map is None else face_map.to_arkit(face.values, face.layout)


if __name__ == "__main__":
    sys.exit(main())
