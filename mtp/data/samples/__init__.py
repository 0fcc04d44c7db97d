"""Tiny sample sets: made-up images in the formats of the real data sets, with exact truth. For tests, demo and CI.

``python -m mtp.data.samples samrs|dota|fair1m|all --out DIR`` writes below ``DIR`` what the publishers' archives would
unpack there. The images are small (SAMRS 512 pixels, where the real ones have 1024 or 800) and show five classes each.
"""
