# CDD (SVCD), seasons, 256-pixel patches.
_base_ = ['./change_256.py', '../schedules/change_200e.py']
dataset = dict(type='SVCD_Dataset', data_root='data/cdd_dataset/')
train_dataloader = dict(dataset=dataset)
val_dataloader = dict(dataset=dataset)
test_dataloader = dict(dataset=dataset)
