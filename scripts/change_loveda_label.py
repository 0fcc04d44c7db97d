#!/usr/bin/env python
"""LoveDA predictions minus one: ``python scripts/change_loveda_label.py``; ``--help`` lists the options."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))

from mtp.data.loveda import main  # noqa: E402
from mtp.errors import run_main  # noqa: E402

if __name__ == '__main__':
    run_main(main)
