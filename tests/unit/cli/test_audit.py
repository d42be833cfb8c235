"""``assent audit scores`` and ``compare``: tables, the JSON twin, and errors in one line."""

import json

import pytest

from assent.cli.main import run
from tests.unit.evaluation.builders import make_system, write_csv


@pytest.fixture
def scores_csv(tmp_path):
    return write_csv(tmp_path / "system.csv", *make_system())


def test_scores_prints_the_headline_and_writes_the_twin(scores_csv, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["audit", "scores", str(scores_csv), "--threshold", "3", "-n", "25", "--replicates", "100"]
    assert run([*words, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "In a gallery of 25, at most 1 in " in said
    assert "By sex, at the one threshold" in said
    twin = json.loads((out / "audit.json").read_text())
    assert twin["kind"] == "scores"
    assert twin["point"]["threshold"] == 3.0
    assert twin["data"]["sources"][0]["name"] == "system.csv"
    assert [group["name"] for group in twin["groups"][0]["rows"]] == ["f", "m"]
    assert len(twin["det"]["fmr"]) == len(twin["det"]["threshold"]) > 20
    assert twin["claim"]["requirements"][0]["gallery_size"] == 25


def test_json_is_the_twin(scores_csv, capsys):
    assert run(["audit", "scores", str(scores_csv), "--json", "--replicates", "100", "--groups", "sex"]) == 0
    twin = json.loads(capsys.readouterr().out)
    assert twin["point"]["target_fmr"] == 0.001
    assert twin["claim"]["gallery_size"] is None


def test_distances_are_shown_as_distances(tmp_path, capsys):
    path = tmp_path / "d.csv"
    path.write_text("probe,reference,score,mated\na,b,0.9,0\na,c,0.8,0\nb,c,0.7,0\na,a2,0.1,1\n")
    assert (
        run(["audit", "scores", str(path), "--distance", "--threshold", "0.75", "--replicates", "100"]) == 0
    )
    said = capsys.readouterr().out
    assert "Threshold 0.75: given" in said
    assert "1 of 3" in said


def test_compare(scores_csv, tmp_path, capsys):
    other = write_csv(tmp_path / "other.csv", *make_system(separation=6.0))
    assert run(["audit", "compare", str(scores_csv), str(other), "--replicates", "100"]) == 0
    said = capsys.readouterr().out
    assert "fmr at most 0.01" in said
    assert "yes" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["audit", "scores", "none.csv"], "there is none"),
        (["audit", "scores", "{csv}", "--groups", "age"], "expected a group column among sex"),
        (["audit", "scores", "{csv}", "--format", "excel"], "expected a format"),
        (["audit", "scores", "{csv}", "--target-fmr", "2"], "target_fmr"),
        (["audit", "scores", "{csv}", "--out", "x.pdf"], "ends in"),
    ],
)
def test_errors_are_one_line(scores_csv, capsys, words, says):
    assert run([word.replace("{csv}", str(scores_csv)) for word in words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert says in captured.err
    assert captured.err.count("\n") == 1
