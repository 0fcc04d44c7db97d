"""What a toolbox writes beside a run holds paths in their short form, so that the run may be moved or go on
elsewhere.
"""
import logging

from mtp import paths


class Portable:
    """Before a toolbox's ``Config`` among the bases: its text, which is dumped, logged and kept in every checkpoint."""

    @property
    def pretty_text(self):
        """As the toolbox formats it, with short paths."""
        return paths.short(super().pretty_text)


class _Lines(logging.Formatter):
    """Lines of another formatter with short paths."""

    def __init__(self, formatter):
        super().__init__()
        self._formatter = formatter

    def format(self, record):
        return paths.short(self._formatter.format(record))


def log_files(logger):
    """Give what ``logger`` writes to files short paths; on the console paths stay what a user can open. Returns it."""
    for handler in logger.handlers:
        if isinstance(handler, logging.FileHandler) and not isinstance(handler.formatter, _Lines):
            handler.setFormatter(_Lines(handler.formatter or logging.Formatter()))
    return logger
