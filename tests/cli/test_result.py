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
