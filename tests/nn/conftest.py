"""The golden files' helpers are importable in this folder."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), os.pardir, 'golden'))
