"""Errors and warnings about the input, as an entry point prints them."""

import warnings

import pytest

from emage.errors import InputError, InputWarning, collected_warnings, one_line_errors, warn_input


def test_error_is_one_line_and_exit_code_1(capsys):
    @one_line_errors
    def main() -> int:
        raise InputError("a.wav: sample 3 is nan;\n record it again")

    assert main() == 1
    assert capsys.readouterr().err == "error: a.wav: sample 3 is nan; record it again\n"


def test_each_warning_is_printed_once(capsys):
    @one_line_errors
    def main() -> int:
        for _ in range(3):
            warn_input("a.wav: cut off:\n5.3 s of 8.1 s are read")
        warn_input("b.wav: silent")
        return 0

    assert main() == 0
    expected = "warning: a.wav: cut off: 5.3 s of 8.1 s are read\nwarning: b.wav: silent\n"
    assert capsys.readouterr().err == expected


def test_warning_is_printed_in_the_next_call_too(capsys):
    main = one_line_errors(lambda: warn_input("a.wav: silent") or 0)
    main()
    main()
    assert capsys.readouterr().err.count("warning: a.wav: silent") == 2


def test_warnings_are_collected_without_repetition_and_not_shown(capsys):
    @one_line_errors
    def main() -> int:
        with collected_warnings() as messages:
            warn_input("first")
            warn_input("first")
            warn_input("second")
        assert messages == ["first", "second"]
        warn_input("third")
        return 0

    assert main() == 0
    assert capsys.readouterr().err == "warning: third\n"


def test_collecting_lets_other_warnings_pass():
    with pytest.warns(RuntimeWarning, match="other"), collected_warnings() as messages:
        warnings.warn("other", RuntimeWarning, stacklevel=1)
    assert messages == []


def test_library_user_gets_a_python_warning():
    with pytest.warns(InputWarning, match=r"a\.wav: silent"):
        warn_input("a.wav: silent")
