"""Pickles that hold arrays and plain containers, read through an allow-list: nothing of theirs is ever called.

A pickle is a program. The corpora of the field and the FLAME models come as pickles all the same, some from Python 2.
Here the machine of `pickle` runs with names of ours in place of those that a file asks for: an array, a dtype and a
scalar become inert records that are turned into numpy afterwards, with their sizes checked; every other name ends the
reading. Classes of foreign packages, where a caller names them, become records without behaviour (`ForeignObject`).
"""

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from emage.errors import InputError

MAX_BYTES = 64 * 2**20  # a SingingHead segment has 57 kB
NUMBER_KINDS = "biufc"  # bool, int, uint, float, complex: types whose bytes are the number
_PLAIN = (bool, int, float, complex, str, bytes, type(None))


class ForeignObject:
    """An object of a package that is not loaded: what was stored of it, without its behaviour.

    Attributes:
        type_name: "module.name" as the file spells it.
        arguments: what its constructor would have been given.
        state: its attributes, or what it stored in their place; None if nothing.
    """

    type_name = ""

    def __new__(cls, *arguments: Any) -> "ForeignObject":
        made = super().__new__(cls)
        made.arguments, made.state = arguments, None
        return made

    def __init__(self, *arguments: Any) -> None:
        pass  # the arguments are kept by __new__, which is all that some protocols call

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Dtype:
    """numpy.dtype(code, align, copy), then its state, whose second value is the byte order."""

    def __init__(self, code: Any = "", *_: Any) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]

    def as_numpy(self) -> np.dtype:
        code = self.code.decode("ascii") if isinstance(self.code, bytes) else self.code
        if code in ("O", "O8", "O4"):
            return np.dtype(object)
        dtype = np.dtype(str(code))
        if dtype.kind not in NUMBER_KINDS:
            raise ValueError(f"an array of {code!r}")
        return dtype.newbyteorder(self.order) if self.order in ("<", ">") else dtype


class _Array:
    """numpy's _reconstruct(ndarray, (0,), 'b'), then the state (version, shape, dtype, Fortran order, data)."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _ArrayClass:
    """What `numpy.ndarray` stands for, an argument of _reconstruct; it cannot make one."""


def _bytes_of(text: Any, encoding: str = "latin1") -> bytes:
    if encoding != "latin1" or not isinstance(text, str):
        raise ValueError(f"_codecs.encode({encoding!r})")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """bytes(): how protocols 0 to 2 write an empty array's data; bytes(10**12) is not to be had."""
    return b""


def _scalar(dtype: _Dtype, data: Any = b"") -> Any:
    return _number_array(dtype, (), data)[()].item()


def _from_buffer(data: Any, dtype: _Dtype, shape: Any, order: str) -> _Array:
    made = _Array()
    made.__setstate__((1, shape, dtype, order == "F", bytes(data)))
    return made


def _old_object(kind: Any, base: Any, state: Any) -> ForeignObject:
    """copy_reg._reconstructor: how protocols 0 and 1 make an object."""
    if not (isinstance(kind, type) and issubclass(kind, ForeignObject)):
        raise ValueError(f"an object of {kind!r}")
    return kind()


def _allowed() -> dict[tuple[str, str], Any]:
    names: dict[tuple[str, str], Any] = {
        ("numpy", "ndarray"): _ArrayClass,
        ("numpy", "dtype"): _Dtype,
        ("_codecs", "encode"): _bytes_of,
        ("collections", "OrderedDict"): OrderedDict,
        ("__builtin__", "bytes"): _no_bytes,
        ("copy_reg", "_reconstructor"): _old_object,
        ("copyreg", "_reconstructor"): _old_object,
        ("__builtin__", "object"): object,
        ("builtins", "object"): object,
    }
    for core in ("numpy.core", "numpy._core"):  # numpy 2 renamed it
        names[f"{core}.multiarray", "_reconstruct"] = _Array
        names[f"{core}.multiarray", "scalar"] = _scalar
        names[f"{core}.numeric", "_frombuffer"] = _from_buffer
    return names


_ALLOWED = _allowed()


class _Unpickler(pickle._Unpickler):
    # The machine in Python, not the one in C: that one makes room for as many memo entries as a damaged file numbers,
    # tens of gigabytes from four bytes. Large arrays are one opcode each, so that speed does not suffer.
    def __init__(self, content: bytes, source: str | Path, foreign: tuple[str, ...]) -> None:
        super().__init__(io.BytesIO(content), encoding="latin1")  # Python 2 wrote bytes as text
        self.source, self.foreign = source, foreign

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        if module.partition(".")[0] in self.foreign:
            return type(name, (ForeignObject,), {"type_name": f"{module}.{name}"})
        raise InputError(
            f"{self.source}: the pickle asks for {module}.{name}, which is neither an array nor a plain container;"
            " it is not read. If you trust the file, store its arrays as npz"
        )


def parse_array_pickle(content: bytes, source: str | Path, *, foreign: tuple[str, ...] = ()) -> Any:
    """Reads a pickle of arrays and plain containers.

    Args:
        content: the bytes.
        source: for messages: the file.
        foreign: top packages whose objects become `ForeignObject`; the packages are not imported.

    Returns:
        dict, list, tuple, str, bytes, numbers, numpy arrays, None and ForeignObject. An array of Python objects becomes
        the list of them, or the object itself where it had no dimension.

    Raises:
        InputError: the pickle asks for another name, or is damaged.
    """
    try:
        return _plain(_Unpickler(content, source, foreign).load(), {})
    except InputError:
        raise
    except Exception as error:  # a damaged pickle can raise anything at all
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"{source}: cannot be read as a pickle of arrays ({reason}); copy the file again") from error


def read_array_pickle(path: str | Path, *, foreign: tuple[str, ...] = (), max_bytes: int = MAX_BYTES) -> Any:
    """`parse_array_pickle` of a file.

    Raises:
        InputError: also if there is no such file or it has more than `max_bytes`.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    num_bytes = path.stat().st_size
    if num_bytes > max_bytes:
        raise InputError(f"{path}: {num_bytes} bytes; such a file has {max_bytes} at most")
    return parse_array_pickle(path.read_bytes(), path, foreign=foreign)


def _plain(value: Any, done: dict[int, Any]) -> Any:
    """Records turned into numpy, at any depth; `done` keeps a value that occurs often from being walked as often."""
    if isinstance(value, _PLAIN):
        return value
    if id(value) in done:
        return done[id(value)][1]
    if isinstance(value, dict):
        made: Any = {_plain(key, done): _plain(item, done) for key, item in value.items()}
    elif isinstance(value, list | tuple):
        made = type(value)(_plain(item, done) for item in value)
    elif isinstance(value, _Array):
        made = _array(value, done)
    elif isinstance(value, ForeignObject):
        made = value
        made.arguments, made.state = _plain(value.arguments, done), _plain(value.state, done)
    else:
        raise ValueError(f"a {type(value).__name__} stands where a number, an array or a container is expected")
    done[id(value)] = (value, made)  # with the value itself: its id is its own while it lives
    return made


def _array(record: _Array, done: dict[int, Any]) -> Any:
    if record.state is None:
        raise ValueError("an array without content")
    _, shape, dtype, fortran, data = record.state
    if not isinstance(dtype, _Dtype):
        raise ValueError("an array without a type")
    if dtype.as_numpy().kind == "O":
        items = [_plain(item, done) for item in data]
        return items[0] if tuple(shape) == () and len(items) == 1 else items
    return _number_array(dtype, shape, data, fortran=bool(fortran))


def _number_array(dtype: _Dtype, shape: Any, data: Any, *, fortran: bool = False) -> np.ndarray:
    content = data.encode("latin1") if isinstance(data, str) else bytes(data)
    flat = np.frombuffer(content, dtype=dtype.as_numpy())  # raises if the bytes are no whole number of values
    shape = tuple(int(length) for length in shape)
    if any(length < 0 for length in shape):
        raise ValueError(f"an array of shape {shape}")
    return flat.reshape(shape, order="F" if fortran else "C").astype(flat.dtype.newbyteorder("="), order="C")
