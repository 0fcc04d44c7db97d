"""Thin layers between the core and the toolboxes: one folder an environment; the modules here know no OpenMMLab."""
import os

# Threads of OpenMP that wait for the next loop by spinning take the cores from each other where several processes work.
# Has to be set before torch is imported.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
