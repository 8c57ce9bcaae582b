"""The ``Cluster`` port over the official asynchronous Kubernetes client, in plain JSON."""
