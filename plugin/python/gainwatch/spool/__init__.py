"""What waits to be acknowledged by the monitor: in memory, then on disk."""

from .spool import Spool

__all__ = ["Spool"]
