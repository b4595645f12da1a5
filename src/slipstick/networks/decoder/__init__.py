"""Decoder transformers as sizes: attention, feed-forward parts, operations, and Hugging Face configurations."""
