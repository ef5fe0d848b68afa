"""Tests of the package. Examples have no limit of time: the machine may be loaded."""

from hypothesis import settings

settings.register_profile("gainwatch", deadline=None)
settings.load_profile("gainwatch")
