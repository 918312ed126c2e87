"""Fixtures that several files of tests share."""

import signal

import pytest

_SECONDS = 60


@pytest.fixture
def bounded():
    """A hang ends the test with an error."""

    def stop(number, frame):
        raise TimeoutError(f"not done after {_SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
