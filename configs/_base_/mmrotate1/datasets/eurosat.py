# EuroSAT: folders of classes, trained on one part and judged on the other.
_base_ = ['./classification_224.py', '../schedules/classification_100e.py']
train_dataloader = dict(dataset=dict(type='EuroSATDataset', data_root='data/eurosat/', data_prefix='train'))
val_dataloader = dict(dataset=dict(type='EuroSATDataset', data_root='data/eurosat/', data_prefix='val'))
test_dataloader = val_dataloader
window = 64  # side of its images in pixels: what a prediction cuts a big raster into
