"""MTP: multi-task pretraining of remote-sensing foundation models (arXiv 2403.13430), made reproducible."""
import sys

from mtp import bare

__version__ = '0.1.0'

bare.watch((getattr(sys, 'argv', None) or [''])[0])  # an embedded Python has no argv
