"""What a release is made of: chosen versions, configs, changes since the release before, manifest."""
