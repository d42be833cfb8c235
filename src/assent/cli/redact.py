"""``assent redact``: copies of photos and videos in which everybody is hidden."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assent.cli.common import open_assent, report, stopped_by_signals
from assent.cli.output import JsonOption, errors, print_json, print_table, say, to_json
from assent.errors import AssentError, UsageError
from assent.vision.redact import DEFAULT_MARGIN, RedactMethod

if TYPE_CHECKING:
    from assent.service import Assent
    from assent.service.batches import Batch, Work
    from assent.service.redacting import RedactedPhoto, Redaction
    from assent.service.redacting_videos import RedactedVideo

_LOOKING_SHARE = 0.65
"""Of the time that a video takes, how much the first pass does; for the bar alone."""
STOPPED_EXIT_CODE = 130


class _Stopped(BaseException):
    """Somebody wants to stop; raised between two frames."""


@dataclass(frozen=True, slots=True)
class _Files:
    """What is written besides the copy of one video."""

    edit: Path | None = None
    preview: Path | None = None
    report: Path | None = None


@dataclass(frozen=True, slots=True)
class _Done:
    """What became of one file: a result, an error, or skipped since its copy is there."""

    work: Work
    result: RedactedPhoto | RedactedVideo | None = None
    error: AssentError | None = None


def redact(
    ctx: typer.Context,
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="IN...", help="Photos, videos, or folders of them.", show_default=False),
    ],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="The copy; of several files or a folder: the folder for copies.",
            show_default=False,
        ),
    ],
    method: Annotated[RedactMethod, typer.Option(help="What is put where a face was.")] = RedactMethod.BLUR,
    margin: Annotated[
        float, typer.Option(min=0, max=2, help="Hidden around a face, in its widths and heights.")
    ] = DEFAULT_MARGIN,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            "--keep",
            help="Leave this person visible (an id; may be repeated). Needs -c and -p.",
            show_default=False,
        ),
    ] = None,
    keep_consented: Annotated[
        str | None,
        typer.Option(
            "--keep-consented",
            help="Leave everybody visible who is recognised as one of this collection's. Needs -p.",
            show_default=False,
        ),
    ] = None,
    collection: Annotated[
        str | None,
        typer.Option("--collection", "-c", help="Where those of --keep are enrolled.", show_default=False),
    ] = None,
    purpose: Annotated[
        str | None,
        typer.Option("--purpose", "-p", help="What it is for; must be the collection's.", show_default=False),
    ] = None,
    quality: Annotated[str, typer.Option(help="Of a video's copy: high, medium or low.")] = "medium",
    start_s: Annotated[
        float, typer.Option("--from", min=0, help="Only this part of a video: from so many seconds on.")
    ] = 0.0,
    end_s: Annotated[
        float | None, typer.Option("--to", min=0, help="Up to so many seconds.", show_default=False)
    ] = None,
    preview: Annotated[
        Path | None,
        typer.Option(help="Contact sheet of the copy of one video: PNG or JPEG.", show_default=False),
    ] = None,
    report_page: Annotated[
        Path | None,
        typer.Option(
            "--report", help="HTML page with each track's strip; it shows faces.", show_default=False
        ),
    ] = None,
    edit: Annotated[
        Path | None,
        typer.Option(
            help="File of decisions on one video: written the first time, corrected by you, used the next time.",
            show_default=False,
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Stop at a frame that cannot be decoded.", show_default=False),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace copies that are there.", show_default=False)
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Look and decide; write no copy.", show_default=False)
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Files worked on at once.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Copies of photos and videos in which every face is hidden, but of those who consented and are recognised.

    In a video a face is hidden from its first to its last visible frame. Sound, subtitles and chapters are kept; what
    says where and with what it was taken is not. The originals are never changed.

    Example: `assent redact party.mp4 party-hidden.mp4 --keep-consented club -p club-photos`
    """
    from assent.service.batches import plan
    from assent.service.sheets import check_sheets

    asked = _asked(
        method=method,
        margin=margin,
        keep=keep,
        keep_consented=keep_consented,
        collection=collection,
        purpose=purpose,
        quality=quality,
        part=(start_s, end_s),
        flags=(strict, force, dry_run),
    )
    batch = plan(sources, out)
    files = _Files(edit, preview, report_page)
    _check_extras(batch, files)
    check_sheets(preview, report_page)
    with open_assent(ctx) as assent:
        assent.check_redaction(asked)
        done = _all(assent, batch, asked, files, jobs=jobs)
    _tell(done, batch, files, as_json=as_json, dry_run=dry_run)


def _asked(
    *,
    method: RedactMethod,
    margin: float,
    keep: Sequence[str] | None,
    keep_consented: str | None,
    collection: str | None,
    purpose: str | None,
    quality: str,
    part: tuple[float, float | None],
    flags: tuple[bool, bool, bool],
) -> Redaction:
    from assent.service.redacting import Redaction

    if keep and keep_consented is not None:
        raise UsageError("expected either --keep or --keep-consented, got both; --keep-consented keeps more")
    if keep_consented is not None and collection is not None:
        raise UsageError("--keep-consented names the collection; leave out --collection")
    if collection is not None and not keep:
        raise UsageError(
            "--collection says where those of --keep are enrolled; name them, or --keep-consented"
        )
    if (keep or keep_consented) and purpose is None:
        raise UsageError("people are recognised for a purpose; say which with --purpose")
    if quality not in ("high", "medium", "low"):
        raise UsageError(f"expected --quality high, medium or low, got {quality}")
    strict, force, dry_run = flags
    return Redaction(
        method=method,
        margin=margin,
        collection=keep_consented if keep_consented is not None else collection,
        purpose=purpose if keep or keep_consented is not None else None,
        people=tuple(dict.fromkeys(keep)) if keep else None,
        quality=quality,
        is_strict=strict,
        start_s=part[0],
        end_s=part[1],
        overwrite=force,
        dry_run=dry_run,
    )


def _check_extras(batch: Batch, files: _Files) -> None:
    given = [
        f"--{name}"
        for name, path in (("edit", files.edit), ("preview", files.preview), ("report", files.report))
        if path is not None
    ]
    if not given:
        return
    if len(batch.works) != 1 or batch.works[0].kind != "video":
        raise UsageError(f"{given[0]} is for one video; redact it by itself")
    work = batch.works[0]
    paths = [path for path in (files.edit, files.preview, files.report) if path is not None]
    names = [path.absolute() for path in (work.source, work.target, *paths)]
    if len(set(names)) != len(names):
        raise UsageError("the original, the copy and what is written besides need names of their own")


def _all(assent: Assent, batch: Batch, asked: Redaction, files: _Files, *, jobs: int) -> list[_Done]:
    """Work on the files, some at once, until all are done or somebody stops it."""
    stopping = threading.Event()

    def stop() -> None:
        if stopping.is_set():
            raise _Stopped

    with _bar() as bar, stopped_by_signals(stopping.set), ThreadPoolExecutor(jobs) as pool:
        started: dict[Future[_Done], int] = {}
        for number, work in enumerate(batch.works):
            task = _Task(bar, work, stop, jobs)
            started[pool.submit(_one, assent, work, asked, files, task, batch.is_folder)] = number
        done: dict[int, _Done] = {}
        try:
            for future in as_completed(started):
                done[started[future]] = future.result()
        except (_Stopped, KeyboardInterrupt):
            stopping.set()
            pool.shutdown(wait=True, cancel_futures=True)
            said = f"{sum(item.result is not None for item in done.values())} of {len(batch.works)} files were done"
            errors.print(f"Stopped; {said}, nothing is half written.", markup=False, highlight=False)
            raise typer.Exit(STOPPED_EXIT_CODE) from None
        except BaseException:
            stopping.set()
            raise
    return [done[number] for number in sorted(done)]


def _one(assent: Assent, work: Work, asked: Redaction, files: _Files, task: _Task, in_folder: bool) -> _Done:
    """One file. Its own error is its own; a copy in a folder that is there already is finished work."""
    task.check()
    try:
        if in_folder and not asked.overwrite and not asked.dry_run and work.target.exists():
            return _Done(work)
        if work.kind == "photo":
            return _Done(work, assent.redact_photo(work.source, work.target, asked))
        result = assent.redact_video(
            work.source,
            work.target,
            asked,
            edit=files.edit,
            looking=task.looking,
            writing=task.writing,
            stop=task.check,
            threads=task.threads,
        )
        if files.preview is not None or files.report is not None:
            _write_sheets(assent, work, asked, files, result)
    except AssentError as error:
        return _Done(work, error=error)
    else:
        return _Done(work, result)
    finally:
        task.end()


def _write_sheets(assent: Assent, work: Work, asked: Redaction, files: _Files, result: RedactedVideo) -> None:
    from assent.service.sheets import write_sheets

    facts = [(name, text) for name, text in _facts(result, asked) if text]
    write_sheets(
        work.source,
        result.decisions,
        method=asked.method,
        margin=asked.margin,
        max_pixels=assent.settings.max_video_pixels,
        preview=files.preview,
        report=files.report,
        facts=facts,
    )


def _notes(result: RedactedPhoto | RedactedVideo) -> tuple[str, ...]:
    """What is to be said of a file, each once: a video is read twice, and both times the same may be seen."""
    made = getattr(result, "rendering", None)
    return tuple(dict.fromkeys((*result.notes, *(made.notes if made is not None else ()))))


def _facts(result: RedactedVideo, asked: Redaction) -> list[tuple[str, str]]:
    made = result.rendering
    kept = asked.collection or result.decisions.kept.collection
    rows = [
        ("frames", f"{result.num_frames:,} in {result.duration_s:.2f} s"),
        ("hidden by", f"{asked.method}, margin {asked.margin:g}"),
        ("left visible", f"who is recognised of {kept}" if kept else "nobody"),
    ]
    if made is not None:
        rows += [
            ("written as", f"{made.encoder}, {made.width_px} x {made.height_px}"),
            ("kept as it was", ", ".join(made.copied)),
            ("encoded anew", ", ".join(made.encoded)),
            ("left out", ", ".join(made.removed)),
            ("blanked", ", ".join(f"{damage.time_s:.3f} s" for damage in made.blanked)),
            ("notes", "; ".join(_notes(result))),
        ]
    return rows


class _Task:
    """One file's line in the progress bar, and the question whether to go on."""

    def __init__(self, bar: Any, work: Work, stop: Callable[[], None], jobs: int) -> None:
        from os import cpu_count

        self._bar, self._name, self._stop = bar, work.source.name, stop
        self._task: Any = None
        self.threads = 0 if jobs == 1 else max(1, (cpu_count() or 1) // jobs)

    def check(self) -> None:
        """Raise where somebody stopped the work."""
        self._stop()

    def looking(self, done_s: float, total_s: float | None) -> None:
        """The first pass."""
        self._update("Looking", done_s, total_s, 0.0, _LOOKING_SHARE)

    def writing(self, done_s: float, total_s: float | None) -> None:
        """The second pass."""
        self._update("Writing", done_s, total_s, _LOOKING_SHARE, 1 - _LOOKING_SHARE)

    def end(self) -> None:
        """The file is done with."""
        if self._task is not None:
            self._bar.remove_task(self._task)

    def _update(self, verb: str, done_s: float, total_s: float | None, before: float, share: float) -> None:
        if self._task is None:
            self._task = self._bar.add_task("", total=None)
        from assent.cli.output import printable

        description = printable(f"{verb} {self._name}")
        if total_s:
            part = before + share * min(max(done_s / total_s, 0.0), 1.0)
            self._bar.update(self._task, description=description, total=1.0, completed=part)
        else:
            self._bar.update(self._task, description=f"{description}, {done_s:.0f} s", total=None)


@contextmanager
def _bar() -> Iterator[Any]:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        yield progress


def _tell(done: list[_Done], batch: Batch, files: _Files, *, as_json: bool, dry_run: bool) -> None:
    """Say what was done, and end with the last error's exit code."""
    if as_json:
        print_json([_json(item) for item in done])
    else:
        _print(done, batch, files, dry_run=dry_run)
    failed = [item for item in done if item.error is not None]
    for item in failed:
        assert item.error is not None
        report(item.error, as_json=as_json, photo=item.work.source)
    if failed:
        assert failed[-1].error is not None
        raise typer.Exit(failed[-1].error.exit_code)


def _json(item: _Done) -> dict[str, object]:
    base: dict[str, object] = {"source": item.work.source, "target": item.work.target, "kind": item.work.kind}
    if item.error is not None:
        return {**base, "refused": type(item.error).__name__, "message": item.error.message}
    if item.result is None:
        return {**base, "skipped": "the copy is there already"}
    fields = {
        field.name: to_json(getattr(item.result, field.name))
        for field in dataclasses.fields(item.result)
        if field.name != "decisions"
    }
    decisions = getattr(item.result, "decisions", None)
    if decisions is not None:
        names = {"index", "decision", "person", "reason", "first_s", "last_s"}
        fields["tracks"] = [track.model_dump(include=names) for track in decisions.tracks]
    return {**base, **fields}


def _print(done: list[_Done], batch: Batch, files: _Files, *, dry_run: bool) -> None:
    rows = [
        (item.work.source, item.result.num_hidden, item.result.num_shown, "" if dry_run else item.work.target)
        for item in done
        if item.result is not None
    ]
    if rows:
        print_table(None, ["original", "hidden>", "visible>", "copy"], rows)
    for item in done:
        if item.result is None:
            continue
        name = item.work.source.name
        for note in _notes(item.result):
            say(f"{name}: {note}.")
        made = getattr(item.result, "rendering", None)
        if made is not None:
            _print_rendering(name, made)
    skipped = sum(item.result is None and item.error is None for item in done)
    if skipped:
        say(f"{skipped} copies were there already and were left; --force makes them anew.")
    if batch.ignored:
        say(f"{len(batch.ignored)} files are neither photos nor videos; they were not copied.")
    if files.report is not None and any(item.result is not None for item in done):
        say(f"{files.report} shows the faces that the copy hides; delete it when the copy has been checked.")


def _print_rendering(name: str, made: Any) -> None:
    for words, items in (
        ("kept as it was", made.copied),
        ("encoded anew", made.encoded),
        ("left out", made.removed),
    ):
        if items:
            say(f"{name}: {words}: {', '.join(items)}.")
    for damage in made.blanked[:20]:
        say(f"{name}: the frame at {damage.time_s:.3f} s is blank: {damage.reason}.")
    if len(made.blanked) > 20:
        say(f"{name}: {len(made.blanked) - 20} more frames are blank; --json lists them.")
