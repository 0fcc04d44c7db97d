#!/usr/bin/env python
"""Test: ``tools/test.py configs/mtp/<dataset>/<name>.py CHECKPOINT …``, in whichever environment runs it."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from mtp.adapters import environment  # noqa: E402
from mtp.errors import run_main  # noqa: E402

if __name__ == '__main__':
    run_main(lambda: environment.run('test'))
