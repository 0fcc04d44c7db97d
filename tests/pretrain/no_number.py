"""Pretraining whose second step gives no number."""
from mtp.pretrain import cli
from mtp.pretrain.model import model


def main(words):
    total, calls = model.PretrainModel.forward, []

    def forward(self, batches):
        losses = total(self, batches)
        calls.append(1)
        return {name: value * float('nan') if len(calls) == 2 else value for name, value in losses.items()}

    model.PretrainModel.forward = forward
    return cli.main(words)
