"""Where request counts come from: the providers of the ``Metrics`` port."""
