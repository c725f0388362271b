"""A trained face trunk as the face path of a generator: its config is filled in, its weights are what training begins from.

What belongs to the trunk's corpora and speakers is brought to the generator's: one corpus, its speakers. Whoever the
trunk knows keeps their look, everybody else begins as the neutral identity.
"""

import dataclasses

import torch

from emage.checkpoint import Bundle, load_bundle, weights_hash
from emage.config import Config
from emage.errors import InputError
from emage.face_prediction import ARKIT_FORMATS, NEUTRAL, corpus_formats
from emage.models.face import FacePath, head_columns
from emage.motion.statistics import MotionStatistics
from emage.speakers import SpeakerTable

FACE = "face"  # the part whose tokenizer a trunk stands in for
FACE_LAYOUT = "arkit_51"


def with_face_trunk(config: Config) -> Config:
    """The config of a model whose face a trunk makes, with the trunk's sizes filled in; another config as it is.

    A tokenizer of the face is left out of it.

    Raises:
        InputError: no checkpoint of a face trunk, or one of another frame or sample rate than the data.
    """
    folder = getattr(config.model, "face_trunk", "")
    if not folder:
        return config
    trained = load_bundle(folder, expected="face").config
    for key in ("fps", "sample_rate"):
        has, wanted = getattr(trained.data, key), getattr(config.data, key)
        if has != wanted:
            raise InputError(
                f"model.face_trunk: {folder} was trained with data.{key}={has:g}, the config says {wanted:g}; train it"
                " at the rate of the data"
            )
    changes = {"face_trunk_config": trained.model, "face_trunk_hash": weights_hash(folder)}
    for name in ("tokenizers", "tokenizer_configs", "tokenizer_hashes"):
        if hasattr(config.model, name):
            changes[name] = {part: value for part, value in getattr(config.model, name).items() if part != FACE}
    return dataclasses.replace(config, model=dataclasses.replace(config.model, **changes))


def start_face_path(path: FacePath, folder: str, speakers: SpeakerTable, statistics: MotionStatistics) -> None:
    """Gives a generator's face path the weights of a trained trunk and the statistics of the generator's corpus.

    Args:
        path: fresh; changed in place.
        folder: checkpoint of the trunk.
        speakers: of the generator.
        statistics: of its train split, with arkit_51.

    Raises:
        InputError: no checkpoint of a face trunk, or one of other sizes than the path has.
    """
    bundle = load_bundle(folder, expected="face")
    trained, own = bundle.model.state_dict(), path.trunk.state_dict()
    bound = ("corpus_", "speaker_embedding.")  # to the corpora and speakers of a training
    kept = {name: values for name, values in trained.items() if name in own and not name.startswith(bound)}
    for name, values in kept.items():
        if own[name].shape != values.shape:
            raise InputError(f"model.face_trunk: {folder}: {name} has another size than face_trunk_config says")
    corpus, known = _home(bundle)
    identity = trained["speaker_embedding.weight"]
    rows = identity[NEUTRAL].expand_as(own["speaker_embedding.weight"]).clone()
    for label in speakers.labels:
        if f"{known}/{label}" in bundle.speakers.labels:
            rows[1 + speakers.index(label)] = identity[bundle.speakers.index(f"{known}/{label}")]
    path.trunk.load_state_dict(
        {**own, **kept, "corpus_embedding.weight": corpus[None], "speaker_embedding.weight": rows}
    )
    # A column that does not move has deviation 1, as MotionStatistics applies it.
    zero, one = (statistics.denormalise(torch.full((1, 51), value), FACE_LAYOUT)[0] for value in (0.0, 1.0))
    columns = head_columns("arkit")
    path.trunk.corpus_mean[0, columns], path.trunk.corpus_std[0, columns] = zero, one - zero


def _home(bundle: Bundle) -> tuple[torch.Tensor, str]:
    """Embedding (C,) and name of the trunk's corpus that is annotated as the generator's is; else the mean of all, ""."""
    formats = corpus_formats(bundle.config)
    rows = bundle.model.corpus_embedding.weight.detach()[: len(formats)]
    for number, (name, data_format) in enumerate(formats.items()):
        if data_format in ARKIT_FORMATS:
            return rows[number], name
    return rows.mean(dim=0), ""
