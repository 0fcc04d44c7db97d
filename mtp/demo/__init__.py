"""``make demo``: the whole job on a small input, through the same entry points, configs and data formats as the real
one.

The driver runs on the host (standard library only, Python >= 3.6) and starts each stage in the chosen runtime.
"""
