"""Published figures of optical accelerators beside ours."""
