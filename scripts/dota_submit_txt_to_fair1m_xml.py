#!/usr/bin/env python
"""DOTA result texts to a FAIR1M-2.0 submission: ``python scripts/dota_submit_txt_to_fair1m_xml.py --txt_dir DIR``."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))

from mtp.errors import run_main  # noqa: E402
from mtp.submit.fair1m_texts import main  # noqa: E402

if __name__ == '__main__':
    run_main(main)
