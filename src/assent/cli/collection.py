"""``assent collection``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from assent.cli.common import YesOption, open_assent
from assent.cli.output import JsonOption, print_json, print_table, rate, say, when
from assent.errors import UsageError

if TYPE_CHECKING:
    from assent.service.collections import CollectionSummary
    from assent.store.values import CollectionRecord

app = typer.Typer(
    name="collection", no_args_is_help=True, help="Collections: create, list, show, policy, remove, delete."
)

NameArgument = Annotated[str, typer.Argument(help="The collection's name.", show_default=False)]
PolicyOption = Annotated[
    str, typer.Option("--policy", help="default (FPIR at most 1 in 100) or strict (1 in 1,000).")
]
FpirOption = Annotated[
    float | None,
    typer.Option("--fpir", help="An FPIR target of your own, instead of --policy.", show_default=False),
]
ReviewOption = Annotated[
    str | None,
    typer.Option(
        "--review",
        help="two-person: a search names nobody before two people have looked, each on their own; none: it answers "
        "at once. Default: none.",
        show_default=False,
    ),
]
BeyondOption = Annotated[
    str | None,
    typer.Option(
        "--beyond-evidence",
        help="With more people than the evidence supports: refuse (the search), or review (two people look). Default: "
        "refuse.",
        show_default=False,
    ),
]


@app.command()
def create(
    ctx: typer.Context,
    name: NameArgument,
    purpose: Annotated[
        str, typer.Option("--purpose", "-p", help="What it is for, e.g. club-photos.", show_default=False)
    ],
    policy: PolicyOption = "default",
    fpir: FpirOption = None,
    review: ReviewOption = None,
    beyond_evidence: BeyondOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an empty collection for one purpose.

    Example: `assent collection create club --purpose club-photos`
    """
    with open_assent(ctx) as assent:
        made = assent.collections.create(
            name,
            purpose=purpose,
            policy=policy,
            fpir_target=fpir,
            review=review or "none",
            beyond_evidence=beyond_evidence or "refuse",
        )
    if as_json:
        print_json(made)
    else:
        say(
            f"Created {made.name} for {made.purpose}: at most {rate(made.fpir_target)} searches for somebody who is "
            f"not in it may name anybody.{_who_looks(made)}"
        )


@app.command("list")
def list_collections(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """All collections: who is in them, and how many people the evidence supports.

    Example: `assent collection list`
    """
    with open_assent(ctx) as assent:
        summaries = assent.collections.list()
    if as_json:
        print_json([_summary(summary) for summary in summaries])
        return
    rows = [
        (
            s.collection.name,
            s.collection.purpose,
            s.num_people,
            s.num_templates,
            f"{s.collection.fpir_target:g}",
            _limit(s),
        )
        for s in summaries
    ]
    print_table("Collections", ["name", "purpose", "people>", "photos>", "fpir>", "at most people>"], rows)


@app.command()
def show(ctx: typer.Context, name: NameArgument, as_json: JsonOption = False) -> None:
    """One collection and the photos enrolled in it (never their templates).

    Example: `assent collection show club`
    """
    with open_assent(ctx) as assent:
        summary = assent.collections.get(name)
        templates = assent.collections.templates(name)
        refs = {person.id: person.ref for person in assent.people.list()}
    if as_json:
        print_json({**_summary(summary), "templates": templates})
        return
    record = summary.collection
    say(
        f"{record.name}: {summary.num_people} people, {summary.num_templates} photos, purpose "
        f"{record.purpose}, FPIR at most {record.fpir_target:g}; {_supported(summary)}.{_who_looks(record)}"
    )
    rows = [(t.id, refs[t.person_id], t.consent_id, when(t.created_at)) for t in templates]
    print_table(None, ["template!", "person", "consent!", "enrolled"], rows)


@app.command()
def policy(
    ctx: typer.Context,
    name: NameArgument,
    preset: Annotated[str | None, typer.Argument(help="default or strict.", show_default=False)] = None,
    fpir: FpirOption = None,
    review: ReviewOption = None,
    beyond_evidence: BeyondOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change how many false positives are accepted, and who must look; what is not named stays as it is.

    Example: `assent collection policy club strict --review two-person`
    """
    if preset is None and fpir is None and review is None and beyond_evidence is None:
        raise UsageError(
            "expected something to change: default, strict, --fpir, --review or --beyond-evidence"
        )
    with open_assent(ctx) as assent:
        assent.collections.set_policy(
            name, policy=preset, fpir_target=fpir, review=review, beyond_evidence=beyond_evidence
        )
        summary = assent.collections.get(name)
    if as_json:
        print_json(_summary(summary))
    else:
        say(
            f"{name}: FPIR at most {summary.collection.fpir_target:g}; {_supported(summary)}, {summary.num_people} "
            f"enrolled.{_who_looks(summary.collection)}"
        )


@app.command()
def remove(
    ctx: typer.Context,
    template_id: Annotated[str, typer.Argument(help="The template's id.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Drop one enrolled photo's template (the person and the consent stay).

    Example: `assent collection remove 9b25...`
    """
    with open_assent(ctx) as assent:
        assent.collections.remove_template(template_id)
    if as_json:
        print_json({"removed": template_id})
    else:
        say(f"Removed template {template_id}.")


@app.command()
def delete(
    ctx: typer.Context, name: NameArgument, yes: YesOption = False, as_json: JsonOption = False
) -> None:
    """Destroy a collection with its key and templates. People and consents stay. Says what it would do unless --yes.

    Example: `assent collection delete club --yes`
    """
    with open_assent(ctx) as assent:
        summary = assent.collections.get(name)
        if yes:
            assent.collections.delete(name)
    if as_json:
        print_json({"dry_run": not yes, **_summary(summary)})
    elif yes:
        say(f"Deleted {name} with {summary.num_templates} templates.")
    else:
        say(
            f"Would destroy {name} with {summary.num_templates} templates of {summary.num_people} people. Nothing was "
            f"done; add --yes to do it."
        )


def _who_looks(record: CollectionRecord) -> str:
    """A sentence where people look before anybody is named; nothing where nobody must."""
    if record.review == "two-person":
        return " Two people look before a search names anybody."
    if record.beyond_evidence == "review":
        return " With more people than the evidence supports, two people look before a search names anybody."
    return ""


def _limit(summary: CollectionSummary) -> str:
    return "none: no calibration" if summary.n_max is None else f"{summary.n_max:,}"


def _supported(summary: CollectionSummary) -> str:
    if summary.n_max is None:
        return "no calibration of its model, so no search"
    return f"the evidence supports {summary.n_max:,} people"


def _summary(summary: CollectionSummary) -> dict[str, object]:
    from assent.cli.output import to_json

    return {
        **to_json(summary.collection),
        "num_people": summary.num_people,
        "num_templates": summary.num_templates,
        "num_users": summary.num_users,
        "n_max": summary.n_max,
        "floor_similarity": summary.floor_similarity,
        "is_searchable": summary.is_searchable,
    }
