"""Submissions: write, validate and score them.

``package`` writes what a server takes, ``python -m mtp.submit validate`` says what it would reject, and
``python -m mtp.submit score`` gives the average precision where the truth is known.
"""
from .package import WRITERS, check_ids, check_images, check_out, leaves, package

__all__ = ['WRITERS', 'check_ids', 'check_images', 'check_out', 'leaves', 'package']
