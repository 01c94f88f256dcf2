"""`orchestra plugins`: which are installed, what they do, and why one failed."""

ROW = {"commands", "name", "version", "status", "distribution", "module", "hooks", "builtin", "error"}


def by_name(result):
    return {row["name"]: row for row in result.json}


def test_list_json(orchestra):
    rows = by_name(orchestra("plugins", "list", "--json"))
    assert all(set(row) == ROW for row in rows.values())
    assert rows["fiqa"]["distribution"] == "orchestra-fiqa-runner"
    assert rows["fiqa"]["status"] == "loaded"
    assert rows["reporters"]["hooks"] == [
        "orchestra_load_report",
        "orchestra_report",
        "orchestra_settings",
    ]
    assert [name for name, row in rows.items() if not row["builtin"]] == [
        "fiqa", "reflection_rules", "reporters"
    ]  # fmt: skip
    assert rows["core.planner"]["builtin"] is True


def test_list_for_people(orchestra):
    told = orchestra("plugins", "list").out
    row = next(line for line in told.splitlines() if "orchestra-fiqa-runner" in line)
    assert row.split()[:3] == ["fiqa", "0.1.0", "loaded"]
    assert "describe_runner" in row


def test_a_module_can_be_looked_at(orchestra):
    rows = by_name(orchestra("plugins", "list", "--json", "--plugins", "stub_target"))
    assert rows["stub_target"]["module"] == "stub_target"
    assert "orchestra_runner" in rows["stub_target"]["hooks"]


def test_one_that_is_switched_off_says_so(orchestra):
    rows = by_name(orchestra("plugins", "list", "--json", "--plugins", "no:reporters"))
    assert rows["reporters"]["status"] == "off"
    assert rows["reporters"]["hooks"] == []


def test_one_that_failed_says_why(orchestra, write_plugin):
    write_plugin("boom", "raise OSError('boom')\n", name="boom")
    row = by_name(orchestra("plugins", "list", "--json"))["boom"]
    assert row["status"] == "failed"
    assert "plugin 'boom' (boom 1.5) could not be loaded: OSError: boom" in row["error"]["msg"]
    told = orchestra("plugins", "list")
    assert told.code == 0
    assert "OSError: boom\n  Hint: Repair or reinstall it" in told.out


def test_one_made_for_another_core_is_not_loaded(orchestra, write_plugin):
    place = write_plugin("newer", "", name="newer")
    metadata = place / "newer-1.5.dist-info" / "METADATA"
    metadata.write_text(
        metadata.read_text(encoding="utf-8") + "Requires-Dist: orchestra-core>=9\n", encoding="utf-8"
    )
    row = by_name(orchestra("plugins", "list", "--json"))["newer"]
    assert row["status"] == "failed"
    assert "it needs orchestra-core >=9, but" in row["error"]["msg"]
    assert "pip install -U newer orchestra-core" in row["error"]["hint"]


def test_show_a_runner(orchestra):
    shown = orchestra("plugins", "show", "fiqa", "--json").json
    assert set(shown) == ROW | {"settings", "runner"}
    assert "candidates" in shown["settings"]["properties"]
    assert {"top_k", "alpha", "mmr"} <= {p["name"] for p in shown["runner"]["parameters"]}
    told = orchestra("plugins", "show", "fiqa").out
    assert told.startswith("fiqa 0.1.0 · loaded\norchestra-fiqa-runner, module orchestra_fiqa_runner")
    assert "plugins.fiqa" in told
    assert "Backends: embedded" in told


def test_show_another(orchestra):
    shown = orchestra("plugins", "show", "core.planner", "--json").json
    assert shown["settings"] is None
    assert "runner" not in shown
    assert "orchestra_plan" in orchestra("plugins", "show", "core.planner").out


def test_show_one_that_failed(orchestra, write_plugin):
    write_plugin("boom", "raise OSError('boom')\n", name="boom")
    told = orchestra("plugins", "show", "boom")
    assert told.code == 0
    assert "boom 1.5 · failed" in told.out
    assert "OSError: boom" in told.out
