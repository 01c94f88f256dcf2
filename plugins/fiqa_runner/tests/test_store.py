from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import pytest
from orchestra_fiqa_runner.engine.store import stored_folder

from orchestra_core.errors import StorageError


def write(folder, text="content"):
    (folder / "data.txt").write_text(text)


def never(_):
    pytest.fail("built again")


def test_built_once_then_read(tmp_path):
    assert stored_folder(tmp_path, "a", write) == tmp_path / "a"
    assert (stored_folder(tmp_path, "a", never) / "data.txt").read_text() == "content"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("damage", ["change", "delete", "no manifest", "bad manifest", "extra", "file"])
def test_whatever_is_damaged_is_built_again(tmp_path, damage):
    folder = stored_folder(tmp_path, "a", write)
    if damage == "change":
        (folder / "data.txt").write_text("c0ntent")
    elif damage == "delete":
        (folder / "data.txt").unlink()
    elif damage == "no manifest":
        (folder / "manifest.json").unlink()
    elif damage == "bad manifest":
        (folder / "manifest.json").write_text("{")
    elif damage == "extra":
        (folder / "more.txt").write_text("x")
    else:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        folder.write_text("not a folder")
    assert (stored_folder(tmp_path, "a", write) / "data.txt").read_text() == "content"
    stored_folder(tmp_path, "a", never)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_build_that_fails_leaves_nothing(tmp_path):
    def fails(folder):
        write(folder)
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        stored_folder(tmp_path, "a", fails)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError):
        stored_folder(tmp_path / "file", "a", write)


def test_processes_that_build_at_once_agree(tmp_path):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        folders = list(pool.map(partial(_build_big, tmp_path), range(4)))
    assert set(folders) == {tmp_path / "a"}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def _build_big(root, _):
    return stored_folder(root, "a", partial(write, text="x" * 1_000_000))
