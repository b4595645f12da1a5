"""Published and measured figures of clusters, compared with ours: one module per format of reference CSV."""
