"""One of two processes that draw what was found in a pair: ``change_drawing.py FOLDER``, as torchrun starts it."""
import os
import sys

import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import distributed

from mtp.adapters.mmrotate1.change_detection.visualization import CDLocalVisualizer

distributed.init_process_group('gloo')
rank = int(os.environ['RANK'])
visualizer = CDLocalVisualizer(vis_backends=[dict(type='opencd.CDLocalVisBackend')], save_dir=sys.argv[1])
visualizer.dataset_meta = {'palette': [[0, 0, 0], [255, 0, 0]]}  # mmengine keeps it in the first process alone
found = SegDataSample(pred_sem_seg=PixelData(data=torch.tensor([[[0, 1], [1, rank]]])))
visualizer.add_datasample(f'of_{rank}', data_sample=found, draw_gt=False)
