"""Shows the graphs of a verified shard: as text, as a picture, and which inputs reach which outputs. No TensorFlow."""
