"""What the accuracy page says of identification: made from the record of ``benchmarks.identification``."""

from __future__ import annotations

from assent.types import JsonObject
from benchmarks.words import counted_cell, percent_cell

_CALIBRATIONS = {"LFW": "calibrated on LFW alone", "all": "calibrated on these and LFW"}


def portrait_lines(part: JsonObject) -> list[str]:
    """Portraits by rule: the raw distance, then policies, in the gallery without engravings."""
    lines = [
        "| rule | gallery | falsely matched | own portrait missed, or not first |",
        "| --- | --- | --- | --- |",
    ]
    first = part["distances"][0]["gallery"]
    for row in part["distances"]:
        if row["gallery"] == first:
            habit = ", as everybody uses it" if row["distance"] == 0.6 else ""
            lines.append(
                f"| raw distance {row['distance']:g}{habit} | {row['gallery_size']:,} | {counted_cell(row['fpir'])} | "
                f"{percent_cell(row['fnir'])} |"
            )
    for row in part["portraits"]:
        if row["gallery"] == first:
            rule = f"{row['policy']} policy, {_CALIBRATIONS[row['calibrated_on']]}"
            lines.append(
                f"| {rule}{_refused(row)} | {_size(row)} | {counted_cell(row['fpir'])} | {percent_cell(row['fnir'])} |"
            )
    return lines


def several_lines(part: JsonObject) -> list[str]:
    """People with several photographs, by what is enrolled."""
    names = {"single": "one photo", "mean": "mean of the others"}
    lines = [
        "| reference | policy | gallery | threshold | strangers' searches with a candidate | missed, or not first |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {names[row['reference']]} | {row['policy']}{_refused(row)} | {_size(row)} | {row['threshold']:.3f} | "
        f"{percent_cell(row['fpir'])} | {percent_cell(row['fnir'])} |"
        for row in part["lfw"]
    ]
    return lines


def _refused(row: JsonObject) -> str:
    return " (refused: the highest supported threshold)" if row["is_refused"] else ""


def _size(row: JsonObject) -> str:
    return f"{row['gallery_size']:,}" + (" (its n_max)" if row["gallery_size"] == row["n_max"] else "")
