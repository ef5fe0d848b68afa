"""The way to the monitor: HTTP, what its answers mean, when it is asked again, and the background thread that does it."""

from .sender import Sender

__all__ = ["Sender"]
