# As wide as the reduced decoders of pretraining, so that their weights fit.
_base_ = ['./oriented_rcnn.py', '../backbones/rvsa_t.py']
model = dict(
    backbone=dict(_base_.backbone, type='RVSA_MTP_branches'),
    neck=dict(in_channels=_base_.channels, out_channels=64),
    # Drawn objects are 8 to 60 pixels: the published anchors, from 32 up, meet half of them; what is found then hangs
    # on a few chance positives and differs from one processor to another.
    rpn_head=dict(in_channels=64, feat_channels=64, anchor_generator=dict(scales=[4])),
    roi_head=dict(bbox_roi_extractor=dict(out_channels=64), bbox_head=dict(in_channels=64, fc_out_channels=256)),
    train_cfg=dict(rpn_proposal=dict(nms_pre=200, max_per_img=100), rcnn=dict(sampler=dict(num=64))),
    test_cfg=dict(rpn=dict(nms_pre=200, max_per_img=100)))
optim_wrapper = dict(optimizer=dict(lr=5e-4), clip_grad=dict(max_norm=5))
