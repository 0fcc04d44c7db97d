"""Checkpoints that can be trusted: safe loading, filling a backbone, and the way from one layout to another."""
from mtp.checkpoints.backbone import LoadReport, load_backbone
from mtp.checkpoints.files import Checkpoint, load
from mtp.checkpoints.layouts import convert

__all__ = ['Checkpoint', 'LoadReport', 'convert', 'load', 'load_backbone']
