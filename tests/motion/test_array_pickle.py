import collections
import os
import pickle
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emage.errors import InputError
from emage.motion.array_pickle import ForeignObject, parse_array_pickle, read_array_pickle

CONTENT = {
    "codes": np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big_endian": np.arange(5, dtype=">i2"),
    "mask": np.array([True, False]),
    "empty": np.zeros((0, 3)),
    "plain": [1, 2.5, "x", None, (True, b"y")],
    "scalar": np.float32(0.5),
    "ordered": collections.OrderedDict(a=1),
}


class Opener:
    """What a pickle can carry: a call."""

    def __reduce__(self):
        return os.mkdir, ("made_by_a_pickle",)


@pytest.mark.parametrize("protocol", range(6))
def test_round_trip_of_every_protocol(protocol):
    found = parse_array_pickle(pickle.dumps(CONTENT, protocol=protocol), "file")
    for name in ("codes", "fortran", "big_endian", "mask", "empty"):
        assert np.array_equal(found[name], CONTENT[name])
        assert found[name].dtype == CONTENT[name].dtype.newbyteorder("=")
    assert found["plain"] == CONTENT["plain"]
    assert found["scalar"] == 0.5
    assert dict(found["ordered"]) == {"a": 1}


def test_a_pickle_of_python_2_is_read():
    """Protocol 0 as Python 2 wrote it: names of numpy 1, bytes as text; FLAME_masks.pkl is like this."""
    data = struct.pack("<3q", 3, 128, 255)
    text = "".join(chr(b) if 32 <= b < 127 and chr(b) not in "\\'" else f"\\x{b:02x}" for b in data)
    content = (
        "(dp0\nS'lips'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\nS'b'\np5\ntp6\nRp7\n"
        "(I1\n(I3\ntp8\ncnumpy\ndtype\np9\n(S'i8'\np10\nI0\nI1\ntp11\nRp12\n(I3\nS'<'\np13\nNNNI-1\nI-1\nI0\ntp14\nb"
        f"I00\nS'{text}'\np15\ntp16\nbs."
    )
    assert parse_array_pickle(content.encode("ascii"), "masks")["lips"].tolist() == [3, 128, 255]


@pytest.mark.parametrize("protocol", range(6))
def test_a_call_is_refused_and_not_made(protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for content in (Opener(), {"expcodes": [Opener()]}, np.array([Opener()], dtype=object)):
        with pytest.raises(InputError, match=r"evil.pkl: the pickle asks for (posix|nt).mkdir, which is neither"):
            parse_array_pickle(pickle.dumps(content, protocol=protocol), "evil.pkl")
    assert not (tmp_path / "made_by_a_pickle").exists()


@pytest.mark.parametrize("name", ["builtins\neval", "builtins\ngetattr", "numpy\nload", "os\nsystem", "_pickle\nloads"])
def test_only_names_of_arrays_are_known(name):
    content = f"c{name}\n(S'1'\ntR.".encode()
    with pytest.raises(InputError, match="neither an array"):
        parse_array_pickle(content, "file")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle",
        pickle.dumps(CONTENT)[:-60],
        pickle.dumps({1, 2}),  # a set
        pickle.dumps(np.array(["a"])),
        pickle.dumps(np.datetime64("2020-01-01")),
        b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x03\x00\x00\x00ziptR.",  # another codec
        b"c__builtin__\nbytes\n(I1000000000000\ntR.",  # a memory bomb
    ],
)
def test_what_is_no_pickle_of_arrays_is_named(content):
    with pytest.raises(InputError, match="file.pkl: cannot be read as a pickle of arrays"):
        parse_array_pickle(content, "file.pkl")


def test_an_array_whose_bytes_do_not_fill_its_shape_is_refused():
    whole = pickle.dumps(np.zeros((4, 3), np.float32), protocol=2)
    wrong = whole.replace(b"K\x04K\x03\x86", b"K\x09K\x03\x86")
    assert wrong != whole
    with pytest.raises(InputError, match="cannot be read as a pickle of arrays"):
        parse_array_pickle(wrong, "file")


def test_shared_and_endless_containers_end():
    nested = [1]
    for _ in range(60):  # 2^60 elements if each were walked
        nested = [nested, nested]
    found = parse_array_pickle(pickle.dumps(nested), "file")
    assert found[0] is found[1]
    endless: list = []
    endless.append(endless)
    with pytest.raises(InputError, match="cannot be read"):
        parse_array_pickle(pickle.dumps(endless), "file")


def test_an_array_of_objects_is_what_it_held():
    assert parse_array_pickle(pickle.dumps(np.array({"a": np.ones(2)}, dtype=object)), "file")["a"].tolist() == [1, 1]
    assert parse_array_pickle(pickle.dumps(np.array([None, "x"], dtype=object)), "file") == [None, "x"]


def test_objects_of_a_named_package_come_without_their_behaviour():
    state = {"x": np.arange(3.0)}
    for protocol in (0, 2, 4):
        content = pickle.dumps(_chumpy_like(state), protocol=protocol)
        with pytest.raises(InputError, match="chumpy.ch.Ch"):
            parse_array_pickle(content, "model")
        found = parse_array_pickle(content, "model", foreign=("chumpy",))
        assert isinstance(found, ForeignObject)
        assert found.type_name == "chumpy.ch.Ch"
        assert found.state["x"].tolist() == [0, 1, 2]


def _chumpy_like(state: dict) -> object:
    """An object that pickles as chumpy.ch.Ch."""
    import sys
    import types

    module = types.ModuleType("chumpy.ch")
    kind = type("Ch", (), {"__module__": "chumpy.ch", "__qualname__": "Ch"})
    module.Ch = kind
    sys.modules["chumpy"], sys.modules["chumpy.ch"] = types.ModuleType("chumpy"), module
    made = kind()
    made.__dict__.update(state)
    return made


@pytest.fixture(autouse=True)
def _forget_chumpy():
    yield
    import sys

    sys.modules.pop("chumpy", None)
    sys.modules.pop("chumpy.ch", None)


def test_a_file_that_is_missing_or_too_large_is_named(tmp_path):
    with pytest.raises(InputError, match="none.pkl: no such file"):
        read_array_pickle(tmp_path / "none.pkl")
    (tmp_path / "large.pkl").write_bytes(pickle.dumps(np.zeros(100)))
    with pytest.raises(InputError, match="large.pkl: .* bytes; such a file has 100 at most"):
        read_array_pickle(tmp_path / "large.pkl", max_bytes=100)
    assert read_array_pickle(tmp_path / "large.pkl").shape == (100,)


def test_a_memo_number_out_of_all_proportion_takes_no_memory():
    tracemalloc.start()
    try:
        assert parse_array_pickle(b"\x80\x02}r\xff\xff\xff\x07.", "file") == {}
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 400), st.binary(min_size=1, max_size=4), st.integers(0, 5))
def test_a_spoiled_pickle_is_read_or_is_an_input_error(place, spoil, protocol):
    content = pickle.dumps({"expcodes": CONTENT["codes"], "posecodes": [[1.0, 2.0]]}, protocol=protocol)
    place %= len(content)
    try:
        parse_array_pickle(content[:place] + spoil + content[place + len(spoil) :], "file")
    except InputError:
        pass
