"""Shell completion: the scripts, and what they ask for through `_ORCHESTRA_COMPLETE`."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent


@pytest.fixture
def complete(shell, finished):
    """`complete("status ")`: the words offered at the end of a command line."""

    def offered(line: str) -> list[str]:
        words = line.split(" ")
        protocol = {"_ORCHESTRA_COMPLETE": "bash_complete", "COMP_CWORD": str(len(words))}
        done = shell(COMP_WORDS=f"orchestra {line}", ORCHESTRA_HOME=str(finished[0]), **protocol)
        assert done.code == 0
        return [row.partition(",")[2] for row in done.out.splitlines()]

    return offered


@pytest.mark.parametrize(
    ("kind", "part"),
    [("bash", "complete -o nosort -F"), ("zsh", "#compdef orchestra"), ("fish", "complete --no-files")],
)
def test_each_shell_has_a_script(kind, part, orchestra):
    script = orchestra("completion", kind)
    assert script.code == 0
    assert part in script.out
    assert "_ORCHESTRA_COMPLETE" in script.out


@pytest.mark.parametrize("kind", ["bash", "zsh", "fish"])
def test_the_shell_can_read_its_script(kind, orchestra):
    if shutil.which(kind) is None:
        pytest.skip(f"no {kind} here")
    script = orchestra("completion", kind).out
    read = subprocess.run(
        [kind, "-n"], input=script, text=True, capture_output=True, check=False, timeout=30
    )
    assert (read.returncode, read.stderr) == (0, "")


def test_bash_really_completes_a_run(finished):
    script = f"""
export PATH={BIN}:$PATH ORCHESTRA_HOME={finished[0]}
eval "$(orchestra completion bash)"
COMP_WORDS=(orchestra status sec); COMP_CWORD=2
_orchestra_completion orchestra
echo "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == [finished[1]]


def test_another_shell_is_refused(orchestra):
    refused = orchestra("completion", "tcsh")
    assert refused.code == 2
    assert "'bash', 'zsh', 'fish'" in refused.err


def test_commands_and_their_subcommands(complete):
    assert complete("st") == ["status"]
    assert set(complete("config ")) == {"show", "schema", "check"}
    assert "--plugins" in complete("run --pl")


@pytest.mark.parametrize("command", ["status", "events", "report"])
def test_run_ids_and_latest(command, complete, finished):
    assert complete(f"{command} sec") == [finished[1]]
    offered = complete(f"{command} ")
    assert "latest" in offered
    assert finished[1] in offered
    assert len(offered) == 3


def test_run_ids_of_a_home_that_is_named(shell, finished):
    words = ["orchestra", "status", "--home", str(finished[0]), "sec"]
    protocol = {"_ORCHESTRA_COMPLETE": "bash_complete", "COMP_CWORD": "4"}
    done = shell(COMP_WORDS=" ".join(words), **protocol)
    assert done.out == f"plain,{finished[1]}\n"


def test_plugins_one_after_the_other(complete):
    assert complete("run --plugins ") == ["fiqa", "reflection_rules", "reporters"]
    assert complete("run --plugins fiqa,rep") == ["fiqa,reporters"]
