"""Score files of every format, and every way in which one can be wrong, with its line."""

import hashlib

import numpy as np
import pytest

from assent.calibration.draws import DrawOptions
from assent.errors import ScoreFileError, UsageError
from assent.evaluation import reading
from assent.evaluation.audit import audit
from assent.evaluation.collecting import Collector
from assent.evaluation.reading import ReadOptions, read_scores
from tests.unit.evaluation.builders import make_evidence, make_system, write_csv

HEAD = "probe,reference,score,mated\n"


def read(tmp_path, text, name="scores.csv", **options):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_scores([path], ReadOptions(**options))


@pytest.mark.parametrize("block_bytes", [8_000_000, 997])
def test_a_csv_gives_what_arrays_give(tmp_path, monkeypatch, block_bytes):
    monkeypatch.setattr(reading, "BLOCK_BYTES", block_bytes)
    samples, trials = make_system(missing=0.1, digits=6)
    found = read_scores([write_csv(tmp_path / "s.csv", samples, trials)]).evidence
    expected = make_evidence(missing=0.1, digits=6)
    assert np.array_equal(found.nonmated.values, expected.nonmated.values)
    assert np.array_equal(found.nonmated.counts, expected.nonmated.counts)
    assert np.array_equal(found.mated_counts.values, expected.mated_counts.values)
    assert found.num_mated_failures == expected.num_mated_failures > 0
    assert found.num_nonmated_failures == expected.num_nonmated_failures
    assert sorted(found.by_group.ravel()) == sorted(expected.by_group.ravel())
    assert set(found.samples.subject_names) == set(expected.samples.subject_names)


def test_the_fast_and_the_careful_reader_agree(tmp_path, monkeypatch):
    """Scores of many shapes; one quote sends the block to the careful reader."""
    shapes = [
        "1",
        "-0.5",
        ".25",
        "3.",
        "1e-3",
        "0.123456789012345",
        "0.12345678901234567",
        "-1E2",
        "fta",
        "",
        "+4",
    ]
    rows = [f"p{k},r{k},{score},0" for k, score in enumerate(shapes)]
    plain = read(tmp_path, HEAD + "\n".join(rows)).evidence
    monkeypatch.setattr(reading, "parse_block", lambda text, layout: None)
    careful = read(tmp_path, HEAD + "\n".join(rows)).evidence
    expected = sorted(float(x) for x in shapes if x not in {"", "fta"})
    for found in (plain, careful):
        assert found.nonmated.values.tolist() == sorted(set(expected))
        assert found.num_nonmated_failures == 2


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimiters_and_line_ends(tmp_path, delimiter, end):
    rows = ["probe,reference,score,mated", "a,b,0.5,0", "a,a2,0.9,1", "c,d,,0"]
    found = read(tmp_path, end.join(row.replace(",", delimiter) for row in rows)).evidence
    assert found.nonmated.values.tolist() == [0.5]
    assert found.mated_counts.values.tolist() == [0.9]
    assert found.num_nonmated_failures == 1


def test_ids_are_people_where_no_subjects_are_given(tmp_path):
    found = read(tmp_path, HEAD + "a,b,0.9,1\nb,c,0.8,1\na,d,0.1,0\nc,d,0.2,0\n").evidence
    of = dict(zip(found.samples.ids.tolist(), found.samples.subjects.tolist(), strict=True))
    assert of["a"] == of["b"] == of["c"] != of["d"]


def test_a_nonmated_row_of_linked_ids_is_noted(tmp_path):
    found = read(tmp_path, HEAD + "a,b,0.9,1\nb,c,0.8,1\na,c,0.1,0\n")
    assert [note.code for note in found.notes] == ["contradicting-labels"]


def _num_components(links):
    """By merging sets, slowly."""
    parts: list[set[int]] = []
    for pair in map(set, links):
        touched = [part for part in parts if part & pair]
        parts = [part for part in parts if not part & pair] + [pair.union(*touched)]
    return len(parts)


def test_people_of_many_links_are_found_as_of_few(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    people = rng.permutation(np.repeat(np.arange(30), 4))
    links = [(k, rng.choice(np.flatnonzero(people == people[k]))) for k in range(120) for _ in range(3)]
    text = HEAD + "".join(f"i{a},i{b},0.9,1\n" for a, b in links)
    monkeypatch.setattr(reading, "BLOCK_BYTES", 200)
    monkeypatch.setattr("assent.evaluation.ids._MAX_LINKS", 20)
    found = read(tmp_path, text).evidence.samples
    of = {name: people[int(name[1:])] for name in found.ids.tolist()}
    for subject in range(found.num_subjects):
        assert len({of[name] for name in found.ids[found.subjects == subject].tolist()}) == 1
    assert found.num_subjects == _num_components(links)


def test_too_many_pictures_are_refused_with_the_line(tmp_path, monkeypatch):
    monkeypatch.setattr("assent.evaluation.ids.MAX_PICTURES", 4)
    with pytest.raises(ScoreFileError, match="at most 4 different pictures") as caught:
        read(tmp_path, HEAD + "a,b,0.5,0\nc,d,0.5,0\na,e,0.5,0\n")
    assert caught.value.line is not None


def test_no_room_for_the_temporary_file_is_said(tmp_path, monkeypatch):
    def full(**_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("assent.evaluation.spill.tempfile.TemporaryFile", full)
    monkeypatch.setattr("assent.evaluation.reading.Collector", lambda: Collector(max_whole=1))
    with pytest.raises(UsageError, match=r"No space left on device\. Set TMPDIR"):
        read(tmp_path, HEAD + "a,b,0.5,0\nc,d,0.5,0\n")


@pytest.mark.parametrize(
    "text", [HEAD + "a,b,0.5,0", "\ufeff1 1 i1 0.9\n2 1 i1 0.5\n", ",a,b\na,1,2\nb,3,4\n"]
)
def test_sources_are_known_by_their_bytes(tmp_path, text):
    (source,) = read(tmp_path, text).sources
    assert source.sha256 == hashlib.sha256((tmp_path / "scores.csv").read_bytes()).hexdigest()


def test_bob_and_bfw(tmp_path):
    four = "1 1 img/1_1 0.9\n2 1 img/1_1 -0.25\n1 2 img/2_1 0.125\n"
    found = read(tmp_path, four, "scores-dev")
    assert found.sources[0].format == "bob-4col"
    assert found.evidence.nonmated.values.tolist() == [-0.25, 0.125]
    assert found.evidence.mated_counts.values.tolist() == [0.9]
    five = "1 m1 1 img/1_1 0.9\n2 m2 1 img/1_1 -0.25\n"
    assert read(tmp_path, five, "scores-dev").sources[0].format == "bob-5col"
    bfw = (
        "fold,p1,p2,label,id1,id2,att1,att2,vgg16,resnet50\n"
        "1,f/a/1.jpg,f/a/2.jpg,1,1,1,asian_females,asian_females,0.8,0.7\n"
        "1,f/a/1.jpg,m/b/1.jpg,0,1,2,asian_females,white_males,0.2,0.1\n"
    )
    with pytest.raises(ScoreFileError, match=r"vgg16, resnet50.*--score-column"):
        read(tmp_path, bfw)
    found = read(tmp_path, bfw, score_column="resnet50")
    assert found.sources[0].format == "bfw"
    assert found.evidence.mated_counts.values.tolist() == [0.7]
    samples = found.evidence.samples
    groups = dict(zip(samples.ids.tolist(), samples.groups["att"].tolist(), strict=True))
    assert groups == {
        "f/a/1.jpg": "asian_females",
        "f/a/2.jpg": "asian_females",
        "m/b/1.jpg": "white_males",
    }


def test_a_matrix(tmp_path):
    text = ",a,b,c\na,0.9,0.1,0.2\nb,0.3,fta,0.4\nc,0.5,0.6,0.7\n"
    found = read(tmp_path, text)
    assert found.sources[0].format == "matrix"
    assert found.evidence.nonmated.values.tolist() == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert found.evidence.num_mated_failures == 1
    shuffled = ",a,b,c\nc,0.5,0.6,0.7\na,0.9,0.1,0.2\nb,0.3,fta,0.4\n"
    assert read(tmp_path, shuffled).evidence.mated_counts.values.tolist() == [0.7, 0.9]


def test_a_symmetric_matrix_counts_each_pair_once_and_says_so(tmp_path):
    found = read(tmp_path, "a,b,c\na,1,0.1,0.2\nb,0.1,1,0.3\nc,0.2,0.3,1\n")
    assert found.evidence.nonmated.counts.tolist() == [1, 1, 1]
    assert [note.code for note in found.notes] == ["symmetric-matrix"]


def test_a_numpy_matrix_and_distances(tmp_path):
    _, trials = make_system(num_people=40)
    scores = trials.scores.reshape(40, 40)
    np.save(tmp_path / "s.npy", -scores)
    found = read_scores([tmp_path / "s.npy"], ReadOptions(is_distance=True))
    assert np.array_equal(found.evidence.nonmated.values, make_evidence(num_people=40).nonmated.values)
    np.save(tmp_path / "bad.npy", scores[:3])
    with pytest.raises(ScoreFileError, match=r"square.*columns of comparisons as CSV"):
        read_scores([tmp_path / "bad.npy"])
    np.savez(tmp_path / "several.npz", scores=scores)
    with pytest.raises(ScoreFileError, match="archive of several"):
        read_scores([tmp_path / "several.npz"])


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 1, "empty"),
        ("probe,reference,mated\na,b,1\n", 1, "without score"),
        ("a,b,c,d\n1,2,3,4\n", 1, "expected a header"),
        ("probe,reference;score,mated\n", 1, "one delimiter"),
        ("probe,probe,score,mated\n", 1, "'probe' twice"),
        (HEAD + "a,b,0.5,0\na;b;0.5;0\n", 3, "expected 4 fields"),
        (HEAD + "a,b,0.5,0\n\na,b,high,0\n", 4, "expected a score; got 'high'"),
        (HEAD + "a,b,nan,0\n", 2, "NaN"),
        (HEAD + "a,b,0.5,maybe\n", 2, "expected 1 or 0"),
        (HEAD + ",b,0.5,0\n", 2, "expected an id of the probe"),
        (HEAD + "a,a,0.5,0\n", 2, "compared with itself"),
        (HEAD + '"a,b,0.5,0\n', 2, ""),
        (HEAD[:-1] + ",probe_subject,reference_subject\na,b,0.5,1,x,y\n", 2, "correct one of them"),
        (HEAD[:-1] + ",probe_subject\n", 1, "both sides"),
        (HEAD[:-1] + ",probe_sex,reference_sex\na,b,1,0,f,m\na,c,1,0,m,m\n", 3, "before"),
        (",a,b\na,1,2\nb,3\n", 3, "square"),
        (",a,b\na,1,2\nc,3,4\n", 3, "row but no column"),
        (",a,b\na,1,2\na,3,4\n", 3, "row twice"),
        (",a,a\na,1,2\na,3,4\n", 1, "once"),
        (",a,b\na,1,2\n", None, "none for 'b'"),
        (",a,b\na,1,2\nb,x,4\n", 3, "expected a score"),
        (HEAD.encode() + b"a,\xff,0.5,0\n", 2, "UTF-8"),
        (HEAD, None, "has none"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, text, line, says):
    with pytest.raises(ScoreFileError, match=r"scores\.csv") as caught:
        read(tmp_path, text)
    assert caught.value.line == line
    assert says in caught.value.message


def test_lines_are_counted_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "BLOCK_BYTES", 100)
    rows = "".join(f"p{k},r{k},0.{k},0\n" for k in range(500))
    with pytest.raises(ScoreFileError) as caught:
        read(tmp_path, HEAD + rows + "x,y,z,0\n")
    assert caught.value.line == 502


def test_files_that_are_not_there_or_do_not_go_together(tmp_path):
    with pytest.raises(UsageError, match="there is none"):
        read_scores([tmp_path / "none.csv"])
    with pytest.raises(UsageError, match="not a file"):
        read_scores([tmp_path])
    with pytest.raises(UsageError, match="got none"):
        read_scores([])
    with pytest.raises(UsageError, match="format"):
        ReadOptions(format="excel")
    (tmp_path / "a.csv").write_text(HEAD + "a,b,1,0\n")
    (tmp_path / "b.csv").write_text(HEAD[:-1] + ",sex\na,b,1,0,f\n")
    with pytest.raises(ScoreFileError, match="same columns"):
        read_scores([tmp_path / "a.csv", tmp_path / "b.csv"])


def test_failures_and_infinite_scores_are_noted(tmp_path):
    text = HEAD + "a,b,inf,0\na,c,,0\na,d,0.5,0\ne,e2,-inf,1\nf,f2,fta,1\ng,g2,0.9,1\na,b,inf,0\n"
    found = read(tmp_path, text)
    result = audit(found.evidence, _few())
    assert {"failures", "infinite", "duplicates"} <= {note.code for note in result.notes}
    assert result.data.num_nonmated_failures == 1
    assert result.data.num_mated_failures == 1
    assert result.data.score_max == 0.9
    assert result.as_json()["data"]["fta"]["num_errors"] == 3  # c, f and f2


def _few():
    from assent.evaluation.audit import AuditOptions

    return AuditOptions(threshold=0.7, draws=DrawOptions(50))
