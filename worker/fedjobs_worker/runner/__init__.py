"""The processes that touch TensorFlow, which have neither keys nor a network; and the session's side of them."""
