"""Audits with pictures: through our engine or through any service that speaks Rekognition's protocol.

An evaluator's tool. It opens no data folder's records: nothing enters anybody's record, labels come from the
evaluator's file and end in the report, and templates of our engine are in memory while a run goes on and nowhere else.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from assent.calibration.profile import CalibrationProfile
from assent.config import Settings
from assent.errors import NoCalibration
from assent.evaluation.audit import AuditOptions, audit, collect
from assent.evaluation.congress import congress_report, false_matches
from assent.evaluation.pictures import ReadOptions
from assent.evaluation.promised import contradictions
from assent.evaluation.report.contents import Report
from assent.evaluation.result import Source
from assent.evaluation.runs.calls import Calls
from assent.evaluation.runs.endpoint import EndpointSystem, make_client
from assent.evaluation.runs.engine import DistanceSystem, EngineSystem
from assent.evaluation.runs.facts import RunFacts
from assent.evaluation.runs.identify import run_identify
from assent.evaluation.runs.plan import SearchPlan, plan_of_folders
from assent.evaluation.runs.portraits import BORN_FROM, portraits_plan, without_same_pictures
from assent.evaluation.runs.samples import Sample, read_groups, read_rows
from assent.evaluation.runs.tables import RunTable, table_of_comparisons, table_of_searches
from assent.evaluation.runs.trials import TrialList, trials_of_folders, trials_of_list
from assent.evaluation.runs.verify import run_verify
from assent.evaluation.showing import Shower
from assent.models.files import write_atomically
from assent.models.store import ModelStore
from assent.service.profiles import find_profile
from assent.vision.engine import FaceEngine

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Target:
    """What is measured: our engine, unless an endpoint is given.

    Attributes:
        endpoint_url: a service's address.
        is_vendor: the vendor's own service, at the address that boto3 knows.
        region: the vendor's region; None for what boto3 is configured for.
        external_ids: CSV of ``reference`` (a picture's name without its ending) and ``external_id``; None for none.
        tags: of the audit's collection.
    """

    endpoint_url: str | None = None
    is_vendor: bool = False
    region: str | None = None
    external_ids: Path | None = None
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def is_engine(self) -> bool:
        """Whether it is our own engine."""
        return self.endpoint_url is None and not self.is_vendor


@dataclass(frozen=True, slots=True)
class Outputs:
    """What else to write.

    Attributes:
        work: where a run's answers are kept, to go on after a stop.
        scores: CSV of the comparisons, for `assent audit scores`.
        sheet: PNG of the pairs to look at.
        with_pictures: put the pairs to look at into the report, which reads their pictures again.
    """

    work: Path | None = None
    scores: Path | None = None
    sheet: Path | None = None
    with_pictures: bool = False


def audit_verify(
    settings: Settings,
    target: Target,
    *,
    folders: Sequence[Path] = (),
    listing: Path | None = None,
    labels: Path | None = None,
    max_nonmated: int | None = None,
    options: AuditOptions,
    outputs: Outputs,
    progress: Progress | None = None,
) -> Report:
    """1:1 error rates of labelled pictures.

    Args:
        settings: models and image limits; no record is opened.
        target: what is measured.
        folders: each holds a folder for each person; or
        listing: CSV of comparisons.
        labels: CSV of ``subject`` and groups.
        max_nonmated: of folders, at most so many pairs of different people, drawn at random.
        options: what to compute.
        outputs: what else to write.
        progress: called with (comparisons done, in all).

    Raises:
        UsageError: malformed input; see the functions that read it.
        TooFewTrials: nothing gave a score.
        EndpointError: the service refuses, throttles for too long, or does not answer.
    """
    trials = _trials(folders, listing, labels, max_nonmated, options.draws.seed)
    system = _engine_system(settings) if target.is_engine else _endpoint_system(target)
    run = run_verify(system, trials, work=outputs.work, progress=progress)
    table = table_of_comparisons(run)
    name = listing.name if listing else ", ".join(folder.resolve().name for folder in folders)
    options = replace(options, kind="verify", system=options.system or _name(target, system))
    shower = _shower(settings, system, trials.samples)
    profile = _profile(settings, system)
    return _reported(table, run.facts, options, name, shower, outputs, profile)


def audit_identify(
    settings: Settings,
    target: Target,
    *,
    probes: Path,
    gallery: Path,
    mates: Path,
    max_candidates: int,
    options: AuditOptions,
    outputs: Outputs,
    progress: Progress | None = None,
) -> Report:
    """1:N error rates: every probe without and with its mates in the gallery; arguments as in ``audit_verify``."""
    plan = plan_of_folders(probes, gallery, mates)
    system = _engine_system(settings) if target.is_engine else _endpoint_system(target)
    run = run_identify(system, plan, work=outputs.work, max_candidates=max_candidates, progress=progress)
    options = replace(options, kind="identify", system=options.system or _name(target, system))
    shower = _shower(settings, system, (*plan.probes, *plan.references))
    profile = _profile(settings, system)
    return _reported(table_of_searches(run), run.facts, options, gallery.name, shower, outputs, profile)


def audit_congress(
    settings: Settings,
    target: Target,
    *,
    data_dir: Path,
    born_from: int = BORN_FROM,
    options: AuditOptions,
    outputs: Outputs,
    progress: Progress | None = None,
) -> Report:
    """The experiment of 2018 on portraits (``assent.evaluation.congress``); arguments as in ``audit_verify``."""
    plan = portraits_plan(data_dir, born_from=born_from)
    ours = _engine_system(settings, with_raw=True)
    plan, num_same = without_same_pictures(plan, ours)
    system = ours if target.is_engine else _endpoint_system(target)
    run = run_identify(system, plan, work=outputs.work, progress=progress)
    digest = ours.engine.model_digest
    shower = _shower(settings, ours, (*plan.probes, *plan.references))
    report = congress_report(
        run,
        replace(options, system=options.system or _name(target, system)),
        num_same_pictures=num_same,
        profile=find_profile(settings.data_dir / "calibrations", digest) if target.is_engine else None,
        habit=run_identify(DistanceSystem(ours), plan) if target.is_engine and _has_raw(ours, plan) else None,
        shower=shower if outputs.with_pictures else None,
    )
    if outputs.scores is not None:
        write_scores(table_of_searches(run), outputs.scores)
    first = report.rules[0].result
    if outputs.sheet is not None and first is not None and first.point.threshold is not None:
        shower.write_sheet(false_matches(run, first.point.threshold), outputs.sheet)
    return report


def open_engine(settings: Settings, models: ModelStore) -> FaceEngine:
    """The engine that the settings name."""
    return FaceEngine.open(
        models, detector=settings.detector, embedder=settings.embedder, threads=settings.threads
    )


def write_scores(table: RunTable, path: Path) -> None:
    """Write comparisons as a CSV that `assent audit scores` reads; a comparison without a score is empty there.

    Raises:
        ModelError: the folder cannot be written.
    """
    samples, trials = table.samples, table.trials
    columns = [f"{side}_{name}" for name in samples.groups for side in ("probe", "reference")]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["probe", "reference", "score", "mated", "probe_subject", "reference_subject", *columns])
    for probe, reference, score, mated in zip(
        trials.probes, trials.references, trials.scores, trials.mated, strict=True
    ):
        pair = (int(probe), int(reference))
        groups = [str(samples.groups[name][row]) for name in samples.groups for row in pair]
        subjects = [samples.subject_names[samples.subjects[row]] for row in pair]
        value = "" if np.isnan(score) else repr(float(score))
        writer.writerow([*(samples.ids[row] for row in pair), value, int(mated), *subjects, *groups])
    write_atomically(path, text.getvalue().encode())


def _trials(
    folders: Sequence[Path], listing: Path | None, labels: Path | None, max_nonmated: int | None, seed: int
) -> TrialList:
    known = read_groups(labels)
    if listing is not None:
        return trials_of_list(listing, known)
    return trials_of_folders(folders, known, max_nonmated=max_nonmated, seed=seed)


def _engine_system(settings: Settings, *, with_raw: bool = False) -> EngineSystem:
    engine = open_engine(settings, ModelStore(settings.models_path))
    return EngineSystem(engine, replace(_read_options(settings), with_raw=with_raw))


def _endpoint_system(target: Target) -> EndpointSystem:
    client = make_client(target.endpoint_url, region=target.region)
    where = urlsplit(target.endpoint_url or str(client.meta.endpoint_url))
    external_ids: dict[str, str] = {}
    if target.external_ids is not None:
        _, rows = read_rows(target.external_ids, ("reference", "external_id"))
        external_ids = {row["reference"]: row["external_id"] for row in rows}
    host = where.hostname or "unknown"
    name = host if where.port is None else f"{host}:{where.port}"
    return EndpointSystem(Calls(client), name, external_ids, target.tags)


def _read_options(settings: Settings) -> ReadOptions:
    return ReadOptions(max_bytes=settings.max_image_bytes, max_pixels=settings.max_image_pixels)


def _name(target: Target, system: EngineSystem | EndpointSystem) -> str:
    if isinstance(system, EngineSystem):
        return f"Assent's engine, recipe {system.engine.recipe.name}"
    model = f", face model {system.model_version}" if system.model_version else ""
    return f"The service at {system.where}{model}" if not target.is_vendor else f"The vendor's service{model}"


def _has_raw(system: EngineSystem, plan: SearchPlan) -> bool:
    """Whether the network's raw distance is the one that its users know: of dlib's, aligned as dlib does."""
    recipe = system.engine.recipe
    return recipe.uses_trees and any(system.acquired(sample.path).raw is not None for sample in plan.probes)


def _shower(settings: Settings, system: EngineSystem | EndpointSystem, samples: Sequence[Sample]) -> Shower:
    engine = system.engine if isinstance(system, EngineSystem) else None
    paths = {sample.sample_id: sample.path for sample in samples}
    return Shower(paths, engine, _read_options(settings))


def _profile(settings: Settings, system: EngineSystem | EndpointSystem) -> CalibrationProfile | None:
    """Our engine's calibration, where there is one."""
    if not isinstance(system, EngineSystem):
        return None
    try:
        return find_profile(settings.data_dir / "calibrations", system.engine.model_digest)
    except NoCalibration:
        return None


def _reported(
    table: RunTable,
    facts: RunFacts,
    options: AuditOptions,
    name: str,
    shower: Shower,
    outputs: Outputs,
    profile: CalibrationProfile | None,
) -> Report:
    source = Source(name, "run", len(table.trials))
    evidence = collect(table.samples, table.trials)
    notes = () if profile is None else contradictions(evidence, profile, options)
    result = audit(evidence, options, sources=(source,), notes=notes)
    if outputs.scores is not None:
        write_scores(table, outputs.scores)
    if outputs.sheet is not None:
        shower.write_sheet(result.top_nonmated, outputs.sheet)
    title = f"How often {result.system} is wrong"
    pairs = shower.pairs(result.top_nonmated) if outputs.with_pictures else ()
    return Report(title, result, facts, pairs)
