"""The version, that of the npm package."""

__version__ = "0.1.0"
