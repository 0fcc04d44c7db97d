# RESISC-45, one fifth to train on, the rest to judge.
_base_ = ['./classification_224.py', '../schedules/classification_200e.py']
dataset = dict(type='RESISC45Dataset', data_root='data/nwpu/', data_prefix='all_img')
train_dataloader = dict(dataset=dict(dataset, ann_file='mtp/train_labels_28_mtp.txt'))
val_dataloader = dict(dataset=dict(dataset, ann_file='mtp/valid_labels_28_mtp.txt'))
test_dataloader = val_dataloader
window = 256  # side of its images in pixels: what a prediction cuts a big raster into
