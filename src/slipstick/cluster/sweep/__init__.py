"""Many plans as arrays: their fields, their distinct rows, and the fastest that fits memory."""
