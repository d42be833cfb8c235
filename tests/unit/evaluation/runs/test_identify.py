"""1:N runs: who is enrolled when, what comes back, and going on after a stop."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assent.errors import EndpointError, TooFewTrials, UsageError
from assent.evaluation.runs.calls import Calls
from assent.evaluation.runs.endpoint import EndpointSystem, make_client
from assent.evaluation.runs.engine import EngineSystem
from assent.evaluation.runs.identify import run_identify
from assent.evaluation.runs.plan import SearchPlan, plan_of_folders
from tests.unit.evaluation.paper import paper
from tests.unit.evaluation.runs.builders import Refusal
from tests.unit.evaluation.runs.conftest import endpoint_of


@pytest.fixture
def folders(people: Path, tmp_path: Path) -> Path:
    """Five probes; of the first three there is a second picture in the gallery of six."""
    for side in ("probes", "gallery"):
        (tmp_path / side).mkdir()
    for number in range(5):
        picture = (people / f"person00{number}" / "0.png").read_bytes()
        (tmp_path / "probes" / f"p{number}.png").write_bytes(picture)
    for number in (0, 1, 2, 5):
        picture = (people / f"person00{number}" / "1.png").read_bytes()
        (tmp_path / "gallery" / f"g{number}.png").write_bytes(picture)
    for number in (6, 7):
        # Of a seed: chance noise is now and then more like a probe than its mate is.
        noise = np.random.default_rng(number).normal(128, 90, (32, 32, 3))
        picture_of_noise = Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8))
        picture_of_noise.save(tmp_path / "gallery" / f"g{number}.png")
    rows = ["p0,g0,F", "p1,g1.png,M", "p2.png,g2,F", "p3,,M"]
    (tmp_path / "mates.csv").write_text("probe,mate,sex\n" + "\n".join(rows) + "\n")
    return tmp_path


def plan_of(folders: Path) -> SearchPlan:
    return plan_of_folders(folders / "probes", folders / "gallery", folders / "mates.csv")


def test_a_plan_says_who_is_who(folders):
    plan = plan_of(folders)
    assert [probe.sample_id for probe in plan.probes] == ["p0.png", "p1.png", "p2.png", "p3.png", "p4.png"]
    assert [sorted(own) for own in plan.mates] == [[0], [1], [2], [], []]
    assert plan.references[0].subject == plan.probes[0].subject == "p0.png"
    assert plan.references[0].groups == {"sex": "F"}
    assert plan.references[3].groups == plan.probes[4].groups == {"sex": ""}
    assert len({sample.subject for sample in plan.references}) == 6


def test_probes_that_share_a_mate_are_one_person(folders):
    with (folders / "mates.csv").open("a") as file:
        file.write("p4,g0,F\n")
    plan = plan_of(folders)
    assert plan.mates[0] == plan.mates[4] == frozenset({0})
    assert plan.probes[0].subject == plan.probes[4].subject


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("probe,reference\n", "line 1: expected the columns probe,mate"),
        ("probe,mate\np0,g0\n\np9,g1\n", "line 4: the probe 'p9' is not in its folder"),
        ("probe,mate\np0,g9\n", "line 2: the mate 'g9' is not in its folder"),
    ],
)
def test_malformed_mates_are_refused_with_their_line(folders, text, message):
    (folders / "mates.csv").write_text(text)
    with pytest.raises(UsageError, match=message):
        plan_of(folders)


def test_what_is_not_there_is_refused(folders, tmp_path):
    (tmp_path / "empty").mkdir()
    for probes, gallery in (("nowhere", "gallery"), ("probes", "nowhere"), ("empty", "gallery")):
        with pytest.raises(UsageError, match="expected"):
            plan_of_folders(tmp_path / probes, tmp_path / gallery, folders / "mates.csv")


def test_the_engine_strikes_out_a_probes_own_mates(folders):
    plan = plan_of(folders)
    run = run_identify(EngineSystem(paper()), plan)
    nonmated, mated = run.searches[:5], run.searches[5:]
    assert [search.is_mated for search in run.searches] == [False] * 5 + [True] * 3
    assert {n for n, _ in nonmated[0].candidates or ()} == {1, 2, 3, 4, 5}
    assert {n for n, _ in nonmated[3].candidates or ()} == {0, 1, 2, 3, 4, 5}
    assert [search.candidates[0][0] for search in mated if search.candidates] == [0, 1, 2]
    assert run.nonmated_gallery_size == 5


def test_an_endpoint_is_searched_without_mates_and_then_with_them(folders, stub):
    run = run_identify(endpoint_of(stub), plan_of(folders))
    ours = run_identify(EngineSystem(paper()), plan_of(folders))
    assert {n for search in run.searches[:5] for n, _ in search.candidates or ()} == {3, 4, 5}
    for theirs, own in zip(run.searches[5:], ours.searches[5:], strict=True):
        assert [n for n, _ in theirs.candidates or ()] == [n for n, _ in own.candidates or ()]
        assert [s for _, s in theirs.candidates or ()] == pytest.approx(
            [50 * (1 + s) for _, s in own.candidates or ()], abs=1e-4
        )
    assert run.nonmated_gallery_size == 3
    assert stub.calls.count("IndexFaces") == 6
    assert stub.calls.count("SearchFacesByImage") == 8
    assert stub.collections == {}  # nothing of the gallery stays with the service


def test_pictures_without_a_face_cost_their_searches_and_are_counted(folders, stub):
    for name in ("probes/p3.png", "gallery/g0.png"):
        Image.new("RGB", (32, 32)).save(folders / name)
    run = run_identify(EngineSystem(paper()), plan_of(folders))
    assert run.facts.failures == {"reference: no face": 1, "search: no face": 1}
    assert run.searches[3].candidates is None
    assert 0 not in run.enrolled
    run = run_identify(endpoint_of(stub), plan_of(folders))
    assert run.facts.failures == {"reference: low brightness": 1, "search: no face": 1}


def test_a_service_that_wants_consent_says_so_and_external_ids_give_it(folders, stub):
    stub.consents = frozenset({"ann"})
    with pytest.raises(EndpointError, match=r"Record one for each person.*--external-ids.*left as it is"):
        run_identify(endpoint_of(stub), plan_of(folders))
    ids = {f"g{number}": "ann" for number in range(8)}
    run = run_identify(endpoint_of(stub, external_ids=ids), plan_of(folders))
    assert len(run.enrolled) == 6
    assert {n for n, _ in run.searches[0].candidates or ()} == {3, 4, 5}


def test_a_gallery_without_any_face_is_refused_and_taken_away(folders, stub):
    for path in (folders / "gallery").iterdir():
        Image.new("RGB", (32, 32)).save(path)
    with pytest.raises(TooFewTrials, match=r"none of 3 was enrolled: low brightness \(3\)"):
        run_identify(endpoint_of(stub), plan_of(folders))
    assert stub.collections == {}


def stopped_after(calls: int, folders: Path, stub, work: Path) -> None:
    """A run that the service refuses to go on with after so many calls."""
    stub.faults = [None] * calls + [Refusal("AccessDeniedException", "enough")]
    with pytest.raises(EndpointError, match="left as it is, for going on"):
        run_identify(endpoint_of(stub), plan_of(folders), work=work)
    stub.faults = []


@pytest.mark.parametrize("calls", [1, 4, 7, 11, 15])
def test_a_run_stopped_anywhere_goes_on_to_the_same_end(folders, stub, tmp_path, calls):
    whole = run_identify(endpoint_of(stub), plan_of(folders))
    num_asked = len(stub.calls)
    stub.calls = []
    stopped_after(calls, folders, stub, tmp_path / "w")
    run = run_identify(endpoint_of(stub), plan_of(folders), work=tmp_path / "w")
    assert [(s.probe, s.is_mated, s.candidates) for s in run.searches] == [
        (s.probe, s.is_mated, s.candidates) for s in whole.searches
    ]
    assert run.enrolled == whole.enrolled
    assert stub.collections == {}
    assert len(stub.calls) <= num_asked + 4  # the collection is listed again, page by page


def test_a_face_that_was_enrolled_but_not_noted_is_enrolled_once(folders, stub, tmp_path):
    """Killed between the answer and the note: the collection holds a face that the run does not know of."""
    stopped_after(4, folders, stub, tmp_path / "w")
    [collection] = stub.collections.values()
    lines = (tmp_path / "w").read_bytes().splitlines(keepends=True)
    (tmp_path / "w").write_bytes(b"".join(lines[:-1]))
    assert len(collection) == 2
    run = run_identify(endpoint_of(stub), plan_of(folders), work=tmp_path / "w")
    assert {n for n, _ in run.searches[0].candidates or ()} == {3, 4, 5}
    assert len(run.searches[0].candidates or ()) == 3
    assert stub.calls.count("DeleteFaces") == 1


def test_a_collection_that_was_deleted_meanwhile_is_made_again(folders, stub, tmp_path):
    stopped_after(6, folders, stub, tmp_path / "w")
    stub.collections.clear()
    run = run_identify(endpoint_of(stub), plan_of(folders), work=tmp_path / "w")
    assert len(run.searches[5].candidates or ()) == 6


def test_a_search_that_failed_is_made_again_without_mates_in_the_gallery(folders, stub, tmp_path):
    work = tmp_path / "w"
    stub.faults = [None] * 5 + [Refusal("InternalServerError", status=500)]
    run = run_identify(endpoint_of(stub), plan_of(folders), work=work)
    assert run.facts.errors == {"search: InternalServerError": 1}
    assert run.searches[0].candidates is None
    again = run_identify(endpoint_of(stub), plan_of(folders), work=work)
    assert again.facts.errors == {}
    assert {n for n, _ in again.searches[0].candidates or ()} == {3, 4, 5}


def test_a_finished_run_asks_nothing_again(folders, stub, tmp_path):
    first = run_identify(endpoint_of(stub), plan_of(folders), work=tmp_path / "w")
    stub.calls = []
    again = run_identify(endpoint_of(stub), plan_of(folders), work=tmp_path / "w")
    assert stub.calls == []
    assert again.searches == first.searches
    run_identify(EngineSystem(paper()), plan_of(folders), work=tmp_path / "engine")
    resumed = run_identify(EngineSystem(paper()), plan_of(folders), work=tmp_path / "engine")
    assert resumed.facts.num_resumed == 11


class Killed(BaseException):
    """The process ends here: nothing catches it."""


def killed_at(stub, event: str, call: int):
    """The service as a system, for a process that ends as call number ``call`` is sent, or answered but not read."""
    system = endpoint_of(stub)
    left = iter(range(call))

    def end(**_: object) -> None:
        if next(left, None) is None:
            raise Killed

    system.calls.client.meta.events.register(event, end)
    return system


@pytest.fixture
def few(folders: Path) -> Path:
    """One probe with a mate, one without; beside the mate one other reference."""
    for path in (*(folders / "probes").iterdir(), *(folders / "gallery").iterdir()):
        if path.stem not in ("p0", "p3", "g0", "g5"):
            path.unlink()
    (folders / "mates.csv").write_text("probe,mate\np0,g0\np3,\n")
    return folders


@pytest.mark.parametrize("event", ["before-call", "after-call"])
def test_a_run_killed_at_any_step_leaves_no_face_with_the_service(few, stub, tmp_path, event):
    whole = run_identify(endpoint_of(stub), plan_of(few))
    asked = list(stub.calls)
    assert asked[:2] == ["ListFaces", "CreateCollection"]
    assert asked[-1] == "DeleteCollection"
    num_left = 0
    for call in range(len(asked)):
        work = tmp_path / f"{call}.work"
        with pytest.raises(Killed):
            run_identify(killed_at(stub, event, call), plan_of(few), work=work)
        plan = json.loads(work.read_text().splitlines()[0])["plan"]
        assert set(stub.collections) <= {f"assent-audit-{plan[:16]}"}  # as docs/audit.md says
        num_left += len(stub.collections)
        again = run_identify(endpoint_of(stub), plan_of(few), work=work)
        assert stub.collections == {}, f"killed at call {call}, {asked[call]}"
        assert again.facts.notes == ()
        assert [s.candidates for s in again.searches] == [s.candidates for s in whole.searches]
        stub.calls = []
        run_identify(endpoint_of(stub), plan_of(few), work=work)
        assert stub.calls == []  # it knows that it is finished and tidy
    assert (
        num_left >= len(asked) - 3
    )  # the kills did leave collections behind, which the runs after them found


def test_a_run_that_is_opened_again_is_closed_again(few, stub, tmp_path):
    """A search failed, so the finished run is gone on with; killed then, before its gallery is taken away."""
    work = tmp_path / "w"
    stub.faults = [None] * 3 + [Refusal("InternalServerError", status=500)]
    run = run_identify(endpoint_of(stub), plan_of(few), work=work)
    assert run.facts.errors == {"search: InternalServerError": 1}
    assert stub.collections == {}
    stub.calls = []
    with pytest.raises(Killed):
        run_identify(killed_at(stub, "before-call.rekognition.DeleteCollection", 0), plan_of(few), work=work)
    assert len(stub.collections) == 1
    run_identify(endpoint_of(stub), plan_of(few), work=work)
    assert stub.collections == {}


def test_a_collection_that_cannot_be_deleted_is_named_and_tried_again(folders, stub, tmp_path):
    stub.faults = [None] * 16 + [Refusal("AccessDeniedException", "no")]
    run = run_identify(endpoint_of(stub), plan_of(folders), work=tmp_path / "w")
    [note] = run.facts.notes
    [collection] = stub.collections
    assert f"collection {collection} could not be deleted" in note
    again = run_identify(endpoint_of(stub), plan_of(folders), work=tmp_path / "w")
    assert stub.collections == {}
    assert again.facts.notes == ()
    assert again.searches == run.searches


def test_without_credentials_a_finished_run_is_shown_and_its_collection_named(
    few, stub, tmp_path, monkeypatch
):
    with pytest.raises(Killed):
        run_identify(
            killed_at(stub, "before-call.rekognition.DeleteCollection", 0), plan_of(few), work=tmp_path / "w"
        )
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    nobody = EndpointSystem(Calls(make_client(stub.url)), "127.0.0.1")
    run = run_identify(nobody, plan_of(few), work=tmp_path / "w")
    [note] = run.facts.notes
    [collection] = stub.collections
    assert collection in note
    assert "expected credentials" in note


def test_a_work_file_holds_no_name_and_no_template(folders, tmp_path):
    run_identify(EngineSystem(paper()), plan_of(folders), work=tmp_path / "w")
    text = (tmp_path / "w").read_text()
    for word in (".png", "p0", "g0", "probes", "gallery", "template"):
        assert word not in text.partition("\n")[2]
    assert max(len(line) for line in text.splitlines()) < 300
