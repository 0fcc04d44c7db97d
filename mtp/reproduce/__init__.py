"""``make reproduce``: train and test a published config, and judge it against the number that was published for it."""
