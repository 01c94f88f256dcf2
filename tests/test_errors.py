"""Messages are for terminals: what a target or a file says cannot steer them."""

import pytest

from orchestra_core.errors import TargetError, describe_error, plain

HOSTILE = "gone\x1b]0;owned\x07 \x9b31m\r\x00"


@pytest.mark.parametrize("error", [TargetError(HOSTILE, where=HOSTILE, hint=HOSTILE), OSError(HOSTILE)])
def test_no_control_characters_are_left(error):
    told = describe_error(error)
    for text in (told["msg"], told["hint"]):
        assert not set(text) & set("\x1b\x07\x9b\r\x00")
    assert "gone" in told["msg"]


def test_text_stays_as_it_is():
    assert plain("größer\n\tals „das“ 文") == "größer\n\tals „das“ 文"
