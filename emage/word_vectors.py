"""Pretrained word vectors in fastText's text format (.vec): `word v1 v2 ... vD` a line, often behind a line `words D`."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from emage.errors import InputError
from emage.text import normalise_word
from emage.vocabulary import Vocabulary


def read_word_vectors(path: str | Path, words: Iterable[str], dim: int) -> dict[str, np.ndarray]:
    """Reads the vectors of some words, line by line (such files have gigabytes).

    Args:
        path: the .vec file.
        words: normalised words that are wanted.
        dim: D.

    Returns:
        (D,) float32 by word, of those that the file holds; the first spelling that normalises to a word counts.

    Raises:
        InputError: no such file, or a line with another number of values or one that is no number.
    """
    wanted, found = set(words), {}
    try:
        file = Path(path).open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"model.word_vectors: {path}: cannot be read: {error.strerror}") from error
    with file:
        for number, line in enumerate(file, start=1):
            word, *values = line.rstrip().split(" ")
            if number == 1 and len(values) == 1:
                continue  # the header
            word = normalise_word(word)
            if word not in wanted or word in found:
                continue
            if len(values) != dim:
                raise InputError(
                    f"{path}: line {number}: {len(values)} values behind {word!r}, but model.word_dim={dim}; set it to"
                    f" {len(values)}"
                )
            try:
                found[word] = np.array(values, dtype=np.float32)
            except ValueError as error:
                raise InputError(f"{path}: line {number}: {word!r}: {error}; the file is damaged") from error
    return found


def start_words(embedding: nn.Embedding, vocabulary: Vocabulary, path: str | Path) -> int:
    """Lets the rows of known words begin as the vectors of a .vec file; returns how many were found."""
    vectors = read_word_vectors(path, vocabulary.words, embedding.embedding_dim)
    with torch.no_grad():
        for word, vector in vectors.items():
            embedding.weight[vocabulary.id(word)] = torch.from_numpy(vector)
    return len(vectors)
