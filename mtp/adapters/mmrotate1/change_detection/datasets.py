"""Pairs of images with a mask of what has changed: CDD (SVCD), LEVIR-CD, OSCD, WHU."""
import os
from typing import Any, Dict, List, Tuple

from mmseg.datasets import BaseSegDataset

from mtp.adapters.mmrotate1.change_detection.registry import DATASETS
from mtp.data import catalogue, images
from mtp.errors import MTPError


def _meta(name: str) -> Dict[str, Any]:
    entry = catalogue.get(name)
    return dict(classes=entry.classes, palette=[list(colour) for colour in entry.palette])


@DATASETS.register_module()
class ChangeDataset(BaseSegDataset):
    """Images of the same name in two folders, and a mask of that name in a third.

    Args:
        img_suffix, seg_map_suffix: ends of the names of images and masks; an empty one takes every file.
        format_seg_map: 'to_binary' makes 1 of mask values from 128 on and 0 of the others; None takes them as they are.
        data_prefix: ``img_path_from``, ``img_path_to``, ``seg_map_path`` below ``data_root``.
        kwargs: those of mmseg's ``BaseSegDataset``.
    """

    def __init__(self, img_suffix: str = '.png', seg_map_suffix: str = '.png', format_seg_map: str = 'to_binary',
                 **kwargs: Any) -> None:
        self.format_seg_map = format_seg_map
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)

    def load_data_list(self) -> List[Dict[str, Any]]:
        """One entry for each pair, sorted by the path of the first image.

        Raises:
            MTPError: a folder is missing, or an image has no partner.
        """
        before, after = (self.data_prefix[key] for key in ('img_path_from', 'img_path_to'))
        pairs = self._listed() if self.ann_file and os.path.isfile(self.ann_file) else self._paired(before, after)
        return [self._entry((before, after), pair) for pair in pairs]

    def _listed(self) -> List[Tuple[str, str]]:
        with open(self.ann_file, encoding='utf-8') as stream:
            return [(line.strip(),) * 2 for line in stream if line.strip()]

    def _paired(self, before: str, after: str) -> List[Tuple[str, str]]:
        first, second = (_names(folder, self.img_suffix) for folder in (before, after))
        alone = sorted(set(first) ^ set(second))
        if alone:
            raise MTPError('{} of the images in {} and {} have no partner of the same name: {}'.format(
                len(alone), before, after, ', '.join(name + self.img_suffix for name in alone[:3])),
                hint='python3 -m mtp.data describe levir')
        return sorted(((name, second[form]) for form, name in first.items()),
                      key=lambda pair: os.path.join(before, pair[0] + self.img_suffix))

    def _entry(self, folders: Tuple[str, str], pair: Tuple[str, str]) -> Dict[str, Any]:
        entry = dict(img_path=[os.path.join(folder, name + self.img_suffix) for folder, name in zip(folders, pair)],
                     label_map=self.label_map, format_seg_map=self.format_seg_map,
                     reduce_zero_label=self.reduce_zero_label, seg_fields=[])
        if self.data_prefix.get('seg_map_path'):
            entry['seg_map_path'] = os.path.join(self.data_prefix['seg_map_path'], pair[0] + self.seg_map_suffix)
        return entry


def _names(folder: str, suffix: str) -> Dict[str, str]:
    """Names below ``folder``, sub-folders included, without ``suffix``, by their :func:`~mtp.data.images.one_form`.

    Hidden files are no images.

    Raises:
        MTPError: there is no such folder, or two names differ in their form alone.
    """
    if not os.path.isdir(folder):
        raise MTPError(f'there is no folder of images {folder}', hint='MTP_DATA_ROOT names the folder with the '
                                                                              'data')
    there = (os.path.relpath(os.path.join(place, name), folder) for place, _, names in os.walk(folder, followlinks=True)
             for name in names if name.endswith(suffix) and not name.startswith('.'))
    found: Dict[str, str] = {}
    for name in (name[:len(name) - len(suffix)] for name in there):
        other = found.setdefault(images.one_form(name), name)
        if other != name:
            raise MTPError('{} and {} differ in the form of their letters alone'.format(
                *(os.path.join(folder, each + suffix) for each in (other, name))), hint='keep one of them')
    return found


@DATASETS.register_module()
class SVCD_Dataset(ChangeDataset):  # noqa: N801 (published name)
    """CDD, also called SVCD: images and masks are JPEG."""
    METAINFO = _meta('cdd')

    def __init__(self, img_suffix: str = '.jpg', seg_map_suffix: str = '.jpg', **kwargs: Any) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)


@DATASETS.register_module()
class LEVIR_CD_Dataset(ChangeDataset):  # noqa: N801 (published name)
    """LEVIR-CD."""
    METAINFO = _meta('levir')


@DATASETS.register_module()
class OSCD_RGB_CD_Dataset(ChangeDataset):  # noqa: N801 (published name)
    """OSCD in its three visible bands, as patches."""
    METAINFO = _meta('oscd')


@DATASETS.register_module()
class WHU_CD_Dataset(ChangeDataset):  # noqa: N801 (published name)
    """WHU buildings: whatever the files are called, image and mask have one name."""
    METAINFO = _meta('whu')

    def __init__(self, img_suffix: str = '', seg_map_suffix: str = '', **kwargs: Any) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)
