#!/usr/bin/env python
"""Take a pretraining decoder over to fine-tuning: ``python scripts/change_ckpt.py``; ``--help`` lists the options."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))

from mtp.checkpoints.change import main  # noqa: E402
from mtp.errors import run_main  # noqa: E402

if __name__ == '__main__':
    run_main(main)
