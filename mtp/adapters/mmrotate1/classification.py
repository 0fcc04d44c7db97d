"""Scene classification for MMPretrain 1: EuroSAT and RESISC-45, whose labels do not depend on a listing."""
import os
from typing import Any, Dict, List, Tuple

from mmpretrain.datasets import CustomDataset
from mmpretrain.registry import DATASETS

from mtp import numbers
from mtp.data import catalogue, images, scenes, text
from mtp.data.converting import natural
from mtp.errors import MTPError


class _Scenes(CustomDataset):
    """The toolbox numbers folders as they are listed: one more of them, hidden or not, moves every label behind it."""

    def _find_samples(self) -> List[Tuple[str, int]]:
        """(path below the prefix, label) of every image in the folders of the classes, by class and name."""
        samples = []
        for label, (kind, folder) in enumerate(scenes.class_folders(self.img_prefix, self.CLASSES).items()):
            names = sorted(filter(images.is_image, os.listdir(folder)), key=natural)
            if not names:
                raise MTPError(f'{folder} holds no image of the class {kind}')
            samples += [(os.path.join(os.path.basename(folder), name), label) for name in names]
        return samples

    def load_data_list(self) -> List[Dict[str, Any]]:
        """As the toolbox's; a line of a list that is no image and class is named."""
        if self.ann_file:
            for number, line in enumerate(text.read_lines(self.ann_file), 1):
                label = line.strip().rpartition(' ')[2]
                if line.strip() and not (numbers.digits(label) and int(label) < len(self.CLASSES)):
                    raise MTPError('{}: line {}: {!r} does not end with a class from 0 to {}'.format(
                        self.ann_file, number, line[:60], len(self.CLASSES) - 1))
        return super().load_data_list()


@DATASETS.register_module(force=True)
class EuroSATDataset(_Scenes):
    """EuroSAT: one folder a class."""

    METAINFO = dict(classes=catalogue.get('eurosat').classes)


@DATASETS.register_module(force=True)
class RESISC45Dataset(_Scenes):
    """RESISC-45: one folder of images, and lists of file and class."""

    METAINFO = dict(classes=catalogue.get('resisc45').classes)
