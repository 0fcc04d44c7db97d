"""The smallest model with all three decoders, and a batch for it."""
import torch
from torch import nn

from mtp.pretrain.data import batch
from mtp.pretrain.model import decoder_configs
from mtp.pretrain.model.model import PretrainModel

SIDE = 64
SIZE = decoder_configs.Size(16, 24, 50, 20, 20, 16)


class Encoder(nn.Module):
    """The smallest thing with four maps."""

    out_channels = [8] * 4

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)

    def forward(self, images):
        maps = [self.patch(images)]
        for _ in range(3):
            maps.append(nn.functional.max_pool2d(maps[-1], 2))
        return maps


def build(tasks=('ss', 'is', 'rd'), datasets=('sota', 'fast'), **options):
    torch.manual_seed(0)
    return PretrainModel(Encoder(), tasks, datasets, size=SIZE, **options)


def example(objects=2, seed=0, shape=(SIDE, SIDE)):
    torch.manual_seed(seed)
    boxes = torch.tensor([[4., 4., 30., 20.], [20., 30., 50., 60.]])[:objects]
    masks = torch.zeros(objects, SIDE, SIDE, dtype=torch.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.int()):
        mask[y1:y2, x1:x2] = 1
    centres = torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2], torch.full((objects, 1), 0.3)],
                        1)
    labels = torch.arange(objects)
    truth = batch.Truth(shape, boxes, labels, masks, centres, labels)
    seg = torch.randint(0, 3, (1, SIDE, SIDE), dtype=torch.uint8)
    return batch.prepare(batch.DatasetBatch(torch.randint(0, 256, (1, 3, SIDE, SIDE), dtype=torch.uint8), [truth], seg))
