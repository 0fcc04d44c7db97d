#!/usr/bin/env python
"""Multi-task pretraining, with the published command line. ``--help`` lists the flags."""
from mtp.pretrain.engine.stop import STOP

STOP.listen()  # before the seconds that imports take: who is asked to stop meanwhile says "continue me"
from mtp.errors import run_main  # noqa: E402


def main():
    """Import late: ``--help`` and errors in the flags should not wait for more than they need."""
    from mtp.pretrain.cli import main as pretrain
    return pretrain()


if __name__ == '__main__':
    run_main(main)
