"""The hooks, and how the artifacts are written."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pluggy
import pytest
from orchestra_reporters import pareto_png, plugin
from orchestra_reporters.settings import ReportersSettings
from pydantic import ValidationError

from orchestra_core import hookspecs
from orchestra_core.errors import OrchestraError, StorageError
from orchestra_core.payloads import ReportRequest
from orchestra_core.pictures import data_of

ALL = {"winners.json", "winners.md", "pareto.png", "ab_diff.png", "ab_diff.csv", "failTopN.csv",
       "report.html"}  # fmt: skip


def written(folder):
    return {path.name: path.read_bytes() for path in folder.folder.iterdir()}


def test_the_entry_point_leads_to_the_plugin():
    (point,) = metadata.entry_points(group="orchestra", name="reporters")
    assert point.load() is plugin


def test_its_hooks_are_orchestras():
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)
    manager.check_pending()
    assert {caller.name for caller in manager.get_hookcallers(plugin)} == {
        "orchestra_settings",
        "orchestra_report",
        "orchestra_load_report",
    }
    assert plugin.orchestra_settings() is ReportersSettings


def test_importing_the_plugin_imports_nothing_heavy():
    code = (
        "import sys, orchestra_reporters.plugin;"
        "print([m for m in ('matplotlib', 'numpy', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_settings_are_strict():
    with pytest.raises(ValidationError):
        ReportersSettings(top_n_failures=0)
    with pytest.raises(ValidationError):
        ReportersSettings.model_validate({"top_n": 3})


KINDS = [
    ("win", 162, {}),
    ("regression", 44, {}),
    ("inconclusive", 5, {}),
    ("no_difference", 1, {}),
    ("win", 180, {"race": True, "slow": 120.0}),
    (None, 12, {"status": "early_stopped"}),
    (None, 0, {"status": "failed", "ended_at": None, "error": {"type": "health", "msg": "no answer"}}),
]


@pytest.mark.parametrize(("kind", "count", "changes"), KINDS)
def test_every_run_leaves_all_artifacts_and_again_the_same(make_report, folder, kind, count, changes):
    request = ReportRequest(make_report(kind, count, **changes), folder, settings=None)
    assert plugin.orchestra_report(request) is None
    first = written(folder)
    plugin.orchestra_report(request)
    assert set(first) == ALL
    assert written(folder) == first
    assert first["pareto.png"].startswith(b"\x89PNG")
    assert first["ab_diff.png"].startswith(b"\x89PNG")
    for name in ("pareto.png", "ab_diff.png"):  # nothing but the data's hash: no date, no software
        assert len(data_of(first[name])) == 64
        assert first[name].count(b"tEXt") == 1
        assert all(text not in first[name] for text in (b"tIME", b"iTXt"))


def test_without_plots(make_report, folder):
    settings = ReportersSettings(plots=False)
    plugin.orchestra_report(ReportRequest(make_report("win", 5), folder, settings=settings))
    assert set(written(folder)) == {name for name in ALL if not name.endswith(".png")}
    assert b"pareto.png" not in written(folder)["winners.md"]


def test_dpi_changes_the_pictures(make_report):
    report = make_report("win", 5)
    small = pareto_png.draw(report, ReportersSettings(dpi=72))
    assert small.canvas.get_width_height() == (792, 518)


def test_one_that_fails_does_not_stop_the_others(make_report, folder, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("no room")

    monkeypatch.setattr(pareto_png, "draw", broken)
    (folder.folder / "ab_diff.csv").mkdir(parents=True)  # so that this one cannot be written
    with pytest.raises(OrchestraError) as caught:
        plugin.orchestra_report(ReportRequest(make_report("win", 5), folder))
    error = caught.value
    assert set(error.details["artifacts"]) == {"pareto.png", "ab_diff.csv"}
    assert "pareto.png (ZeroDivisionError: no room)" in str(error)
    assert isinstance(error.__cause__, StorageError)
    assert error.hint
    left = {path.name for path in folder.folder.iterdir() if path.is_file()}
    assert left == ALL - {"pareto.png", "ab_diff.csv"}
