"""Tasks: what is trained, one file each; the loop is emage.training.trainer."""
