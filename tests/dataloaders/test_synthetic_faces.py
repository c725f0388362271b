"""The synthetic speakers in the layouts of EMOCA codes and SingingHead: read without a notice, the same bytes each time."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from dataloaders.cache import MotionCache, build_cache
from dataloaders.corpora import DATASETS
from dataloaders.corpora.synthetic import make_corpus
from dataloaders.corpora.synthetic_flame import MAPPED_CHANNELS, arkit_to_codes
from dataloaders.corpora.synthetic_plan import CorpusArguments
from emage.audio import rms_envelope
from emage.config import DataConfig
from emage.errors import InputError
from emage.motion.layout import ARKIT_51
from tools import make_corpus as command

ARGUMENTS = CorpusArguments(num_speakers=3, num_recordings=3, seconds=8.0, seed=3)
FPS = {"emoca": 25, "singinghead": 30}
spoken = pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None,
    reason="the corpus is spoken by espeak-ng: pip install -e .[demo]",
)


@pytest.fixture(scope="module")
def corpora(tmp_path_factory) -> dict[str, Path]:
    if importlib.util.find_spec("espeakng_loader") is None:
        pytest.skip("the corpus is spoken by espeak-ng: pip install -e .[demo]")
    root = tmp_path_factory.mktemp("synthetic_faces")
    for layout in FPS:
        make_corpus(root / layout, ARGUMENTS, layout=layout, num_processes=1)
    return {layout: root / layout for layout in FPS}


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("layout", FPS)
def test_the_projects_own_reader_takes_all_of_it_without_a_notice(corpora, tmp_path, layout):
    config = DataConfig(format=layout, root=str(corpora[layout]), cache_dir=str(tmp_path), fps=FPS[layout])
    report = build_cache(config, 1, progress=False)
    assert (len(report.used), report.rejects, report.notices) == (3, [], [])
    cache = MotionCache.open(config)
    assert {cache.num_frames(key) for key in report.used} == {8 * FPS[layout]}
    recordings = DATASETS[layout].find_recordings(config)
    assert len({r.speaker for r in recordings}) == 3
    assert sum(r.subset == "test" for r in recordings) == 1


@pytest.mark.parametrize("layout", FPS)
def test_the_jaw_opens_when_something_sounds(corpora, tmp_path, layout):
    config = DataConfig(format=layout, root=str(corpora[layout]), cache_dir=str(tmp_path), fps=FPS[layout])
    build_cache(config, 1, progress=False)
    cache = MotionCache.open(config)
    for key in cache.recordings():
        jaw = cache.read(key, "face")[:, -3]  # about x, the last part but two columns in both layouts
        loud = rms_envelope(cache.read(key, "waveform"), 16000, FPS[layout]) > 0.01
        assert jaw[loud].mean() > 2 * jaw[~loud].mean()
        assert 0.02 < jaw.std() < 0.2


@pytest.mark.parametrize("layout", FPS)
def test_the_same_arguments_give_the_same_bytes_in_two_processes_and_again(corpora, tmp_path, layout):
    make_corpus(tmp_path / "again", ARGUMENTS, layout=layout, num_processes=2)
    assert contents(tmp_path / "again") == contents(corpora[layout])
    report = make_corpus(tmp_path / "again", ARGUMENTS, layout=layout, num_processes=1)
    assert (report.made, report.found) == (0, 3)
    assert contents(tmp_path / "again") == contents(corpora[layout])


@spoken
def test_segments_that_wait_for_their_zip_are_found_again(tmp_path, corpora):
    from dataloaders.corpora import synthetic_faces

    plans = synthetic_faces.face_plans("singinghead", ARGUMENTS)
    synthetic_faces.write_face(tmp_path / "s", "singinghead", plans[1], ARGUMENTS)
    (tmp_path / "s" / "corpus.json").write_bytes((corpora["singinghead"] / "corpus.json").read_bytes())
    report = make_corpus(tmp_path / "s", ARGUMENTS, layout="singinghead", num_processes=1)
    assert (report.made, report.found) == (2, 1)
    assert contents(tmp_path / "s") == contents(corpora["singinghead"])


@spoken
def test_a_folder_of_another_layout_is_refused(corpora, capsys):
    small = ["--speakers", "3", "--recordings", "3", "--seconds", "8", "--seed", "3"]
    assert command.main(["--out", str(corpora["emoca"]), "--layout", "singinghead", *small]) == 1
    assert "layout 'emoca', now 'singinghead'" in capsys.readouterr().err
    assert command.main(["--out", str(corpora["emoca"]), *small]) == 1
    assert "layout 'emoca', now None" in capsys.readouterr().err


def test_segments_of_singinghead_have_their_length(tmp_path):
    with pytest.raises(InputError, match="--seconds: got 12; segments of SingingHead last 8 s"):
        make_corpus(tmp_path / "s", CorpusArguments(seconds=12.0), layout="singinghead")


def test_each_weight_but_gaze_moves_the_codes_and_more_than_in_proportion_or_less():
    rest, _ = arkit_to_codes(np.zeros((1, 51)))
    assert not rest.any()
    for place, name in enumerate(ARKIT_51):
        half, full = np.zeros((1, 51)), np.zeros((1, 51))
        half[0, place], full[0, place] = 0.5, 1
        moved = np.abs(arkit_to_codes(full)[0]).max()
        assert (moved > 1) == (name in MAPPED_CHANNELS)
        if name in MAPPED_CHANNELS:
            assert np.abs(2 * arkit_to_codes(half)[0] - arkit_to_codes(full)[0]).max() > 0.05
