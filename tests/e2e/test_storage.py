"""A home that cannot be written, and a disk that fills up: exit 3, a clear message, nothing torn."""

import resource
import signal

import pytest

STUB = ("--plugins", "stub_target")
PLAIN = (*STUB, "--plugins", "no:reporters")


def refused(result):
    assert result.code == 3, result.text
    assert "Traceback" not in result.text
    assert "cannot write: " in result.err
    assert "Hint: " in result.err
    return result.err


@pytest.mark.parametrize("home", ["file", "file/deeper", "/proc/orchestra"])
def test_a_home_that_cannot_be_made(home, script):
    (script.home / "file").write_text("in the way", encoding="utf-8")
    result = script("run", *PLAIN, "--home", home)
    if home == "file":  # click sees this one by itself
        assert (result.code, "is a file" in result.err) == (2, True)
    else:
        assert home in refused(result)
    assert script.files() == {"file": 10}


@pytest.mark.parametrize("blocked", ["reports/events", "reports/memory", ".runs"])
def test_a_folder_in_the_home_that_cannot_be_made(blocked, script):
    path = script.home / blocked
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("in the way", encoding="utf-8")
    told = refused(script("run", *PLAIN))
    assert str(path) in told
    assert path.read_text(encoding="utf-8") == "in the way"
    assert script.half_written() == []


def limited(kibibytes: int):
    """For a child process: no file may grow beyond this, as on a disk that is full."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (kibibytes * 1024, kibibytes * 1024))

    return limit


@pytest.mark.parametrize("kibibytes", [0, 4, 12])
def test_a_full_disk_leaves_nothing_half_written(kibibytes, script):
    result = script("run", *PLAIN, preexec_fn=limited(kibibytes))
    refused(result)
    assert script.half_written() == []
    for journal in script.journals():
        if journal.stat().st_size:
            script.events(journal.stem)


def test_a_disk_that_fills_up_during_the_pictures(script):
    result = script("run", *STUB, preexec_fn=limited(64))
    told = refused(result)
    assert ".png" in told
    assert "raise it" in told.partition("Hint:")[2]
    names = {name.rpartition("/")[2] for name in script.files()}
    assert {"winners.json", "winners.md", "ab_diff.csv"} <= names
    assert "pareto.png" not in names
    assert script.half_written() == []
    (journal,) = script.journals()
    again = script("report", journal.stem)
    assert again.code == 0, again.text
    assert any(name.endswith("/pareto.png") for name in script.files())


def test_a_full_disk_is_told_in_json_too(script):
    result = script("run", "--json", *PLAIN, preexec_fn=limited(4))
    assert result.code == 3
    content = result.json
    error = content["error"]
    assert error["type"] == "storage"
    assert "cannot write" in error["msg"]
