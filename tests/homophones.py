"""A script of the synthetic corpus with every keyword exchanged for the word that sounds the same, and back."""

from dataclasses import replace

from dataloaders.corpora.synthetic_text import ScriptWord


def swap_homophones(script: list[ScriptWord]) -> list[ScriptWord]:
    """The script of the same sound in which every keyword has become its homophone, and every homophone its keyword."""
    return [_swapped(word) if word.keyword else word for word in script]


def _swapped(word: ScriptWord) -> ScriptWord:
    text = word.keyword.twin if word.is_keyword else word.keyword.word
    return replace(word, text=text, is_keyword=not word.is_keyword)
