"""Networks of integer arithmetic: described as data, run bit for bit as TensorFlow Lite runs them."""
