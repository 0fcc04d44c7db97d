"""A backbone small enough for a test of files, and the key families of a whole pretraining model."""
import torch

from mtp.nn import build

DECODERS = {
    'semsegdecoder.decode_head.bottleneck.conv.weight': (4, 4), 'semsegdecoder.decode_head.conv_seg.weight': (1, 4),
    'semseghead_1.1.weight': (19, 4), 'semseghead_2.1.weight': (21, 4),
    'inssegdecoder.neck.lateral_convs.0.conv.weight': (4, 4), 'inssegdecoder.rpn_head.rpn_conv.weight': (4, 4),
    'inssegdecoder.roi_head.mask_head.convs.0.conv.weight': (4, 4),
    'inssegroiboxhead_fc_cls1.weight': (19, 4), 'inssegroiboxhead_fc_reg1.weight': (72, 4),
    'inssegroimaskhead_conv1.weight': (18, 4),
    'rotdetdecoder.neck.lateral_convs.0.conv.weight': (5, 4), 'rotdetdecoder.rpn_head.rpn_reg.weight': (18, 4),
    'rotdetdecoder.roi_head.bbox_head.shared_fcs.0.weight': (5, 4),
    'rotdetroiboxhead_fc_cls1.weight': (19, 4), 'rotdetroiboxhead_fc_cls3.weight': (38, 4),
    'rotdetroiboxhead_fc_reg1.weight': (5, 4), 'rotdetroiboxhead_fc_reg3.weight': (5, 4)}


def backbone(**settings):
    """RVSA ViT of 16 channels for 64 x 64 pixels, the same weights each time."""
    torch.manual_seed(0)
    return build('vit_t_rvsa', **dict(dict(img_size=64, embed_dim=16, num_heads=2), **settings))
