"""Detections in any big image: ``python -m mtp.predict IMAGE… --config … --checkpoint …``."""
