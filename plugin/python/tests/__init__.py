"""Tests of the package. Examples of its laws have no limit of time: the machine may be loaded."""

import contextlib

with contextlib.suppress(ImportError):  # those that have laws say so themselves
    from hypothesis import settings

    settings.register_profile("gainwatch", deadline=None)
    settings.load_profile("gainwatch")
