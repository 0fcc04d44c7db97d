"""Results one can walk through: ``python -m mtp.browse RUN`` makes a page of a run that opens from disk.

:mod:`runs` finds what a folder holds, :mod:`verdicts` says what is right and what a mistake, :mod:`pyramid` and
:mod:`masks` cut tiles, :mod:`site` writes the data, and ``app`` holds what runs in the browser.
"""
