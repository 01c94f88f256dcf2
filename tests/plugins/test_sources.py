"""A module without a distribution has its source as its version, and a resumed run goes by it."""

import sys

import pytest

from orchestra_core.plugins.manager import open_host
from orchestra_core.plugins.selection import parse_selection

MODULE = """
from orchestra_core import Decision, hookimpl

@hookimpl
def orchestra_reflect(evidence):
    return None
"""


@pytest.fixture
def version(tmp_path, monkeypatch):
    """The version of a module plugin as it is loaded anew."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def load(name):
        for loaded in [m for m in sys.modules if m.partition(".")[0] == name.partition(".")[0]]:
            del sys.modules[loaded]
        host = open_host(parse_selection([name]), discover=False)
        (record,) = [r for r in host.records() if r.name == name]
        return record.version

    return load


def test_a_modules_version_is_its_source(tmp_path, version):
    path = tmp_path / "my_source_plugin.py"
    path.write_text(MODULE)
    first = version("my_source_plugin")
    assert first.startswith("sha256:")
    assert version("my_source_plugin") == first
    path.write_text(MODULE + "CHANGED = True\n")
    assert version("my_source_plugin") != first


def test_a_module_in_a_package_has_the_whole_packages(tmp_path, version):
    folder = tmp_path / "my_source_package" / "inner"
    folder.mkdir(parents=True)
    for place in (folder.parent, folder):
        (place / "__init__.py").touch()
    (folder / "plugin.py").write_text(MODULE)
    (folder.parent / "helper.py").write_text("SIZE = 1\n")
    first = version("my_source_package.inner.plugin")
    (folder.parent / "helper.py").write_text("SIZE = 2\n")
    assert version("my_source_package.inner.plugin") != first
