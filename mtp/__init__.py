"""MTP: multi-task pretraining of remote-sensing foundation models (arXiv 2403.13430), made reproducible."""

__version__ = '0.1.0'
