"""What a log may say of an exception: where it was raised, never what it was about."""

from __future__ import annotations

from types import TracebackType


def kind_and_place(error: BaseException) -> str:
    """An exception's class and where it was raised, as a line of a log has it: ``KeyError at module:line``."""
    return f"{type(error).__name__} at {place_of(error)}"


def place_of(error: BaseException) -> str:
    """Where an exception was raised: the last place in Assent's own code, as ``module:line``."""
    place = "unknown"
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] == "assent":
            place = f"{module}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
