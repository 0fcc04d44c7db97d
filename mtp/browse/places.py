"""What is known of a folder of results beside what lies in it: from the command line, its passport, the catalogue."""
import os
import re
from typing import Any, Dict, NamedTuple, Optional, Tuple

from mtp import ownership, paths
from mtp.data import catalogue
from mtp.errors import MTPError
from mtp.launch import passports
from mtp.report import draw
from mtp.submit.score import Found

from . import truths
from .collection import Boxes, Collection


class Named(NamedTuple):
    """What the command line says; None where it says nothing.

    Attributes:
        images: folder of the original images.
        truth: folder of label files, or a COCO file.
        dataset: name in the catalogue.
    """
    images: Optional[str] = None
    truth: Optional[str] = None
    dataset: Optional[str] = None


class Run(NamedTuple):
    """The test that has written a folder, as far as its passport is there: its config, and where its data lay."""
    config: Dict[str, Any]
    data: str

    @property
    def evaluator(self) -> Dict[str, Any]:
        found = self.config.get('test_evaluator')
        return found if isinstance(found, dict) else {}

    @property
    def name(self) -> str:
        """What a training on data of one's own is called; '' of others."""
        loader = self.config.get('test_dataloader')
        dataset = loader.get('dataset') if isinstance(loader, dict) else None
        root = dataset.get('data_root') if isinstance(dataset, dict) else None
        if not isinstance(root, str) or root.startswith('data/'):
            return ''
        return os.path.basename(os.path.dirname(os.path.abspath(self.below(root))))

    @property
    def dataset(self) -> Optional[str]:
        name = self.config.get('submission') or self.evaluator.get('dataset')
        return name if name in catalogue.names() else None

    @property
    def images(self) -> Optional[str]:
        """Folder of the original images."""
        said = self.config.get('submission_images') or self.evaluator.get('images')
        return self.below(said) if isinstance(said, str) else None

    def below(self, said: str) -> str:
        """A path of the config, below the data root of today or that of the test."""
        head, _, tail = said.partition('/')
        then = os.path.join(self.data, tail) if head == 'data' else said
        return next((path for path in (paths.resolve(said), then) if os.path.exists(path)), paths.resolve(said))


def run_of(place: str) -> Run:
    """:class:`Run` from the passport in a folder or the one above."""
    for folder in (place, os.path.dirname(os.path.abspath(place))):
        path = os.path.join(folder, 'passport-test.json')
        if os.path.isfile(path):
            said = passports.read(path)
            config, roots = (said[key] if isinstance(said[key], dict) else {} for key in ('config', 'roots'))
            return Run(config, os.path.normpath(os.path.join(folder, str(roots.get('data', 'data')))))
    return Run({}, 'data')


def _dataset(place: str, named: Named, run: Run) -> Optional[str]:
    """Name in the catalogue of what was tested: as said, as the passport has it, else by a folder's name."""
    if named.dataset or run.dataset:
        return named.dataset or run.dataset
    parts = reversed(re.split(r'[/_]', os.path.abspath(place)))
    return next((part for part in parts if part in catalogue.names()), None)


def require_dataset(place: str, named: Named, run: Run) -> str:
    found = _dataset(place, named, run)
    if not found:
        raise MTPError(f'{place}: nothing says of which data set these results are',
                       hint="ARGS='--dataset NAME': " + ', '.join(catalogue.names()))
    return found


def images_of(place: str, named: Named, run: Run, dataset: Optional[str], uncut: bool = True) -> str:
    """Folder of the images: the original ones, or those that the test has read."""
    folder = named.images or run.images
    if not folder and dataset:
        known = catalogue.get(dataset)
        split = uncut and known.source.get('test') or known.splits.get('test') or known.splits.get('val')
        folder = split and run.below('data/' + split.images)
    if not folder or not os.path.isdir(folder):
        raise MTPError('the images of {} are not there{}'.format(place, f': no folder {folder}' * bool(folder)),
                       hint="ARGS='--images FOLDER' with the folder of the original images")
    return folder


def boxed(title: str, place: str, images: Dict[str, str], results: Tuple[Tuple[str, ...], Found], named: Named,
          dataset: Optional[str], folder: Optional[str], mode: str) -> Collection:
    """A :class:`Collection` of detections; ``results`` as :mod:`detections` reads them, ``folder`` of the images."""
    classes, found = results
    truth, known = truths.none(images)
    labels = named.truth or folder and truths.beside(folder, dataset)
    if labels:
        truth, known = truths.read(labels, dataset, images, classes)
    palette = catalogue.get(dataset).palette if dataset and catalogue.get(dataset).classes == tuple(classes) else None
    return Collection(title, place, images, classes, palette or draw.palette_of(classes),
                      boxes=Boxes(found, truth, known, mode))


def mark_of(place: str) -> Dict[str, Any]:
    """The mark in a folder; empty where there is none, or a damaged one."""
    try:
        return ownership.read(place)
    except MTPError:
        return {}
