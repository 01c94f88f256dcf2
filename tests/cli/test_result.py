"""How an undecided verdict is told: what more would take, in all and beyond what is there."""

STUB = ("--plugins", "stub_target", "--plugins", "no:reporters")


def test_what_would_settle_it_is_told_in_all_and_in_more(orchestra):
    words = ("run", *STUB, "--set", "space.quality=[0.34]")
    verdict = orchestra(*words, "--json").json["verdict"]
    result = orchestra(*words)
    assert result.code == 4
    needed, had = verdict["queries_needed"], verdict["queries"]
    assert f"About {needed:,} queries in all, {needed - had:,} more, would settle it." in result.out
    assert f"{had:,} queries show a true difference of {verdict['detectable']:.4f} in 4" in result.out


def test_an_open_margin_is_told_as_such_wherever_the_run_is_told(orchestra):
    """Quality is clear: what is told of more queries is of the margin, in its own unit."""
    told = ("--set", "space.delay=[100]", "--set", "stages.ab.margin={p95_ms: 103}")
    run = orchestra("run", *STUB, *told, "--run-id", "open", "--json").json
    verdict = run["verdict"]
    assert (verdict["undecided"], verdict["looks"]) == ("p95_ms", 2)
    needed, had = verdict["queries_needed"], verdict["queries"]
    smallest = f"{verdict['detectable']:.3f} ms"
    sentences = (
        f"About {needed:,} queries in all, {needed - had:,} more, would settle p95_ms.",
        f"{had:,} queries show a p95_ms that is in truth {smallest} off its margin in 4 of 5 runs.",
    )
    shown = orchestra("status", "open").out
    assert all(sentence in shown for sentence in sentences)
    assert "true difference of" not in shown
