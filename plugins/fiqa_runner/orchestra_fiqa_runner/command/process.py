"""Run one program in a process group of its own, with a limited environment and a deadline."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from orchestra_core.errors import ExperimentError, RunnerTimeout, TargetError
from orchestra_fiqa_runner.command.groups import GRACE_S, end_groups
from orchestra_fiqa_runner.command.watcher import Watcher

TAIL = 2_000
"""Bytes of a program's complaint that a message repeats, at most."""
HIDDEN = "***"
OUT, ERR = "stdout.log", "stderr.log"


class Processes:
    """Every program that runs for one run; `close` ends those that are left."""

    def __init__(self, secrets: Callable[[], Collection[str]] = tuple) -> None:
        """`secrets`: what is hidden in what a program complains of."""
        self._secrets = secrets
        self._watcher = Watcher()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def run(
        self, words: Sequence[str], environ: Mapping[str, str], folder: Path, timeout_s: float
    ) -> None:
        """Run a program to its end, its output in `folder`. No shell has a part in it.

        Raises ExperimentError when it cannot be started, RunnerTimeout when its time is over (then
        its whole process group is ended), TargetError when it fails.
        """
        with (folder / OUT).open("wb") as out, (folder / ERR).open("wb") as err:
            process = self._start(words, environ, out.fileno(), err.fileno())
        try:
            in_time = _ends_within(process, timeout_s)
        finally:
            _end([process])  # what it left running in the background too
            self._forget(process)
            for name in (OUT, ERR):
                hide(folder / name, self._secrets())
        if not in_time:
            raise RunnerTimeout(
                f"{words[0]} did not end within {timeout_s:g} s, so its process group was ended",
                hint=f"Raise runner.runner_timeout_s, or look at {ERR} in the job's folder."
                f"{self._complaint(folder)}",
                details={"folder": folder.name},
            )
        if self._closed:
            raise TargetError(f"{words[0]} was ended, because the runner is closed")
        if code := process.wait():
            ended = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise TargetError(
                f"{words[0]} failed with {ended}",
                hint=f"Look at {OUT} and {ERR} in the job's folder.{self._complaint(folder)}",
                details={"folder": folder.name, "code": code},
            )

    def close(self) -> None:
        """End whatever still runs, and start nothing more."""
        with self._lock:
            self._closed = True
            left = tuple(self._running)
        try:
            _end(left)
            for process in left:
                self._forget(process)
        finally:
            with self._lock:
                self._watcher.close()

    def _forget(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._running.discard(process)
            self._watcher.end(process.pid)

    def _start(
        self, words: Sequence[str], environ: Mapping[str, str], out: int, err: int
    ) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._closed:
                raise TargetError("the runner is closed")
            try:
                self._watcher.open()
                process = subprocess.Popen(  # noqa: S603 - the user's own program, without a shell
                    list(words),
                    env=dict(environ),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                raise ExperimentError(
                    f"cannot start {words[0]}: {getattr(error, 'strerror', None) or error}",
                    where="runner.runner_cmd",
                    hint="Give program and arguments as a list; a script must be executable, or be "
                    "named after its interpreter, such as [python3, my_script.py].",
                ) from error
            self._watcher.begin(process.pid)
            self._running.add(process)
            return process

    def _complaint(self, folder: Path) -> str:
        """The end of what the program wrote to its standard error, without secrets."""
        secrets = sorted(self._secrets(), key=len, reverse=True)
        # A secret that begins before the tail is read whole; one that begins before that is cut off.
        longest = max((len(secret.encode()) for secret in secrets), default=0)
        with (folder / ERR).open("rb") as stream:
            begins = max(0, (folder / ERR).stat().st_size - TAIL - longest)
            stream.seek(begins)
            text = stream.read().decode(errors="replace")
        for secret in secrets:
            text = text.replace(secret, HIDDEN)
        text = " ".join((text[longest:] if begins else text)[-TAIL:].split())
        return f" It said: {text}" if text else ""


def hide(path: Path, secrets: Collection[str]) -> None:
    """Take secrets out of a program's output; a file without any is left as it is."""
    known = [secret.encode() for secret in sorted(secrets, key=len, reverse=True)]
    if not known or not path.is_file():
        return
    changed, clean = False, path.with_name(f"{path.name}.clean")
    with path.open("rb") as stream, clean.open("wb") as out:
        for line in stream:
            shown = line
            for secret in known:
                shown = shown.replace(secret, HIDDEN.encode())
            changed = changed or shown != line
            out.write(shown)
    if changed:
        clean.replace(path)
    else:
        clean.unlink()


def _ends_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait without burying the dead: until then nobody else can be called by the group's number."""
    deadline, pause = time.monotonic() + seconds, 0.001
    while not _has_ended(process):
        if time.monotonic() >= deadline:
            return False
        time.sleep(min(pause, max(0.0, deadline - time.monotonic())))
        pause = min(2 * pause, 0.02)
    return True


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
    except ChildProcessError:  # `close` was quicker, and buried it
        return True


def _end(processes: Collection[subprocess.Popen[bytes]]) -> None:
    """End and bury them, with everything in their groups; each is a leader, and names its group."""
    left = [process for process in processes if process.returncode is None]
    end_groups([process.pid for process in left], lambda: [process.poll() for process in left])
    for process in left:
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
