# Images of one's own in lists of name and number of the class.
_base_ = ['./classification_224.py', '../schedules/classification_100e.py']
train_dataloader = dict(num_workers=4)
val_dataloader = dict(num_workers=4)
test_dataloader = val_dataloader
