"""What waits to be acknowledged by the monitor: in memory, then on disk."""

from .disk import sweep
from .spool import Spool

__all__ = ["Spool", "sweep"]
