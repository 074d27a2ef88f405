"""Every earlier schema, as forward steps that `startup` runs. A released step is never changed."""
