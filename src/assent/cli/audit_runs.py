"""``assent audit verify``, ``identify`` and ``congress``: audits with pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assent.cli.audit import check_out
from assent.cli.common import settings_of
from assent.cli.output import JsonOption, counting, print_json, print_table, say
from assent.errors import UsageError

if TYPE_CHECKING:
    from assent.evaluation.audit import AuditOptions
    from assent.evaluation.report.contents import Report
    from assent.service.auditing import Outputs, Target

EndpointOption = Annotated[
    str | None,
    typer.Option(help="Measure the service at this address instead of our engine.", show_default=False),
]
AwsOption = Annotated[
    bool, typer.Option("--aws", help="Measure the vendor's own service (boto3's).", show_default=False)
]
RegionOption = Annotated[
    str | None, typer.Option(help="The vendor's region. Default: boto3's.", show_default=False)
]
ExternalIdsOption = Annotated[
    Path | None,
    typer.Option(
        help="CSV of reference (file name without ending) and external_id: whose each picture of the gallery is, for "
        "a service that wants consents.",
        show_default=False,
    ),
]
TagOption = Annotated[
    list[str] | None,
    typer.Option("--tag", help="KEY=VALUE of the audit's collection; repeatable.", show_default=False),
]
WorkOption = Annotated[
    Path | None,
    typer.Option(
        help="File that a stopped run goes on from: scores, never templates. Default for a service: beside --out, or "
        "assent-audit.work.",
        show_default=False,
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", help="The report, NAME.html; its numbers beside it, NAME.json.", show_default=False
    ),
]
ScoresOption = Annotated[
    Path | None, typer.Option(help="Write the scores, for `assent audit scores`.", show_default=False)
]
SheetOption = Annotated[
    Path | None, typer.Option(help="PNG of the pairs to look at, and a CSV beside it.", show_default=False)
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(help="The system's own; instead of --target-fmr.", show_default=False),
]
TargetFmrOption = Annotated[float, typer.Option(help="Choose the lowest threshold with at most this rate.")]
GallerySizeOption = Annotated[
    int | None,
    typer.Option(
        "--gallery-size", "-n", min=1, help="People in the gallery that you have.", show_default=False
    ),
]
FpirOption = Annotated[float, typer.Option(help="Share of strangers' searches that may name anybody.")]
SystemOption = Annotated[str, typer.Option(help="Name of what is measured.", show_default=False)]
DescriptionOption = Annotated[
    str, typer.Option(help="Who these people are and what the pictures are like.", show_default=False)
]
ReplicatesOption = Annotated[int, typer.Option(min=100, help="Bootstrap draws.")]
SeedOption = Annotated[int, typer.Option(help="Of all draws.")]


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    for command in (verify, identify, congress):
        app.command()(command)


def verify(
    ctx: typer.Context,
    images: Annotated[
        list[Path] | None,
        typer.Option("--images", help="Folder with a folder per person; repeatable.", show_default=False),
    ] = None,
    trials: Annotated[
        Path | None,
        typer.Option(
            help="Instead: CSV of probe, reference, mated (paths of pictures), and groups.",
            show_default=False,
        ),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="CSV of subject and groups, such as sex.", show_default=False)
    ] = None,
    max_nonmated: Annotated[
        int | None,
        typer.Option(
            min=1, help="Of folders, draw at most so many pairs of different people.", show_default=False
        ),
    ] = None,
    endpoint: EndpointOption = None,
    aws: AwsOption = False,
    region: RegionOption = None,
    threshold: ThresholdOption = None,
    target_fmr: TargetFmrOption = 1e-3,
    gallery_size: GallerySizeOption = None,
    fpir_target: FpirOption = 0.01,
    system: SystemOption = "",
    description: DescriptionOption = "",
    replicates: ReplicatesOption = 1000,
    seed: SeedOption = 0,
    work: WorkOption = None,
    scores: ScoresOption = None,
    sheet: SheetOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure 1:1 comparisons of labelled pictures, by our engine or by any service (CompareFaces).

    All pairs of the folders are compared, each pair once; or those of a list. A stopped run of a service goes on where
    it was: run the same command again.

    Example: `assent audit verify --images staff/ --out staff.html`, or of a service:
    `assent audit verify --trials trials.csv --endpoint http://localhost:8080 --threshold 80 --out report.html`
    """
    if bool(images) == (trials is not None):
        raise UsageError(
            "expected --images DIR (a folder per person) or --trials FILE.csv; give one of the two"
        )
    from assent.service.auditing import audit_verify

    target = _target(endpoint, aws=aws, region=region)
    _check_out(out)
    with counting("Comparing") as progress:
        report = audit_verify(
            settings_of(ctx),
            target,
            folders=images or (),
            listing=trials,
            labels=labels,
            max_nonmated=max_nonmated,
            options=_options(
                threshold, target_fmr, gallery_size, fpir_target, system, description, replicates, seed
            ),
            outputs=_outputs(target, work, out, scores, sheet),
            progress=progress,
        )
    give(report, out, as_json=as_json)


def identify(
    ctx: typer.Context,
    probes: Annotated[Path, typer.Option(help="Folder of pictures to search for.", show_default=False)],
    gallery: Annotated[Path, typer.Option(help="Folder of pictures to enrol.", show_default=False)],
    mates: Annotated[
        Path,
        typer.Option(help="CSV of probe, mate (empty for none) and groups of the probe.", show_default=False),
    ],
    max_candidates: Annotated[
        int, typer.Option("--max-candidates", min=1, max=4096, help="Candidates that a search returns.")
    ] = 4096,
    endpoint: EndpointOption = None,
    aws: AwsOption = False,
    region: RegionOption = None,
    external_ids: ExternalIdsOption = None,
    tag: TagOption = None,
    threshold: ThresholdOption = None,
    target_fmr: TargetFmrOption = 1e-3,
    gallery_size: GallerySizeOption = None,
    fpir_target: FpirOption = 0.01,
    system: SystemOption = "",
    description: DescriptionOption = "",
    replicates: ReplicatesOption = 1000,
    seed: SeedOption = 0,
    work: WorkOption = None,
    scores: ScoresOption = None,
    sheet: SheetOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure 1:N searches: every probe without its mates in the gallery, and with them.

    A search without the mate that returns anybody is a false positive; a search with them that does not return them
    is a miss. A service gets a collection of the audit's own, which is deleted at the end.

    Example: `assent audit identify --probes probes/ --gallery gallery/ --mates mates.csv --out report.html`
    """
    from assent.service.auditing import audit_identify

    target = _target(endpoint, aws=aws, region=region, external_ids=external_ids, tags=tag)
    _check_out(out)
    with counting("Searching") as progress:
        report = audit_identify(
            settings_of(ctx),
            target,
            probes=probes,
            gallery=gallery,
            mates=mates,
            max_candidates=max_candidates,
            options=_options(
                threshold, target_fmr, gallery_size, fpir_target, system, description, replicates, seed
            ),
            outputs=_outputs(target, work, out, scores, sheet),
            progress=progress,
        )
    give(report, out, as_json=as_json)


def congress(
    ctx: typer.Context,
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            help="Folder of probes.csv, gallery.csv and their pictures (docs/audit.md).",
            show_default=False,
        ),
    ],
    born_from: Annotated[
        int, typer.Option(help="Leave out references of people born before: engravings. 0 takes all.")
    ] = 1920,
    endpoint: EndpointOption = None,
    aws: AwsOption = False,
    region: RegionOption = None,
    external_ids: ExternalIdsOption = None,
    tag: TagOption = None,
    system: SystemOption = "",
    replicates: ReplicatesOption = 1000,
    seed: SeedOption = 0,
    work: WorkOption = None,
    scores: ScoresOption = None,
    sheet: SheetOption = None,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Repeat the experiment of 2018: members of Congress against portraits of other people.

    False matches at the protocol's thresholds of 80 and 99 and at our own floor, by sex as the official biographies
    record it, with every false match to look at. Pictures are in the public domain; docs/audit.md says where from.

    Example: `assent audit congress --data congress/ --out congress.html --sheet false-matches.png`
    """
    from assent.service.auditing import audit_congress

    target = _target(endpoint, aws=aws, region=region, external_ids=external_ids, tags=tag)
    _check_out(out)
    with counting("Searching") as progress:
        report = audit_congress(
            settings_of(ctx),
            target,
            data_dir=data,
            born_from=born_from,
            options=_options(None, 1e-3, None, 0.01, system, "", replicates, seed),
            outputs=_outputs(target, work, out, scores, sheet),
            progress=progress,
        )
    give(report, out, as_json=as_json)


def give(report: Report, out: Path | None, *, as_json: bool) -> None:
    """Print a report's findings, and write it where asked for.

    Raises:
        UsageError: ``out`` is no page's name, or the extra is not installed.
    """
    twin = None
    if out is not None:
        from assent.evaluation.report.page import write_report

        twin = write_report(report, out)
    if as_json:
        print_json(report.twin())
        return
    print_findings(report)
    if out is not None:
        say(f"Wrote {out} and {twin}.")


def print_findings(report: Report) -> None:
    """The first screen for a terminal."""
    from assent.evaluation.report.headline import headline

    say(report.title)
    for sentence in headline(report):
        say(f"- {sentence.text}")
    if report.facts is not None:
        rows = [*report.facts.failures.items(), *((f"error: {k}", n) for k, n in report.facts.errors.items())]
        if rows:
            print_table("Without an answer", ["reason", "how many>"], rows)
        for note in report.facts.notes:
            say(f"Note: {note}")
    for warning in (note.text for note in report.result.notes if note.is_warning):
        say(f"Warning: {warning}")


def _check_out(out: Path | None) -> None:
    """Before hours are spent: the report's name must be a page's, and what draws it must be there."""
    if out is None:
        return
    if out.suffix != ".html":
        raise UsageError(f"expected a name that ends in .html for --out, got {out.name!r}")
    check_out(out)


def _target(
    endpoint: str | None,
    *,
    aws: bool,
    region: str | None,
    external_ids: Path | None = None,
    tags: list[str] | None = None,
) -> Target:
    from assent.service.auditing import Target

    if endpoint is not None and aws:
        raise UsageError("expected --endpoint URL or --aws, got both")
    pairs = [tag.partition("=") for tag in tags or ()]
    wrong = [name + rest for name, rest, _ in pairs if not rest or not name]
    if wrong:
        raise UsageError(f"expected --tag KEY=VALUE, got {wrong[0]!r}")
    return Target(endpoint, aws, region, external_ids, {name: value for name, _, value in pairs})


def _outputs(
    target: Target, work: Path | None, out: Path | None, scores: Path | None, sheet: Path | None
) -> Outputs:
    """A run of a service is always kept: its calls cost time and money."""
    from assent.service.auditing import Outputs

    if work is None and not target.is_engine:
        work = Path("assent-audit.work") if out is None else out.with_suffix(".work")
    return Outputs(work, scores, sheet, with_pictures=out is not None)


def _options(
    threshold: float | None,
    target_fmr: float,
    gallery_size: int | None,
    fpir_target: float,
    system: str,
    description: str,
    replicates: int,
    seed: int,
) -> AuditOptions:
    from assent.calibration.draws import DrawOptions
    from assent.evaluation.audit import AuditOptions

    return AuditOptions(
        threshold=threshold,
        target_fmr=target_fmr,
        gallery_size=gallery_size,
        fpir_target=fpir_target,
        draws=DrawOptions(replicates, seed),
        system=system,
        description=description,
    )
