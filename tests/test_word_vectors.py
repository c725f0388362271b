import pytest
import torch
from torch import nn

from emage.errors import InputError
from emage.vocabulary import Vocabulary
from emage.word_vectors import read_word_vectors, start_words

TEXT = "3 2\nthe 0.5 -1\nMonday, 2 3e-1\nother 9 9\nmonday 7 7\n"


def test_known_words_start_from_their_vectors_and_others_stay(tmp_path):
    path = tmp_path / "words.vec"
    path.write_text(TEXT)
    vocabulary, embedding = Vocabulary(["the", "monday", "zebra"]), nn.Embedding(9, 2)
    before = embedding.weight.detach().clone()
    assert start_words(embedding, vocabulary, path) == 2
    torch.testing.assert_close(embedding.weight[vocabulary.id("the")], torch.tensor([0.5, -1.0]))
    torch.testing.assert_close(
        embedding.weight[vocabulary.id("monday")], torch.tensor([2.0, 0.3])
    )  # the first spelling
    others = [0, 1, 2, 3, vocabulary.id("zebra"), 7, 8]
    assert torch.equal(embedding.weight[others], before[others])


def test_a_file_without_a_header(tmp_path):
    path = tmp_path / "words.vec"
    path.write_text("the 1 2 3\n")
    assert read_word_vectors(path, ["the"], 3)["the"].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("the 1 2 3\n", "line 1: 3 values behind 'the', but model.word_dim=2; set it to 3"),
        ("the 1 x\n", "line 1: 'the'"),
    ],
)
def test_a_file_that_does_not_fit(tmp_path, text, message):
    path = tmp_path / "words.vec"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_word_vectors(path, ["the"], 2)


def test_no_file(tmp_path):
    with pytest.raises(InputError, match=r"model.word_vectors: .*gone.vec: cannot be read"):
        read_word_vectors(tmp_path / "gone.vec", ["the"], 2)
