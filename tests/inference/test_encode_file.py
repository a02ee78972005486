"""The array that a file is encoded into has the rows of the file, and replaces nothing unasked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.conftest import shared_data
from tests.tiny import save_tiny_bert
from textgraft.cli import app
from textgraft.errors import OptionError, OutputError
from textgraft.inference.encode import Encoder
from textgraft.inference.encode_file import encode_file


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = save_tiny_bert(tmp_path_factory.mktemp("encoder") / "bert")
    return Encoder(folder, engine="torch", precision="fp32")


def test_rows_without_text_keep_their_place(encoder: Encoder, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('id,text\n1,goal\n2,\n3,team\n4,"  "\n5,goal\n')
    found = encode_file(encoder, tmp_path / "a.csv", tmp_path / "a.npy")
    array = np.load(tmp_path / "a.npy")
    assert (found.shape, found.empty, found.unusable) == (array.shape, 2, 0)
    np.testing.assert_allclose(array, encoder.encode(["goal", "", "team", "  ", "goal"]), atol=1e-6)


def test_rows_that_cannot_be_read_are_nan_in_their_place(encoder: Encoder, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text\n1,goal\n2,too,many\n3,team\n4\n")
    found = encode_file(encoder, tmp_path / "a.csv", tmp_path / "a.npy")
    array = np.load(tmp_path / "a.npy")
    assert np.isnan(array).all(axis=1).tolist() == [False, True, False, True]
    np.testing.assert_allclose(array[[0, 2]], encoder.encode(["goal", "team"]), atol=1e-6)
    assert found.unusable == 2
    assert found.first_unusable.startswith("line 3: ragged row")


def test_lines_of_plain_text_keep_theirs(encoder: Encoder, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("goal\n\nteam\n")
    assert encode_file(encoder, tmp_path / "a.txt", tmp_path / "a.npy").shape[0] == 3


@pytest.mark.parametrize("name", ["x.csv2", "x.csv", "x.npz", "x.npy.bak"])
def test_other_endings_are_refused_before_anything_is_read(tmp_path: Path, name: str) -> None:
    result = CliRunner().invoke(app, ["encode", "absent.csv", "-o", str(tmp_path / name)])
    assert isinstance(result.exception, OptionError)
    assert ".npy" in str(result.exception)
    assert not list(tmp_path.iterdir())


def test_an_array_that_exists_is_replaced_with_overwrite_alone(encoder: Encoder, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\ngoal\n")
    output = tmp_path / "a.npy"
    output.write_text("mine")
    with pytest.raises(OutputError, match="nothing is replaced unasked"):
        encode_file(encoder, tmp_path / "a.csv", output)
    assert output.read_text() == "mine"
    assert encode_file(encoder, tmp_path / "a.csv", output, overwrite=True).shape[0] == 1
    (tmp_path / "b.npy").mkdir()
    with pytest.raises(OutputError, match="this is a folder"):
        encode_file(encoder, tmp_path / "a.csv", tmp_path / "b.npy")


def test_two_empty_rows_among_twenty(encoder: Encoder, tmp_path: Path) -> None:
    case = shared_data("sst2").parent.parent / "cases" / "empty_rows.csv"
    if not case.is_file():
        pytest.skip("the folder cases is not beside the data")
    found = encode_file(encoder, case, tmp_path / "a.npy")
    assert (found.shape[0], found.empty) == (20, 2)
