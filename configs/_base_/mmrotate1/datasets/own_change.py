# Pairs of one's own in patches of at most 256 pixels.
_base_ = ['./change_256.py', '../schedules/change_100e.py']
train_dataloader = dict(num_workers=4, dataset=dict(type='ChangeDataset'))
# tiles are smaller where images are: resized to 256 they would be judged at another scale than they are learnt at
val_dataloader = dict(num_workers=4, dataset=dict(type='ChangeDataset', pipeline=_base_.test_pipeline))
test_dataloader = dict(num_workers=4, dataset=dict(type='ChangeDataset'))
