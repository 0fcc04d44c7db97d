"""Pairs of images with a mask of what has changed: CDD (SVCD), LEVIR-CD, OSCD, WHU."""
import os
from typing import Any, Dict, List

from mmseg.datasets import BaseSegDataset

from mtp.adapters.mmrotate1.change_detection.registry import DATASETS
from mtp.data import catalogue
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
        names = self._listed() if self.ann_file and os.path.isfile(self.ann_file) else self._paired(before, after)
        return [self._entry(before, after, name) for name in names]

    def _listed(self) -> List[str]:
        with open(self.ann_file, encoding='utf-8') as stream:
            return [line.strip() for line in stream if line.strip()]

    def _paired(self, before: str, after: str) -> List[str]:
        first, second = (_names(folder, self.img_suffix) for folder in (before, after))
        alone = sorted(first ^ second)
        if alone:
            raise MTPError('{} of the images in {} and {} have no partner of the same name: {}'.format(
                len(alone), before, after, ', '.join(name + self.img_suffix for name in alone[:3])),
                hint='python3 -m mtp.data describe levir')
        return sorted(first, key=lambda name: os.path.join(before, name + self.img_suffix))

    def _entry(self, before: str, after: str, name: str) -> Dict[str, Any]:
        entry = dict(img_path=[os.path.join(folder, name + self.img_suffix) for folder in (before, after)],
                     label_map=self.label_map, format_seg_map=self.format_seg_map,
                     reduce_zero_label=self.reduce_zero_label, seg_fields=[])
        if self.data_prefix.get('seg_map_path'):
            entry['seg_map_path'] = os.path.join(self.data_prefix['seg_map_path'], name + self.seg_map_suffix)
        return entry


def _names(folder: str, suffix: str) -> set:
    """Names below ``folder``, sub-folders included, without ``suffix``; hidden files are no images."""
    if not os.path.isdir(folder):
        raise MTPError(f'there is no folder of images {folder}', hint='MTP_DATA_ROOT names the folder with the '
                                                                              'data')
    found = (os.path.relpath(os.path.join(place, name), folder) for place, _, names in os.walk(folder, followlinks=True)
             for name in names if name.endswith(suffix) and not name.startswith('.'))
    return {name[:len(name) - len(suffix)] for name in found}


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
