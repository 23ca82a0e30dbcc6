"""Plans TFF computations as stages. It needs TensorFlow Federated. Only the coordinator imports it."""
