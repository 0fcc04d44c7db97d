"""Pickles of strangers, read as data: nothing in them is imported, called or changed."""
from mtp.pickled.machine import Maker, Pending, Steps
from mtp.pickled.measure import measure
from mtp.pickled.program import Damaged, Refused

__all__ = ['Damaged', 'Maker', 'Pending', 'Refused', 'Steps', 'measure']
