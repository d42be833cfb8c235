"""1:1 runs: which comparisons, what becomes of each, and going on after a stop."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assent.errors import EndpointError, TooFewTrials, UsageError
from assent.evaluation.runs.engine import EngineSystem
from assent.evaluation.runs.samples import read_groups
from assent.evaluation.runs.trials import trials_of_folders, trials_of_list
from assent.evaluation.runs.verify import run_verify
from tests.unit.evaluation.paper import paper
from tests.unit.evaluation.runs.builders import Refusal
from tests.unit.evaluation.runs.conftest import Waits, endpoint_of


def test_all_pairs_of_a_folder_once_each(people):
    trials = trials_of_folders([people], {})
    assert len(trials.samples) == 12
    assert len(trials) == 12 * 11 // 2
    assert trials.mated.sum() == 6
    same = [
        trials.samples[probe].subject == trials.samples[reference].subject
        for probe, reference in zip(trials.probes, trials.references, strict=True)
    ]
    assert (np.array(same) == trials.mated).all()


def test_people_of_two_folders_are_not_compared(people, tmp_path):
    (tmp_path / "more").symlink_to(people)
    other = tmp_path / "copied"
    for path in sorted(people.glob("*/*"))[:4]:
        (other / path.parent.name).mkdir(parents=True, exist_ok=True)
        (other / path.parent.name / path.name).write_bytes(path.read_bytes())
    trials = trials_of_folders([people, other], {})
    assert len(trials) == 66 + 6
    assert len({sample.subject for sample in trials.samples}) == 6 + 2


def test_a_draw_keeps_all_mated_pairs_and_is_the_same_again(people):
    first, again = (trials_of_folders([people], {}, max_nonmated=10, seed=3) for _ in range(2))
    assert (first.mated.sum(), (~first.mated).sum()) == (6, 10)
    assert first.digest() == again.digest()
    assert first.digest() != trials_of_folders([people], {}, max_nonmated=10, seed=4).digest()


def test_labels_come_from_the_evaluators_file(people, tmp_path):
    groups = tmp_path / "groups.csv"
    groups.write_text("subject,sex\n" + "".join(f"person{n:03},{'FM'[n % 2]}\n" for n in range(5)))
    trials = trials_of_folders([people], read_groups(groups))
    assert trials.attributes == ("sex",)
    assert [sample.groups["sex"] for sample in trials.samples[::2]] == ["F", "M", "F", "M", "F", ""]
    groups.write_text("subject,sex\nsomebody else,F\n")
    with pytest.raises(UsageError, match="none of the pictures' people"):
        trials_of_folders([people], read_groups(groups))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("subject\nann\n", "line 1: expected subject and at least one column"),
        ("subject;sex\nann;F\n", "line 1: expected the columns subject, got subject;sex"),
        ("subject,sex\nann\n", "line 2: expected 2 columns, got 1"),
        ("subject,sex\nann,F\nann,M\n", "'ann' has two different sets"),
        ("", "line 1: expected the columns subject, got nothing"),
    ],
)
def test_a_malformed_file_of_groups_is_refused(tmp_path, text, message):
    path = tmp_path / "groups.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_groups(path)


def write_list(people: Path, folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in ("a", "b", "c"):
        (folder / f"{name}.png").write_bytes((people / f"person00{'abc'.index(name)}" / "0.png").read_bytes())
    (folder / "list.csv").write_text(text)
    return folder / "list.csv"


def test_a_list_says_what_is_compared_and_who_is_who(people, tmp_path):
    path = write_list(
        people, tmp_path, "probe,reference,mated,sex\na.png,b.png,1,F\nb.png,c.png,no,F\n\na.png,c.png,0,F\n"
    )
    trials = trials_of_list(path, {})
    assert [sample.sample_id for sample in trials.samples] == ["a.png", "b.png", "c.png"]
    assert trials.mated.tolist() == [True, False, False]
    assert trials.samples[0].subject == trials.samples[1].subject != trials.samples[2].subject
    assert [sample.groups["sex"] for sample in trials.samples] == ["F", "F", ""]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("probe,reference\na.png,b.png\n", "line 1: expected the columns probe,reference,mated"),
        ("probe,reference,mated\n", "lists no comparison"),
        ("probe,reference,mated\na.png,b.png,1\na.png,d.png,0\n", "line 3: the picture 'd.png' is not there"),
        ("probe,reference,mated\na.png,b.png,perhaps\n", "line 2: expected 1 or 0 for mated, got 'perhaps'"),
        (
            "probe,reference,mated,sex\na.png,b.png,0,F\na.png,c.png,0,M\n",
            "line 3: a picture is in two groups",
        ),
        (
            "probe,reference,mated,probe_subject,reference_subject\na.png,b.png,1,ann,bob\n",
            "line 2: mated contradicts",
        ),
        ('probe,reference,mated\n"a.png,b.png,1\n', "expected a CSV file in UTF-8"),
    ],
)
def test_a_malformed_list_is_refused_with_its_line(people, tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        trials_of_list(write_list(people, tmp_path, text), {})


def test_the_engine_scores_as_its_templates_do(people):
    system = EngineSystem(paper())
    trials = trials_of_folders([people], {})
    run = run_verify(system, trials)
    templates = [system.acquired(sample.path).template for sample in trials.samples]
    for probe, reference, score in zip(trials.probes, trials.references, run.scores, strict=True):
        assert score == pytest.approx(float(templates[probe] @ templates[reference]), abs=1e-6)
    assert run.scores[trials.mated].mean() > run.scores[~trials.mated].mean()
    assert run.facts.failures == {}
    assert run.facts.latencies[0].num_calls >= 1


def test_an_endpoint_scores_like_the_engine_behind_it(people, stub):
    trials = trials_of_folders([people], {})
    ours = run_verify(EngineSystem(paper()), trials)
    theirs = run_verify(endpoint_of(stub), trials)
    assert theirs.scores == pytest.approx(50 * (1 + ours.scores), abs=1e-4)
    assert theirs.facts.scale == "Similarity, 0 to 100"
    assert (ours.facts.calls, theirs.facts.calls) == ("pictures read", "comparisons")
    assert theirs.facts.latencies[0].num_calls == len({int(probe) for probe in trials.probes})
    assert len(stub.calls) == len(trials)


def test_pictures_without_a_face_are_failures_and_are_counted_by_reason(people, tmp_path, stub):
    path = write_list(people, tmp_path, "")
    Image.new("RGB", (32, 32)).save(tmp_path / "black.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    (tmp_path / "empty.png").write_bytes(b"")
    rows = ["a.png,b.png,0", "a.png,black.png,0", "broken.png,a.png,0", "empty.png,c.png,0"]
    path.write_text("probe,reference,mated\n" + "\n".join(rows) + "\n")
    trials = trials_of_list(path, {})
    run = run_verify(EngineSystem(paper()), trials)
    assert run.facts.failures == {"unreadable": 2, "no face": 1}
    assert np.isnan(run.scores).tolist() == [False, True, True, True]
    run = run_verify(endpoint_of(stub), trials)
    assert run.facts.failures == {"image format refused": 2, "no face, or refused": 1}
    assert not run.is_error.any()


def test_what_a_service_withholds_counts_as_its_lowest_score(people, stub):
    stub.withhold_below = 70.0
    run = run_verify(endpoint_of(stub), trials_of_folders([people], {}))
    assert run.facts.num_censored == (run.scores == 0).sum() > 0
    assert run.scores[run.scores > 0].min() >= 70


def test_throttling_is_waited_out(people, stub):
    stub.faults = [Refusal("ThrottlingException"), Refusal("ProvisionedThroughputExceededException"), None]
    system = endpoint_of(stub)
    run = run_verify(system, trials_of_folders([people], {}, max_nonmated=3))
    assert system.calls.sleep == Waits([1.0, 2.0])
    assert run.facts.num_throttled == 2
    assert not np.isnan(run.scores).any()
    trials = run.trials
    assert np.isnan(run.times_ms).any()  # the waiting is in the first call's
    assert not np.isnan(run.times_ms[trials.probes[-1]])


def test_throttling_without_end_stops_the_run_and_it_goes_on_later(people, stub, tmp_path):
    trials, work = trials_of_folders([people], {}, max_nonmated=6), tmp_path / "run.work"
    whole = run_verify(endpoint_of(stub), trials)
    stub.faults = [None] * 5 + [Refusal("ThrottlingException")] * 20
    with pytest.raises(EndpointError, match="nothing that was done is lost"):
        run_verify(endpoint_of(stub), trials, work=work)
    stub.faults, stub.calls = [], []
    run = run_verify(endpoint_of(stub), trials, work=work)
    assert len(stub.calls) == len(trials) - 5
    assert run.facts.num_resumed == 5
    assert (run.scores == whole.scores).all()


def test_an_error_is_no_rate_is_named_and_is_asked_again(people, stub, tmp_path):
    trials, work = trials_of_folders([people], {}, max_nonmated=6), tmp_path / "run.work"
    stub.faults = [None, Refusal("InternalServerError", status=500), None, Refusal("Oops", status=503)]
    run = run_verify(endpoint_of(stub), trials, work=work)
    assert run.facts.errors == {"InternalServerError": 1, "Oops": 1}
    assert np.flatnonzero(run.is_error).tolist() == [1, 3]
    again = run_verify(endpoint_of(stub), trials, work=work)
    assert again.facts.errors == {}
    assert not np.isnan(again.scores).any()


def test_a_service_that_hangs_up_stops_the_run_after_some_tries(people, stub, tmp_path):
    stub.die_after = 4
    with pytest.raises(EndpointError, match="8 times in a row"):
        run_verify(endpoint_of(stub), trials_of_folders([people], {}), work=tmp_path / "run.work")
    stub.die_after = None
    run = run_verify(endpoint_of(stub), trials_of_folders([people], {}), work=tmp_path / "run.work")
    assert not np.isnan(run.scores).any()


@pytest.mark.parametrize("code", ["AccessDeniedException", "UnrecognizedClientException"])
def test_a_refusal_stops_at_once(people, stub, code):
    stub.faults = [Refusal(code, "not for you")]
    with pytest.raises(EndpointError, match=f"refused compare_faces with {code}: not for you") as caught:
        run_verify(endpoint_of(stub), trials_of_folders([people], {}))
    assert caught.value.code == code


def test_no_face_anywhere_says_why(tmp_path, stub):
    for name in ("a", "b"):
        (tmp_path / "people" / name).mkdir(parents=True)
        Image.new("RGB", (32, 32)).save(tmp_path / "people" / name / "black.png")
    with pytest.raises(TooFewTrials, match=r"none of 1 comparisons gave a score: no face \(1\)"):
        run_verify(EngineSystem(paper()), trials_of_folders([tmp_path / "people"], {}))


def test_a_work_file_holds_numbers_and_no_name_or_template(people, tmp_path):
    work = tmp_path / "run.work"
    trials = trials_of_folders([people], {})
    run_verify(EngineSystem(paper()), trials, work=work)
    text = work.read_text()
    assert "person" not in text
    assert ".png" not in text
    answers = [json.loads(line) for line in text.splitlines()[1:]]
    assert len(answers) == len(trials)
    assert {(name, type(value)) for _, _, answer in answers for name, value in answer.items()} == {
        ("score", float)
    }


def test_a_work_file_of_another_run_or_a_damaged_one_is_refused(people, tmp_path):
    work = tmp_path / "run.work"
    system, trials = EngineSystem(paper()), trials_of_folders([people], {})
    run_verify(system, trials, work=work)
    with pytest.raises(UsageError, match="is of another run"):
        run_verify(system, trials_of_folders([people], {}, max_nonmated=5), work=work)
    whole = work.read_bytes()
    lines = whole.splitlines(keepends=True)
    for damage in (b"garbage\n", b'["compare",0]\n', b'{"a":1,"b":2}\n', b"7\n"):
        work.write_bytes(b"".join([*lines[:3], damage, *lines[3:]]))
        with pytest.raises(UsageError, match="line 4: expected an answer"):
            run_verify(system, trials, work=work)
    work.write_text("a letter to a friend\n")
    with pytest.raises(UsageError, match="expected a work file"):
        run_verify(system, trials, work=work)


@pytest.mark.parametrize("cut", [1, 7, 20])
def test_a_line_cut_by_a_kill_is_asked_for_again(people, tmp_path, cut):
    work = tmp_path / "run.work"
    system, trials = EngineSystem(paper()), trials_of_folders([people], {})
    whole = run_verify(system, trials, work=work)
    data = work.read_bytes()
    lines = data.splitlines(keepends=True)
    work.write_bytes(b"".join(lines[:10]) + lines[10][:cut])
    run = run_verify(EngineSystem(paper()), trials, work=work)
    assert run.facts.num_resumed == 9
    assert (run.scores == whole.scores).all()
    assert len(work.read_bytes().splitlines()) == len(lines)


def test_two_runs_do_not_share_a_work_file(people, tmp_path):
    from assent.evaluation.runs.workfile import WorkFile

    with WorkFile(tmp_path / "w", {"run": "x"}), pytest.raises(UsageError, match="in use by another run"):
        WorkFile(tmp_path / "w", {"run": "x"})
