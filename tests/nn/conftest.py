"""The golden files' helpers and the plain networks of the benchmark are importable in this folder."""
import os
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir)
sys.path[:0] = [os.path.join(ROOT, 'tests', 'golden'), os.path.join(ROOT, 'ci', 'bench')]
