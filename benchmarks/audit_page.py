"""The tables of ``docs/accuracy.md``: made from the profile that ships, and from what audits measured.

Run ``python -m benchmarks.audit_page``; a quarter of an hour on two idle cores. It is ``assent audit verify`` on LFW,
``assent audit congress`` on the portraits, and ``benchmarks.identification``; the numbers are recorded in
``docs/accuracy-audit.json`` (no picture and no name), and the parts of the page between marks are made from them. With
``--parts`` only some are measured; with ``--lfw``, ``--congress`` or ``--identification`` the numbers come from a JSON
file (the one beside a report), and with ``--render`` from what is recorded.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from assent.calibration.profile import builtin_profile
from assent.cli.output import counting
from assent.config import Settings
from assent.evaluation.audit import AuditOptions
from assent.evaluation.report.words import one_in
from assent.service.auditing import Outputs, Target, audit_congress, audit_verify
from assent.types import JsonObject
from benchmarks.common import BENCH_DIR, MODELS_DIR, REPOSITORY
from benchmarks.datasets import DATA_DIR
from benchmarks.identification import measure_identification
from benchmarks.identification_page import portrait_lines, several_lines
from benchmarks.profile_page import gallery_lines, summary_lines, verification_lines
from benchmarks.words import counted_cell, percent_cell

PAGE = REPOSITORY / "docs" / "accuracy.md"
RECORD = REPOSITORY / "docs" / "accuracy-audit.json"
MADE_BY = "made by python -m benchmarks.audit_page"


def measure_lfw(data_dir: Path, settings: Settings, progress: Callable[[int, int], None]) -> JsonObject:
    """``assent audit verify`` on LFW; the twin of its report."""
    return audit_verify(
        settings,
        Target(),
        folders=[data_dir / "lfw"],
        options=AuditOptions(),
        outputs=Outputs(sheet=BENCH_DIR / "lfw-top.png"),
        progress=progress,
    ).twin()


def measure_congress(data_dir: Path, settings: Settings, progress: Callable[[int, int], None]) -> JsonObject:
    """``assent audit congress``; the twin of its report."""
    return audit_congress(
        settings,
        Target(),
        data_dir=data_dir,
        options=AuditOptions(),
        outputs=Outputs(sheet=BENCH_DIR / "congress-false-matches.png"),
        progress=progress,
    ).twin()


def numbers_of(twin: JsonObject) -> JsonObject:
    """What the page needs of a twin, without anybody's name."""
    return {
        "created": twin["result"]["method"]["created"],
        "versions": twin["result"]["method"]["versions"],
        "engine": twin["run"]["system"]["engine"],
        "failures": twin["run"]["failures"],
        "data": {key: value for key, value in twin["result"]["data"].items() if key.startswith("num_")},
        "points": twin["result"]["points"],
        "eer": twin["result"]["eer"],
        "rules": [_rule(rule) for rule in twin["rules"]],
    }


def _rule(rule: JsonObject) -> JsonObject:
    result = rule["result"]
    found: JsonObject = {"name": rule["name"], "is_refused": rule["is_refused"], "ratios": rule["ratios"]}
    if result is None:
        return found
    searches = result["identification"]
    return found | {
        "threshold": result["point"]["threshold"],
        "gallery_size": searches["gallery_size"],
        "fpir": searches["fpir"],
        "fnir": searches["fnir"][0]["rate"],
        "groups": [
            {"name": row["name"], "fpir": row["fpir"], "fnmr": row["fnmr"]}
            for row in result["groups"][0]["rows"]
        ],
    }


def identification_numbers(
    data_dir: Path, settings: Settings, _progress: Callable[[int, int], None]
) -> JsonObject:
    """Identification on the photographs."""
    found = measure_identification(data_dir, settings.models_path, settings.threads or 1)
    return found | {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: metadata.version(name) for name in ("assent", "numpy", "scipy")},
    }


MEASURES = {"lfw": measure_lfw, "congress": measure_congress, "identification": identification_numbers}


def parts_of(recorded: JsonObject) -> dict[str, list[str]]:
    """The lines of each part of the page, by the name in its marks."""
    profile = builtin_profile(recorded["identification"]["engine"])
    assert profile is not None, "checked by check()"
    audits = {name: recorded[name] for name in ("congress", "lfw")}
    return {
        "summary": summary_lines(profile),
        "verification": verification_lines(profile),
        "galleries": gallery_lines(profile),
        "portraits": portrait_lines(recorded["identification"]),
        "several": several_lines(recorded["identification"]),
        "audits": [
            *_congress_lines(audits["congress"]),
            *_lfw_lines(audits["lfw"]),
            *_foot(recorded),
        ],
    }


def render(page: str, recorded: JsonObject) -> str:
    """The page with all its parts made anew."""
    for name, lines in parts_of(recorded).items():
        page = _put_into(page, name, lines)
    return page


def _congress_lines(part: JsonObject) -> list[str]:
    groups = [group["name"] for group in part["rules"][0]["groups"]]
    size = part["rules"][0]["gallery_size"]
    lines = [
        f"**The experiment of 2018**, `assent audit congress`: {part['rules'][0]['fpir']['num_trials']} members of the "
        f"118th Congress searched for among {size:,} other people's portraits, each with their own left out. Sex is "
        "what the official biography says; for some there is none.",
        "",
        f"| rule | falsely matched | {' | '.join(f'of the {name}' for name in groups)} | own portrait missed, or not "
        "first |",
        "| --- " * (3 + len(groups)) + "|",
    ]
    for rule in part["rules"]:
        if "fpir" not in rule:
            lines.append(f"| {rule['name']} | nobody: no score reaches it | {'| ' * len(groups)}everybody |")
            continue
        refused = " (refused: the highest supported threshold)" if rule["is_refused"] else ""
        own = " | ".join(counted_cell(group["fpir"]) for group in rule["groups"])
        lines.append(
            f"| {rule['name']}{refused} | {counted_cell(rule['fpir'])} | {own} | {percent_cell(rule['fnir'])} |"
        )
    return [*lines, "", *_ratios(part)]


def _ratios(part: JsonObject) -> list[str]:
    said = [
        f"{rule['name']}: {ratio['more']} {ratio['value']:.1f} times as often as {ratio['less']} "
        f"[{ratio['lower']:.1f}, {ratio['upper']:.1f}]"
        for rule in part["rules"]
        for ratio in rule["ratios"]
        if ratio["value"] is not None
    ]
    return [f"{'; '.join(said)}. An interval that holds 1 may be chance.", ""] if said else []


def _lfw_lines(part: JsonObject) -> list[str]:
    data = part["data"]
    lines = [
        f"**News photographs**, `assent audit verify`: {data['num_subjects']:,} people of LFW, all "
        f"{data['num_mated'] + data['num_nonmated']:,} pairs of photographs, each pair counting once (the tables above "
        "count pairs of people). LFW has label errors, left in here.",
        "",
        "| false matches, at most | cosine at least | false matches seen | missed |",
        "| --- | --- | --- | --- |",
    ]
    for point in part["points"]:
        beyond = "" if point["is_supported"] else " (beyond these data)"
        lines.append(
            f"| {one_in(point['target_fmr'])}{beyond} | {point['threshold']:.4f} | {counted_cell(point['fmr'])} | "
            f"{percent_cell(point['fnmr'])} |"
        )
    return [*lines, "", f"Equal error rate {percent_cell(part['eer'])}.", ""]


def _foot(recorded: JsonObject) -> list[str]:
    part = max(recorded.values(), key=lambda one: str(one["created"]))
    versions = ", ".join(f"{name} {version}" for name, version in part["versions"].items())
    return [f"Recorded {part['created'][:10]} with {versions}; all numbers: [record](accuracy-audit.json)."]


def _put_into(page: str, name: str, lines: Sequence[str]) -> str:
    begin, end = f"<!-- {name}: {MADE_BY} -->", f"<!-- end of {name} -->"
    head, found, rest = page.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"expected the two marks of {name} in {PAGE.name}")
    return "\n".join([head + begin, *lines, end + tail])


def check(recorded: JsonObject) -> None:
    """The record is of the models and recipe that ship."""
    for name, part in recorded.items():
        if builtin_profile(part["engine"]) is None:
            raise SystemExit(f"the record of {name} is of other models; run python -m benchmarks.audit_page")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA_DIR)
    parser.add_argument("--models", type=Path, default=MODELS_DIR)
    parser.add_argument("--threads", type=int, default=2)
    for name in MEASURES:
        parser.add_argument(f"--{name}", type=Path, help="the JSON beside a report, instead of measuring")
    parser.add_argument("--parts", nargs="+", default=list(MEASURES), choices=list(MEASURES))
    parser.add_argument("--render", action="store_true", help="from what is recorded")
    options = parser.parse_args()
    recorded: JsonObject = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.is_file() else {}
    given = {name: getattr(options, name) for name in MEASURES if getattr(options, name) is not None}
    for name, path in given.items():
        recorded[name] = _recorded(name, json.loads(path.read_text(encoding="utf-8")))
    if not given and not options.render:
        settings = Settings(
            data_dir=BENCH_DIR / "no-data", models_dir=options.models, threads=options.threads
        )
        for name in options.parts:
            with counting(name) as progress:
                recorded[name] = _recorded(name, MEASURES[name](options.data, settings, progress))
    check(recorded)
    RECORD.write_text(json.dumps(recorded, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8"), recorded), encoding="utf-8")
    print(f"wrote {RECORD.name} and its parts of {PAGE.name}")


def _recorded(name: str, measured: JsonObject) -> JsonObject:
    return measured if name == "identification" else numbers_of(measured)


if __name__ == "__main__":
    main()
