"""What may be sent again, and when: exponential backoff with jitter, and never before `Retry-After`."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from orchestra_core.errors import RequestFailed

if TYPE_CHECKING:
    from tenacity import RetryCallState, Retrying
    from tenacity.wait import wait_base

LONGEST_BACKOFF_S = 60.0
LONGEST_RETRY_AFTER_S = 120.0
"""A target that wants more peace than this has its request fail instead."""
JITTER = 0.25
"""Each wait is longer by up to this share of the first, so that requests do not return together."""
UNTOUCHED = frozenset({"connect", "breaker_open", "http_429"})
"""The target did nothing yet: anything may be sent again."""
PASSING = UNTOUCHED | {"timeout", "disconnected", "truncated", "http_502", "http_503", "http_504"}
"""May be over the next time: for requests that may be repeated."""
REFUSALS = frozenset({"timeout", "http_429", "http_503"})
"""The target has too much to do."""
NO_CONNECTION = frozenset({"connect", "tls", "name"})
"""The target is not there, whoever asks."""
OUTAGES = frozenset({"timeout", "disconnected", "http_502", "http_503", "http_504"})
"""The target does not answer what was asked: one configuration alone may be the cause."""
SAYS_NOTHING = frozenset({"closed", "deadline", "budget"})
"""Not the target's doing."""


class Waits:
    """How often and after how long; one for all requests of a door."""

    def __init__(self, retries: int, backoff_s: float) -> None:
        self._retries, self._backoff_s = retries, backoff_s
        self._backoff: wait_base | None = None

    def retrying(
        self,
        *,
        repeatable: bool,
        before_sleep: Callable[[RetryCallState], None],
        sleep: Callable[[float], None],
        left_s: Callable[[], float],
    ) -> Retrying:
        """A controller for one request. `repeatable`: sending it twice does no harm.

        A wait longer than `left_s()` is not begun; the request has failed then.
        """
        from tenacity import Retrying, retry_if_exception

        def stop(state: RetryCallState) -> bool:
            return bool(state.attempt_number > self._retries or state.upcoming_sleep >= left_s())

        return Retrying(
            retry=retry_if_exception(_REPEATABLE if repeatable else _NOT_REPEATABLE),
            stop=stop,
            wait=self._wait,
            sleep=sleep,
            before_sleep=before_sleep,
            reraise=True,
        )

    def _wait(self, state: RetryCallState) -> float:
        if self._backoff is None:
            from tenacity import wait_exponential, wait_random

            growing = wait_exponential(multiplier=self._backoff_s, max=LONGEST_BACKOFF_S)
            self._backoff = growing + wait_random(0, JITTER * self._backoff_s)
        return max(asked_wait(_error_of(state)), float(self._backoff(state)))


def asked_wait(error: RequestFailed) -> float:
    """Seconds that the target, or the breaker before it, asked for."""
    return float(error.details.get("retry_after_s", 0.0))


def retry_after(value: str, clock: Callable[[], float] = time.time) -> float | None:
    """Seconds of a `Retry-After` header, which holds seconds or an HTTP date; None when unreadable."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (moment - datetime.fromtimestamp(clock(), UTC)).total_seconds())
    except (ValueError, OverflowError, TypeError, IndexError):  # all of these are met in the wild
        return None


def _may_be_sent_again(repeatable: bool, error: BaseException) -> bool:
    if not isinstance(error, RequestFailed) or asked_wait(error) > LONGEST_RETRY_AFTER_S:
        return False
    if error.details.get("final"):
        return False
    return error.reason in (PASSING if repeatable else UNTOUCHED)


_REPEATABLE = partial(_may_be_sent_again, True)
_NOT_REPEATABLE = partial(_may_be_sent_again, False)


def _error_of(state: RetryCallState) -> RequestFailed:
    outcome: Any = state.outcome
    error: RequestFailed = outcome.exception()
    return error
