"""`orchestra verify`: the table, the JSON, the exit codes."""

import shutil

WORDS = ("--plugins", "stub_target")


def test_everything_agrees(orchestra, finished):
    _, run_id = finished
    result = orchestra("verify", "latest", *WORDS)
    assert result.code == 0, result.text
    assert result.out.startswith(f"{run_id}: ")
    assert "Everything agrees." in result.out
    content = orchestra("verify", "latest", *WORDS, "--json").json
    assert (content["agrees"], content["findings"]) == (True, [])
    assert content["checked"]["jobs"] == 8


def test_a_changed_file_is_named(orchestra, finished):
    home, run_id = finished
    path = home / "reports" / run_id / "winners.json"
    path.write_text(path.read_text().replace("q0p9", "q0p5"))
    result = orchestra("verify", run_id, *WORDS)
    assert result.code == 1
    assert f"reports/{run_id}/winners.json" in result.out
    assert "1 differ, 0 missing." in result.out
    (finding,) = orchestra("verify", run_id, *WORDS, "--json").json["findings"]
    assert set(finding) == {"kind", "file", "what", "recorded", "recomputed"}
    assert (finding["kind"], finding["what"]) == ("differs", "sha256")


def test_nothing_is_left_to_verify(orchestra, finished):
    home, run_id = finished
    shutil.rmtree(home / ".runs")
    assert orchestra("verify", run_id, *WORDS).code == 3


def test_nothing_is_written(orchestra, finished):
    home, run_id = finished
    before = {p: p.stat().st_mtime_ns for p in home.rglob("*")}
    orchestra("verify", run_id, *WORDS)
    assert {p: p.stat().st_mtime_ns for p in home.rglob("*")} == before


def test_a_dataset_that_no_plugin_has(orchestra, finished):
    result = orchestra("verify", finished[1])
    assert result.code == 2
    assert "there is no dataset 'stub'" in result.err
