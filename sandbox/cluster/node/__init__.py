"""What a node does with the pods that it was given."""
