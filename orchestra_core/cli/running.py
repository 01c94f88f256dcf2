"""Run a command, and turn errors into words and exit codes."""

from __future__ import annotations

import os
from collections.abc import Mapping

import click

from orchestra_core.cli.group import cli
from orchestra_core.errors import OrchestraError, RunCancelled, StorageError


def run_command(words: list[str]) -> int:
    """Run the command of these words; returns the exit code."""
    try:
        result = cli.main(words, prog_name="orchestra", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.ClickException as error:
        show_usage_error(error, as_json="--json" in words)
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return RunCancelled.exit_code
    except OSError as error:
        told = StorageError(f"cannot write the output: {error.strerror or error}")
        show_error(told, as_json="--json" in words)
        return told.exit_code
    except Exception as error:
        show_error(error, as_json="--json" in words, traceback="--debug" in words)
        return error.exit_code if isinstance(error, OrchestraError) else OrchestraError.exit_code


def show_error(error: BaseException, *, as_json: bool = False, traceback: bool = False) -> None:
    """Print what went wrong and what to do, for people on stderr or as JSON on stdout.

    With `traceback`, what `show_traceback` prints stands above that.
    """
    from orchestra_core.errors import describe_error

    show_traceback(error, asked=traceback)
    described = describe_error(error)
    if as_json:
        _print_json_error(described)
        return
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {described['msg']}", err=True)
    hint = described["hint"]
    if not isinstance(error, OrchestraError):
        hint = "This is a bug in Orchestra or in a plugin; --debug before the command shows where."
    if hint:
        click.echo(f"{click.style('Hint:', fg='cyan')} {hint}", err=True)


def show_traceback(error: BaseException, *, asked: bool) -> None:
    """Print where it went wrong on stderr, when --debug or ORCHESTRA_DEBUG=1 asks for it."""
    if asked or os.environ.get("ORCHESTRA_DEBUG", "0") not in {"", "0"}:
        from traceback import format_exception

        click.echo("".join(format_exception(error)), err=True, nl=False)


def show_usage_error(error: click.ClickException, *, as_json: bool = False) -> None:
    """Print what click refuses: usage and message on stderr, or JSON on stdout."""
    if not as_json:
        error.show()
        return
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f"Try '{context.command_path} --help' for help." if context else ""
    _print_json_error({"type": "usage", "msg": error.format_message(), "hint": hint, "details": {}})


def _print_json_error(described: Mapping[str, object]) -> None:
    from orchestra_core.cli.output import print_json, reader_may_leave

    with reader_may_leave():
        print_json({"error": described})
