"""Outputs stand where nothing stood, unless the user says otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from textgraft.errors import OutputError
from textgraft.files import refuse_to_replace


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    file, folder, link = tmp_path / "file", tmp_path / "folder", tmp_path / "link"
    refuse_to_replace(file, overwrite=False)
    folder.mkdir()
    refuse_to_replace(folder, overwrite=False)
    file.touch()
    (folder / "inside").touch()
    link.symlink_to(tmp_path / "nowhere")
    for path in (file, folder, link):
        with pytest.raises(OutputError, match="--overwrite"):
            refuse_to_replace(path, overwrite=False)
        refuse_to_replace(path, overwrite=True)


def test_a_folder_of_another_kind_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").touch()
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="something else"):
            refuse_to_replace(tmp_path, overwrite=overwrite, mark="config.json")
    (tmp_path / "config.json").touch()
    refuse_to_replace(tmp_path, overwrite=True, mark="config.json")
    with pytest.raises(OutputError, match="--overwrite"):
        refuse_to_replace(tmp_path, overwrite=False, mark="config.json")
