from __future__ import annotations

from headrace_host.failure import failure
from headrace_sdk import EmitError
from headrace_sdk.testing import RecordingContext, run


def caught(function: object) -> BaseException:
    assert callable(function)
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def test_it_is_the_components_own_traceback() -> None:
    def process(ctx: RecordingContext) -> None:
        ctx.emit(1).result()

    told = failure(caught(lambda: run(process, ctx=RecordingContext(refuse="full"))))
    assert told["name"] == "EmitError"
    assert told["message"] == "full: refused by the test"
    assert "ctx.emit(1).result()" in told["stack"]
    assert "headrace_sdk/testing.py" not in told["stack"]


def test_an_exception_that_was_never_raised_has_no_heading() -> None:
    assert failure(ValueError("x"))["stack"] == "ValueError: x\n"


def test_groups_and_causes_are_told() -> None:
    def fail() -> None:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise ExceptionGroup("many", [ValueError("one"), EmitError("two")]) from inner

    stack = failure(caught(fail))["stack"]
    assert all(text in stack for text in ("KeyError: 'inner'", "ValueError: one", "EmitError: two"))


def test_an_exception_that_cannot_tell_of_itself_is_told_all_the_same() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    told = failure(Broken())
    assert told["name"] == "Broken"
    assert told["message"] == "(its text cannot be read: RuntimeError)"


def test_long_texts_are_shortened_in_the_middle() -> None:
    told = failure(ValueError("a" * 50_000 + "b"))
    assert len(told["message"]) < 33_000
    assert "characters left out" in told["message"]
    assert told["message"].endswith("b")


def test_text_that_is_not_unicode_is_escaped() -> None:
    assert failure(ValueError("\ud800"))["message"] == "\\ud800"


def test_endless_recursion_is_told_in_few_lines() -> None:
    def again() -> None:
        again()

    told = failure(caught(again))
    assert told["name"] == "RecursionError"
    assert "Previous line repeated" in told["stack"]
