"""Every command, option, key and YAML fragment in the pages is one that exists."""

from __future__ import annotations

import re
import shlex
from contextlib import suppress

import click
import pytest
import yaml

from orchestra_core.cli.group import COMMANDS, cli
from orchestra_core.experiment import Experiment
from orchestra_core.layers import Layers, build_experiment, read_layers

PLACEHOLDERS = {"COMMAND"}
SECTION = re.compile(rf"({'|'.join(Experiment.model_fields)}): \{{.*\}}", re.DOTALL)


def commands(code_blocks):
    for page, code in code_blocks["sh"]:
        yield from ((page, line) for line in code.splitlines() if line.startswith("orchestra "))
    yield from ((page, code) for page, code in code_blocks["inline"] if code.startswith("orchestra "))


def parse(line):
    """Parse a command line to its last word, as the shell and click would, without running it."""
    words = shlex.split(line, comments=True)
    words = words[1 : words.index(">") if ">" in words else None]
    group, context = cli, cli.make_context("orchestra", words)
    while isinstance(group, click.Group):
        rest = [*context._protected_args, *context.args]
        if not rest or rest[0] in PLACEHOLDERS:
            return
        name, group, rest = group.resolve_command(context, rest)
        context = group.make_context(name, rest, parent=context)


def test_commands_exist(code_blocks):
    found = list(commands(code_blocks))
    assert len(found) > 40
    inline = {code for _, code in code_blocks["inline"]}
    wrong = []
    for page, line in found:
        try:
            with suppress(click.exceptions.Exit):  # --help has been shown
                parse(line)
        except click.MissingParameter:  # prose may name a command without its argument
            if line not in inline:
                wrong.append(f"{page}: {line}: incomplete")
        except click.ClickException as error:
            wrong.append(f"{page}: {line}: {error.message}")
    assert wrong == []


@pytest.mark.parametrize("line", ["orchestra rnu", "orchestra run --fast", "orchestra plugins lst"])
def test_a_wrong_command_would_be_found(line):
    with pytest.raises(click.ClickException):
        parse(line)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_reference(command, pages):
    assert f"\n## orchestra {command}\n" in pages["cli.md"]


def test_every_option_is_in_the_reference(pages):
    def walk(command, name):
        yield command, name
        if isinstance(command, click.Group):
            context = click.Context(command)
            for inner in command.list_commands(context):
                yield from walk(command.get_command(context, inner), f"{name} {inner}")

    for command, name in walk(cli, "orchestra"):
        section = re.split(r"\n##+ ", pages["cli.md"].split(f"# {name}\n")[1])[0]
        for parameter in command.params:
            for option in parameter.opts if isinstance(parameter, click.Option) else ():
                assert option in section, f"{name} {option}"


def test_assignments_are_valid(code_blocks):
    lines = [line for _, line in commands(code_blocks) if "--set" in line]
    assert lines
    for line in lines:
        words = shlex.split(line, comments=True)
        given = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
        layers = read_layers(None, {}, given)
        build_experiment(_with_a_space(layers))


def test_yaml_is_a_valid_experiment(code_blocks):
    fragments = [code for _, code in code_blocks["yaml"]]
    fragments += [code for _, code in code_blocks["inline"] if SECTION.fullmatch(code)]
    assert len(fragments) > 6
    for code in fragments:
        values = yaml.safe_load(re.sub(r"\boff\b", '"off"', code))
        build_experiment(_with_a_space(Layers(values)))


def test_keys_named_in_prose_exist(code_blocks, generate):
    known = {key for key, *_ in generate.keys.keys_of(Experiment)}
    sections = {key.partition(".")[0] for key in known if "." in key}
    named = re.compile(rf"(?:{'|'.join(sections)})\.[a-z_.]+")
    wrong = {
        code
        for _, code in code_blocks["inline"]
        if named.fullmatch(code) and not code.endswith((".md", ".py")) and code not in known
    }
    assert {code for code in wrong if not code.startswith("plugins.")} == set()


def _with_a_space(layers):
    return layers.over({"space": {"top_k": [10]}}, "a test")
