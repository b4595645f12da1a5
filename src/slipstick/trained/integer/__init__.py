"""Networks in 8-bit integer arithmetic, held as data and run bit for bit as TensorFlow Lite runs them."""
