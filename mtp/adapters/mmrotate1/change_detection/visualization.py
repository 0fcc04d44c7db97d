"""Pictures of change detection: the predicted mask in the colours of the classes, one file for each pair."""
import os
from typing import Any, Optional, Sequence

import cv2
import numpy as np
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.visualization import LocalVisBackend
from mmengine.visualization.vis_backend import force_init_env
from mmseg.visualization import SegLocalVisualizer

from mtp.adapters.mmrotate1.change_detection.registry import HOOKS, VISBACKENDS, VISUALIZERS


@VISBACKENDS.register_module()
class CDLocalVisBackend(LocalVisBackend):
    """Writes ``<name>.png``, whatever the step: a later validation replaces what an earlier one drew."""

    @force_init_env
    def add_image(self, name: str, image: np.ndarray, step: int = 0, **_: Any) -> None:
        """Write an RGB image (H, W, 3) of uint8."""
        os.makedirs(self._img_save_dir, exist_ok=True)
        cv2.imwrite(os.path.join(self._img_save_dir, name + '.png'), np.ascontiguousarray(image[..., ::-1]))


@VISUALIZERS.register_module()
class CDLocalVisualizer(SegLocalVisualizer):
    """Draws masks as they are, in plain colours."""

    @master_only  # only the first process knows the palette and has a place to write to
    def add_datasample(self, name: str, image: Optional[np.ndarray] = None, data_sample: Any = None,
                       draw_gt: bool = True, draw_pred: bool = True, show: bool = False, wait_time: float = 0,
                       out_file: Optional[str] = None, step: int = 0, **_: Any) -> None:
        """Draw the mask that is known and the one that was found side by side, as far as they are there and wanted.

        Args:
            name: of the picture.
            image: not drawn on; kept for callers of mmseg's visualizer.
            data_sample: has ``gt_sem_seg``, ``pred_sem_seg``.
        """
        fields = [key for key, wanted in (('gt_sem_seg', draw_gt), ('pred_sem_seg', draw_pred))
                  if wanted and data_sample is not None and key in data_sample]
        if not fields:
            return
        palette = np.asarray(self.dataset_meta['palette'], np.uint8)
        masks = [getattr(data_sample, key).data[0].cpu().numpy() for key in fields]
        drawn = np.concatenate([_painted(mask, palette) for mask in masks], axis=1)
        if show:
            self.show(drawn, win_name=name, wait_time=wait_time)
        if out_file is not None:
            cv2.imwrite(out_file, np.ascontiguousarray(drawn[..., ::-1]))
        else:
            self.add_image(name, drawn, step)


def _painted(mask: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """(H, W) class numbers -> (H, W, 3) colours; what is ignored is gray."""
    known = mask < len(palette)
    return np.where(known[..., None], palette[np.where(known, mask, 0)], np.uint8(128))


@HOOKS.register_module()
class CDVisualizationHook(Hook):
    """Draws what was found in pairs of a validation or a test.

    Args:
        draw: whether it does. interval: every how many pairs.
        show, wait_time: also in a window, for so many seconds.
        img_shape, draw_on_from_to_img, backend_args: of Open-CD; a picture has the size of its mask here, and nothing
            else is drawn or read.
    """

    def __init__(self, draw: bool = False, interval: int = 50, show: bool = False, wait_time: float = 0.,
                 img_shape: Optional[tuple] = None, draw_on_from_to_img: bool = False,
                 backend_args: Optional[dict] = None) -> None:
        self.draw, self.interval, self.show, self.wait_time = draw, interval, show, wait_time

    def _after_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Optional[Sequence[Any]] = None,
                    mode: str = 'train') -> None:
        if not self.draw or mode == 'train' or not self.every_n_inner_iters(batch_idx, self.interval):
            return
        for output in outputs or ():
            name = os.path.basename(output.img_path[0]).split('.')[0]
            runner.visualizer.add_datasample(name, data_sample=output, show=self.show, wait_time=self.wait_time,
                                             step=runner.iter, draw_gt=False)
