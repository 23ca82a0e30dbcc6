"""A TFF computation becomes a plan of stages. Needs TensorFlow Federated; only the coordinator imports this."""
