"""Which sets a folder holds: in GLUE's own files and as tables, with labels and without."""

from __future__ import annotations

import pytest

from textgraft.benchmarking.finding import find_set, read_labelled
from textgraft.benchmarking.suites.registry import SUITES, chosen_sets, suite_named
from textgraft.errors import DataError, OptionError


def _set(suite, name):
    (found,) = chosen_sets(SUITES[suite], [name])
    return found


def _file(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


COLA = 'gj04\t1\t\t"Look at that!" he said.\ngj04\t0\t*\tHim ran.\n'
RTE = 'index\tsentence1\tsentence2\tlabel\n0\t"A" is B.\tB is A.\tentailment\n1\tC.\tD.\tnot_entailment\n'


def test_glue_files_are_read_with_their_quotes_and_without_a_header(tmp_path):
    path = _file(tmp_path / "CoLA" / "train.tsv", COLA)
    rows = read_labelled(_set("glue", "CoLA"), path)
    assert rows.columns == {"sentence": ['"Look at that!" he said.', "Him ran."]}
    assert rows.labels == ["1", "0"]
    rows = read_labelled(_set("glue", "RTE"), _file(tmp_path / "RTE" / "train.tsv", RTE))
    assert rows.columns["sentence1"] == ['"A" is B.', "C."]
    assert rows.labels == ["entailment", "not_entailment"]


def test_labelled_test_rows_are_scored_and_hidden_ones_are_not(tmp_path):
    wanted = _set("glue", "RTE")
    for name in ("train", "dev"):
        _file(tmp_path / "rte" / f"{name}.tsv", RTE)
    test = _file(tmp_path / "rte" / "test.tsv", "index\tsentence1\tsentence2\n0\tA.\tB.\n")
    found = find_set(tmp_path, wanted)
    assert (found.test.name, found.layout.scored_on) == ("dev.tsv", "dev")
    assert "dev rows" in found.layout.caveat
    test.write_text("index\tsentence1\tsentence2\tlabel\n0\tA.\tB.\t-1\n")
    assert find_set(tmp_path, wanted).test.name == "dev.tsv"
    test.write_text(RTE)
    found = find_set(tmp_path, wanted)
    assert (found.test.name, found.dev.name, found.layout.scored_on) == ("test.tsv", "dev.tsv", "test")


def test_what_is_lacking_is_said(tmp_path):
    wanted = _set("glue", "RTE")
    assert find_set(tmp_path, wanted) == "no folder rte"
    (tmp_path / "RTE").mkdir()
    assert find_set(tmp_path, wanted) == "no training rows in RTE"
    _file(tmp_path / "RTE" / "train.tsv", RTE)
    assert find_set(tmp_path, wanted) == "no labelled rows to score in RTE"


def test_folders_go_by_many_names(tmp_path):
    for folder in ("STS-B", "sts_b", "stsb"):
        for name in ("train", "dev"):
            _file(tmp_path / folder / folder / f"{name}.csv", "sentence1,sentence2,score\na b,c d,2.5\n")
        assert find_set(tmp_path / folder, _set("glue", "STS-B")).train.name == "train.csv"


def test_squad_without_its_training_set_is_split_by_article_and_says_so(tmp_path):
    for name in ("split_train", "split_dev", "dev-v1.1"):
        _file(tmp_path / "squad_v1.1_dev" / f"{name}.json", "{}")
    found = find_set(tmp_path, _set("squad", "SQuAD 1.1"))
    assert (found.train.name, found.test.name) == ("split_train.json", "split_dev.json")
    assert "parts of the development set" in found.layout.caveat
    _file(tmp_path / "squad_v1.1_dev" / "train-v1.1.json", "{}")
    found = find_set(tmp_path, _set("squad", "SQuAD 1.1"))
    assert (found.test.name, found.layout.caveat) == ("dev-v1.1.json", "")


def test_files_of_another_form_and_unknown_names_are_one_clear_error(tmp_path):
    with pytest.raises(DataError, match="none of the columns"):
        read_labelled(_set("glue", "RTE"), _file(tmp_path / "train.tsv", "a\tb\n1\t2\n"))
    with pytest.raises(DataError, match="no column sentence1"):
        read_labelled(_set("glue", "RTE"), _file(tmp_path / "train.csv", "a,label\n1,2\n"))
    with pytest.raises(OptionError, match="'glu'") as error:
        suite_named("glu")
    assert "'glue'" in error.value.fix
    with pytest.raises(OptionError, match="'Cola2'"):
        chosen_sets(SUITES["glue"], ["Cola2"])


def test_every_published_figure_is_of_a_measure_and_has_a_source():
    for suite in SUITES.values():
        for one in suite.sets:
            keys = {measure.key for measure in one.measures}
            for published in (one.published, *(further.published for further in one.further)):
                assert set(published) <= set(suite.sources)
                assert all(set(figures) <= keys for figures in published.values())
                assert all(30 < figure < 100 for figures in published.values() for figure in figures.values())
