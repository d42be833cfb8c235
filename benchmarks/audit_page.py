"""The audit's own output on the photographs beside the project, as a part of ``docs/accuracy.md``.

Run ``python -m benchmarks.audit_page``; ten minutes on two idle cores. It is ``assent audit verify`` on LFW and
``assent audit congress`` on the portraits; the numbers are recorded in ``docs/accuracy-audit.json`` (no picture and no
name), and the part of the page between two marks is made from them. With ``--lfw`` or ``--congress`` the numbers come
from the JSON beside such a report, and with ``--render`` from what is recorded.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from assent.calibration.profile import builtin_profile
from assent.cli.output import counting
from assent.config import Settings
from assent.evaluation.audit import AuditOptions
from assent.evaluation.report.words import one_in, percent
from assent.service.auditing import Outputs, Target, audit_congress, audit_verify
from assent.types import JsonObject
from benchmarks.common import BENCH_DIR, MODELS_DIR, REPOSITORY
from benchmarks.datasets import DATA_DIR

PAGE = REPOSITORY / "docs" / "accuracy.md"
RECORD = REPOSITORY / "docs" / "accuracy-audit.json"
BEGIN, END = "<!-- made by python -m benchmarks.audit_page -->", "<!-- end of what the audit made -->"


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


MEASURES = {"lfw": measure_lfw, "congress": measure_congress}


def render(recorded: JsonObject) -> str:
    """The part of the page between the marks."""
    makers = {"congress": _congress_lines, "lfw": _lfw_lines}
    lines = [line for name, make in makers.items() if name in recorded for line in make(recorded[name])]
    return "\n".join([BEGIN, *lines, *_foot(recorded), END])


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
        own = " | ".join(_counted(group["fpir"]) for group in rule["groups"])
        lines.append(
            f"| {rule['name']}{refused} | {_counted(rule['fpir'])} | {own} | {_percent(rule['fnir'])} |"
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
            f"| {one_in(point['target_fmr'])}{beyond} | {point['threshold']:.4f} | {_counted(point['fmr'])} | "
            f"{_percent(point['fnmr'])} |"
        )
    return [*lines, "", f"Equal error rate {_percent(part['eer'])}.", ""]


def _foot(recorded: JsonObject) -> list[str]:
    part = max(recorded.values(), key=lambda one: str(one["created"]))
    versions = ", ".join(f"{name} {version}" for name, version in part["versions"].items())
    return [f"Recorded {part['created'][:10]} with {versions}; all numbers: [record](accuracy-audit.json)."]


def _counted(rate: JsonObject) -> str:
    return f"{round(rate['num_errors']):,} of {rate['num_trials']:,}, {_percent(rate)}"


def _percent(rate: JsonObject) -> str:
    low, high = (percent(rate[end]).removesuffix(" %") for end in ("lower", "upper"))
    return f"{percent(rate['value'])} [{low}, {high}]"


def put_into(page: str, part: str) -> str:
    """The page with the part between the marks replaced."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"expected the two marks of the audit's part in {PAGE.name}")
    return head + part + tail


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
    parser.add_argument("--render", action="store_true", help="from what is recorded")
    options = parser.parse_args()
    recorded: JsonObject = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.is_file() else {}
    given = {name: getattr(options, name) for name in MEASURES if getattr(options, name) is not None}
    for name, path in given.items():
        recorded[name] = numbers_of(json.loads(path.read_text(encoding="utf-8")))
    if not given and not options.render:
        settings = Settings(
            data_dir=BENCH_DIR / "no-data", models_dir=options.models, threads=options.threads
        )
        for name, measure in MEASURES.items():
            with counting(name) as progress:
                recorded[name] = numbers_of(measure(options.data, settings, progress))
    check(recorded)
    RECORD.write_text(json.dumps(recorded, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(put_into(PAGE.read_text(encoding="utf-8"), render(recorded)), encoding="utf-8")
    print(f"wrote {RECORD.name} and its part of {PAGE.name}")


if __name__ == "__main__":
    main()
