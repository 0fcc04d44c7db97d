"""What a toolbox writes beside a run holds paths in their short form, so that the run may be moved or go on
elsewhere.
"""
import logging

from mtp import paths


class Portable:
    """Before a toolbox's ``Config`` among the bases: its text, which is dumped, logged and kept in every checkpoint."""

    @property
    def pretty_text(self) -> str:
        """As the toolbox formats it, with short paths."""
        return paths.short(super().pretty_text)  # type: ignore[misc]  # the toolbox's class stands behind this one


class _Lines(logging.Formatter):
    """Lines of another formatter with short paths."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        return paths.short(self._formatter.format(record))


def log_files(logger: logging.Logger) -> logging.Logger:
    """Give what ``logger`` writes to files short paths; on the console paths stay what a user can open. Returns it."""
    for handler in logger.handlers:
        if isinstance(handler, logging.FileHandler) and not isinstance(handler.formatter, _Lines):
            handler.setFormatter(_Lines(handler.formatter or logging.Formatter()))
    return logger
