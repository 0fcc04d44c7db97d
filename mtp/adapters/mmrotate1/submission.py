"""The evaluator of a test whose truth lies with a server: it judges nothing and writes a submission.

The toolbox's own rounds scores to two decimals, keeps everything in memory and finds out at the very end that the
folder exists (data_and_submission 0).
"""
from mmengine import dist
from mmengine.evaluator import BaseMetric
from mmrotate.registry import METRICS

from mtp.adapters import submission
from mtp.tiles.shards import ShardWriter


@METRICS.register_module()
class TileSubmission(BaseMetric):
    """Detections of each tile into the rank's shard; at the end the merged submission, on rank 0.

    In a config it is written ``dict(type='TileSubmission', dataset='dotav2')``, with ``out`` and ``images`` where the
    submission and the uncut images do not lie in their usual places; ``tools/test.py`` makes the arguments of it.

    Args:
        plan: a :class:`mtp.adapters.submission.Plan`.
        mark: fingerprint of the test.
    """

    default_prefix = 'submission'

    def __init__(self, plan, mark, **kwargs):
        super().__init__(**kwargs)
        self.plan = submission.Plan(*plan)
        self.mark = mark
        self.writer = None

    def process(self, data_batch, data_samples):
        """Append the boxes (cx, cy, w, h, angle) of a batch of tiles."""
        if self.writer is None:
            self.writer = self._writer().__enter__()
        for sample in data_samples:
            found = sample['pred_instances']
            self.writer.append(sample['img_id'], *(found[key].cpu().numpy() for key in ('bboxes', 'scores', 'labels')))

    def _writer(self):
        return ShardWriter(self.plan.shards, dist.get_rank(), dist.get_world_size(), self.dataset_meta['classes'],
                           self.mark)

    def evaluate(self, size):
        """Close the shard, wait for the others, merge and package; returns no figures."""
        if self.writer is not None:
            self.writer.__exit__(None, None, None)
        dist.barrier()
        if dist.is_main_process():
            for path in submission.finish(self.plan, self.dataset_meta['tiles']):
                print(path, flush=True)
        dist.barrier()
        return {}

    def compute_metrics(self, results):
        """Nothing to compute."""
        return {}
