"""``assent audit``: how often a face matcher is wrong, for whom, and how sure that is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assent.cli.audit_tables import print_audit, print_comparison
from assent.cli.common import write_bytes
from assent.cli.output import JsonOption, counting, json_text, print_json, say
from assent.errors import UsageError

if TYPE_CHECKING:
    from assent.evaluation.reading import ReadOptions, ReadScores
    from assent.evaluation.result import AuditResult, Comparison

app = typer.Typer(name="audit", help="Measure any face matcher's errors, by group.", no_args_is_help=True)

FormatOption = Annotated[
    str | None,
    typer.Option("--format", help="csv, bfw, bob-4col, bob-5col, matrix or npy. Default: found out."),
]
ScoreColumnOption = Annotated[
    str | None, typer.Option("--score-column", help="Header of the scores to read, where there are several.")
]
DistanceOption = Annotated[
    bool, typer.Option("--distance", help="Scores are distances: lower is more alike.", show_default=False)
]
TargetOption = Annotated[
    float, typer.Option("--target-fmr", help="Choose the lowest threshold with at most this rate.")
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Folder, file.json, or report.html with its JSON beside it."),
]
ReplicatesOption = Annotated[int, typer.Option("--replicates", help="Bootstrap draws.", min=100)]
SeedOption = Annotated[int, typer.Option("--seed", help="Of the draws.")]
NameOption = Annotated[str, typer.Option("--system", help="Name of what was measured.")]
DescriptionOption = Annotated[
    str, typer.Option("--description", help="Who these people are and what the pictures are like.")
]


@app.command("scores")
def scores(
    files: Annotated[list[Path], typer.Argument(help="Score files of one system.", show_default=False)],
    format: FormatOption = None,
    score_column: ScoreColumnOption = None,
    distance: DistanceOption = False,
    threshold: Annotated[
        float | None, typer.Option("--threshold", help="The system's own; instead of --target-fmr.")
    ] = None,
    target_fmr: TargetOption = 1e-3,
    gallery_size: Annotated[
        int | None, typer.Option("--gallery-size", "-n", help="People in the gallery that you have.", min=1)
    ] = None,
    fpir_target: Annotated[
        float, typer.Option("--fpir-target", help="Share of strangers' searches that may name anybody.")
    ] = 0.01,
    groups: Annotated[
        str | None,
        typer.Option("--groups", help="Columns to report by, such as sex,age or sex+age. Default: all."),
    ] = None,
    system: NameOption = "",
    description: DescriptionOption = "",
    replicates: ReplicatesOption = 1000,
    seed: SeedOption = 0,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Audit mated and nonmated scores of any system.

    Files are CSV (`probe,reference,score,mated`, more columns are groups), a square matrix with ids in the first row
    and column, bob's 4 or 5 columns, BFW's columns, or a square `.npy` array. An empty score, or `fta`, is a picture
    without a template.

    Example: `assent audit scores scores.csv --threshold 0.8 --gallery-size 25000 --groups sex --out report.html`
    """
    from assent.calibration.draws import DrawOptions
    from assent.evaluation.audit import AuditOptions, audit

    check_out(out)
    if threshold is not None and distance:
        threshold = -threshold
    options = AuditOptions(
        threshold=threshold,
        target_fmr=target_fmr,
        gallery_size=gallery_size,
        fpir_target=fpir_target,
        groups=None if groups is None else [name.strip() for name in groups.split(",")],
        draws=DrawOptions(replicates, seed),
        is_distance=distance,
        system=system,
        description=description,
    )
    found = _read(files, _read_options(format, score_column, distance=distance))
    with counting("Computing") as progress:
        result = audit(found.evidence, options, sources=found.sources, notes=found.notes, progress=progress)
    _give(result, out, as_json=as_json)


@app.command("compare")
def compare(
    first: Annotated[Path, typer.Argument(help="One system's scores.", show_default=False)],
    second: Annotated[Path, typer.Argument(help="The other's, of the same comparisons.", show_default=False)],
    format: FormatOption = None,
    score_column: ScoreColumnOption = None,
    distance: DistanceOption = False,
    target_fmr: TargetOption = 1e-3,
    replicates: ReplicatesOption = 1000,
    seed: SeedOption = 0,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two systems, or two versions of one, on the comparisons that both have.

    Each has its own threshold for the same rate of false matches; the interval is of the difference, with the same
    people drawn for both. Give one file twice with `--score-column FIRST,SECOND` for two columns of it.

    Example: `assent audit compare old.csv new.csv --out difference.html`
    """
    from assent.calibration.draws import DrawOptions
    from assent.evaluation.audit import AuditOptions
    from assent.evaluation.compare import compare as compare_systems

    check_out(out)
    columns = (score_column or "").split(",")
    options = AuditOptions(target_fmr=target_fmr, draws=DrawOptions(replicates, seed), is_distance=distance)
    read = [
        _read([path], _read_options(format, column.strip() or None, distance=distance, is_to_pair=True))
        for path, column in ((first, columns[0]), (second, columns[-1]))
    ]
    names = (first.stem, second.stem) if len(columns) < 2 else (columns[0].strip(), columns[1].strip())
    notes = [note for found in read for note in found.notes]
    with counting("Computing") as progress:
        result = compare_systems(
            read[0].evidence, read[1].evidence, names, options, notes=notes, progress=progress
        )
    _give(result, out, as_json=as_json)


def _read_options(
    format: str | None, score_column: str | None, *, distance: bool, is_to_pair: bool = False
) -> ReadOptions:
    from assent.evaluation.reading import ReadOptions

    return ReadOptions(format, score_column, distance, is_to_pair)


def _read(files: list[Path], options: ReadOptions) -> ReadScores:
    from assent.evaluation.reading import read_scores

    with counting("Reading") as progress:
        return read_scores(files, options, progress=progress)


def _give(result: AuditResult | Comparison, out: Path | None, *, as_json: bool) -> None:
    """Print, and write where asked for."""
    from assent.evaluation.result import AuditResult

    if out is not None:
        out = write_result(result, out)
    if as_json:
        print_json(result.as_json())
        return
    if isinstance(result, AuditResult):
        print_audit(result)
    else:
        print_comparison(result)
    if out is not None:
        say(f"Wrote {out}.")


def check_out(out: Path | None) -> None:
    """Before hours are spent: the result's name must end in something known, and what draws a page must be there.

    Raises:
        UsageError: another ending, or the extra ``audit`` is not installed.
    """
    if out is None:
        return
    if out.suffix == ".html":
        from assent.evaluation.report.figures import require_matplotlib

        require_matplotlib()
    elif out.suffix not in {"", ".json"}:
        raise UsageError(
            f"expected a folder or a file that ends in .json, or in .html for the report; got {out}."
        )


def write_result(result: AuditResult | Comparison, out: Path) -> Path:
    """Write the report where ``out`` ends in .html, the JSON twin beside it; else the twin alone.

    The twin goes to ``out`` itself where it ends in .json, else into the folder ``out``.

    Returns:
        The file.

    Raises:
        UsageError: it cannot be written, or has an ending that nothing is known of.
    """
    check_out(out)
    if out.suffix == ".html":
        _write_page(result, out)
        return out
    path = out if out.suffix == ".json" else out / "audit.json"
    write_bytes(path, (json_text(result.as_json()) + "\n").encode())
    return path


def _write_page(result: AuditResult | Comparison, out: Path) -> None:
    from assent.evaluation.report.comparison import write_comparison
    from assent.evaluation.report.contents import Report
    from assent.evaluation.report.page import write_report
    from assent.evaluation.result import AuditResult

    if isinstance(result, AuditResult):
        write_report(Report(f"How often {result.system or 'this system'} is wrong", result), out)
    else:
        write_comparison(result, out)
