"""What every kind of prediction is asked for, checked before any work."""
import argparse
import contextlib
import functools
import hashlib
import json
import os
from typing import Any, ContextManager, Dict, List, Optional

from mtp import paths
from mtp.adapters import inference, submission
from mtp.report import draw
from mtp.tiles import masked
from mtp.tiles.rasters import Colours

from . import geopackage, inputs
from .team import Team

PACKAGE = 'predictions.gpkg'
Config = Any  # of the toolbox: each has a class of its own
Network = Any  # of the adapter, with ``classes``


class Prediction:
    """One prediction: ``compute`` is done by every process, ``write`` by the first.

    Args:
        network: of the adapter, with ``classes``.
        options: of the command line.
        team: :class:`~mtp.predict.team.Team`.
        colours: :class:`~mtp.tiles.rasters.Colours`.

    Attributes:
        names: paths, relative to the output folder, of what is written there for people.
        files: that are read.

        classes: name of each class -> its colour.
        mark: fingerprint of what is computed; windows of another one are not mixed in.
        facts: what else decides what is written, beside that.
    """

    mark: str
    names: List[str]
    files: List[str]
    facts: Dict[str, Any] = {}

    def __init__(self, network: Network, options: argparse.Namespace, team: Team, colours: Colours) -> None:
        self.network, self.options, self.team, self.colours = network, options, team, colours
        self.out = paths.resolve(options.out)
        self.classes = dict(zip(network.classes, draw.palette_of(network.classes)))
        opener = functools.partial(masked.open_masked, colours=colours)
        self.settings = inference.Settings(team.rank, team.world, options.batch_size, options.workers, opener)

    @property
    def where(self) -> Dict[str, str]:
        """Id of each image -> the file to show."""
        raise NotImplementedError

    def compute(self) -> None:
        """This process's share of the windows."""
        raise NotImplementedError

    def write(self) -> None:
        """Everything for people."""
        raise NotImplementedError

    @property
    def shards(self) -> str:
        """Folder of what is found in each window, or in each row of them."""
        return os.path.join(self.out, 'shards')

    @property
    def result(self) -> str:
        """Fingerprint of what is written for people: ``mark`` and ``facts``."""
        return hashlib.sha256(json.dumps([self.mark, self.facts], sort_keys=True).encode()).hexdigest()[:16]

    def package(self) -> ContextManager[Optional[geopackage.GeoPackage]]:
        """Context of the GeoPackage of all images; of None where it is not asked for."""
        if 'gpkg' not in self.options.formats:
            return contextlib.nullcontext()
        return geopackage.GeoPackage(os.path.join(self.out, PACKAGE), inputs.stamp(self.files))

    def fingerprint(self, cfg: Config, checkpoint: str, **facts: object) -> str:
        """Text that differs when results must not be mixed; ``facts`` are those that only this kind has."""
        return submission.fingerprint(
            dict(facts, model=cfg.model.to_dict(), amp=self.options.amp, colours=self.colours,
                 images=inputs.state(self.files)), checkpoint)


class OfImages(Prediction):
    """A prediction of single images."""

    def __init__(self, network: Network, options: argparse.Namespace, team: Team, colours: Colours) -> None:
        super().__init__(network, options, team, colours)
        self.images = inputs.find_images(options.images)
        self.files = list(self.images.values())

    @property
    def where(self) -> Dict[str, str]:
        """Id of each image -> its file."""
        return self.images
