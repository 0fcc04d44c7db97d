"""Transforms of an image pair: what mmcv and mmseg do to one image, done to both with the same draw where that is
meant.

``results['img']`` is a list of two arrays (H, W, 3), BGR; ``results['gt_seg_map']`` one array (H, W). Random numbers
are drawn in the order of Open-CD 1.1.0, so that a seed gives the same pair there and here.
"""
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms import LoadAnnotations as LoadOne
from mmcv.transforms import LoadImageFromFile as LoadImage
from mmcv.transforms import Resize as ResizeOne
from mmengine import fileio
from mmseg.datasets import transforms as single

from mtp.adapters.mmrotate1 import pictures
from mtp.adapters.mmrotate1.change_detection.registry import TRANSFORMS
from mtp.errors import MTPError

Results = Dict[str, Any]
CHANGED = 128  # a mask value from here on is a change


@TRANSFORMS.register_module()
class MultiImgLoadImageFromFile(LoadImage):
    """The two files of ``img_path`` -> ``img``; arguments as mmcv's ``LoadImageFromFile``."""

    def transform(self, results: Results) -> Optional[Results]:
        """Read both; sizes are those of the first."""
        read = [super(MultiImgLoadImageFromFile, self).transform(dict(img_path=path)) for path in results['img_path']]
        if any(each is None for each in read):
            return None
        images = [each['img'] for each in read]
        if images[0].shape[:2] != images[1].shape[:2]:
            raise MTPError('{} and {} are a pair and have {} x {} and {} x {} pixels'.format(
                *results['img_path'], *(side for image in images for side in image.shape[1::-1])),
                hint='cut or resample one of them to the grid of the other')
        results.update(img=images, img_shape=images[0].shape[:2], ori_shape=images[0].shape[:2])
        return results


@TRANSFORMS.register_module()
class MultiImgLoadAnnotations(LoadOne):
    """``seg_map_path`` -> ``gt_seg_map`` (H, W), uint8, read as gray.

    The data set says what the values mean: ``reduce_zero_label`` (0 is ignored, others one less), ``format_seg_map``
    ('to_binary'), ``label_map`` (old to new number).
    """

    def __init__(self, imdecode_backend: str = 'pillow', backend_args: Optional[dict] = None) -> None:
        super().__init__(with_bbox=False, with_label=False, with_seg=True, with_keypoints=False,
                         imdecode_backend=imdecode_backend, backend_args=backend_args)

    def _load_seg_map(self, results: Results) -> None:
        content = fileio.get(results['seg_map_path'], backend_args=self.backend_args)
        mask = mmcv.imfrombytes(content, flag='grayscale', backend=self.imdecode_backend).squeeze().astype(np.uint8)
        if results.get('reduce_zero_label'):
            mask = np.where((mask == 0) | (mask == 255), 255, mask - 1).astype(np.uint8)
        if results.get('format_seg_map') == 'to_binary':
            mask = (mask >= CHANGED).astype(np.uint8)
        elif results.get('format_seg_map'):
            raise MTPError('format_seg_map is {!r}'.format(results['format_seg_map']), hint="'to_binary' or None")
        if results.get('label_map'):
            table = np.arange(256, dtype=np.uint8)
            table[list(results['label_map'])] = list(results['label_map'].values())
            mask = table[mask]
        results['gt_seg_map'] = mask
        results['seg_fields'].append('gt_seg_map')


pictures.name_masks(MultiImgLoadAnnotations)


@TRANSFORMS.register_module()
class MultiImgResize(ResizeOne):
    """Both images, and the mask where it is loaded already; arguments as mmcv's ``Resize``."""

    def transform(self, results: Results) -> Results:
        """Resize; with ``keep_ratio`` the scale factor stays (1, 1), as in Open-CD."""
        size = results['img'][0].shape[1::-1]
        scale = self.scale or tuple(int(side * factor + 0.5) for side, factor in zip(size, self.scale_factor))
        images = [self._resized(image, scale, self.interpolation) for image in results['img']]
        for key in results.get('seg_fields', ()):
            results[key] = self._resized(results[key], scale, 'nearest')
        shape = images[0].shape[:2]
        factor = (1., 1.) if self.keep_ratio else (shape[1] / size[0], shape[0] / size[1])
        results.update(img=images, img_shape=shape, scale=scale, scale_factor=factor, keep_ratio=self.keep_ratio)
        return results

    def _resized(self, image: np.ndarray, scale: Tuple[int, int], interpolation: str) -> np.ndarray:
        change = mmcv.imrescale if self.keep_ratio else mmcv.imresize
        return change(image, scale, interpolation=interpolation, backend=self.backend)


@TRANSFORMS.register_module()
class MultiImgRandomRotFlip(BaseTransform):
    """Either a small rotation, or a quarter turn with a mirroring, or neither.

    Args:
        rotate_prob: of the rotation. flip_prob: of the other, where there was no rotation.
        degree: the angle is drawn evenly between these two; one number stands for both signs.
        pad_val, seg_pad_val: what fills the corners of images and mask.
    """

    def __init__(self, rotate_prob: float = 0.5, flip_prob: float = 0.5,
                 degree: Union[float, Tuple[float, float]] = (-20, 20), pad_val: float = 0,
                 seg_pad_val: int = 255) -> None:
        self.rotate_prob, self.flip_prob = rotate_prob, flip_prob
        self.degree = (-degree, degree) if isinstance(degree, (int, float)) else tuple(degree)
        self.pad_val, self.seg_pad_val = pad_val, seg_pad_val

    def transform(self, results: Results) -> Results:
        """The same for both images and the mask."""
        rotate = np.random.rand() < self.rotate_prob
        if rotate:
            results = self._rotated(results, np.random.uniform(min(self.degree), max(self.degree)))
        if np.random.rand() < self.flip_prob and not rotate:  # drawn in either case, as published
            results = self._turned(results, np.random.randint(0, 4), np.random.randint(0, 2))
        return results

    def _rotated(self, results: Results, angle: float) -> Results:
        results['img'] = [mmcv.imrotate(image, angle, border_value=self.pad_val) for image in results['img']]
        for key in results.get('seg_fields', ()):
            results[key] = mmcv.imrotate(results[key], angle, border_value=self.seg_pad_val, interpolation='nearest')
        return results

    @staticmethod
    def _turned(results: Results, quarters: int, axis: int) -> Results:
        def turned(image: np.ndarray) -> np.ndarray:
            return np.ascontiguousarray(np.flip(np.rot90(image, quarters), axis))

        results['img'] = [turned(image) for image in results['img']]
        for key in results.get('seg_fields', ()):
            results[key] = turned(results[key])
        return results


@TRANSFORMS.register_module()
class MultiImgRandomCrop(single.RandomCrop):
    """One crop for both images and the mask; arguments as mmseg's ``RandomCrop``."""

    def transform(self, results: Results) -> Results:
        """Crop where one class does not fill more than ``cat_max_ratio``, if ten draws find such a place."""
        window = self.crop_bbox(dict(results, img=results['img'][0]))
        results['img'] = [self.crop(image, window) for image in results['img']]
        for key in results.get('seg_fields', ()):
            results[key] = self.crop(results[key], window)
        results['img_shape'] = results['img'][0].shape[:2]
        return results


@TRANSFORMS.register_module()
class MultiImgExchangeTime(BaseTransform):
    """Before becomes after with probability ``prob``: what has changed is the same."""

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = prob

    def transform(self, results: Results) -> Results:
        """Exchange the images, or not."""
        if np.random.rand() < self.prob:
            results['img'] = results['img'][::-1]
        return results


@TRANSFORMS.register_module()
class MultiImgPhotoMetricDistortion(single.PhotoMetricDistortion):
    """Each image by itself, so that the two differ in light; arguments as mmseg's ``PhotoMetricDistortion``."""

    def transform(self, results: Results) -> Results:
        """Distort both."""
        results['img'] = [super(MultiImgPhotoMetricDistortion, self).transform(dict(img=image))['img']
                          for image in results['img']]
        return results


@TRANSFORMS.register_module()
class MultiImgPackSegInputs(single.PackSegInputs):
    """Both images as one tensor (6, H, W), the mask and the facts of the sample; arguments as mmseg's
    ``PackSegInputs``.
    """

    def transform(self, results: Results) -> Results:
        """Pack; the first three channels are the image before."""
        images: List[np.ndarray] = results['img']
        channels: Sequence[np.ndarray] = [image if image.ndim == 3 else image[..., None] for image in images]
        return super().transform(dict(results, img=np.concatenate(channels, axis=2)))
