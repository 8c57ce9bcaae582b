"""What the pipeline needs from the outside, as small protocols.

Each protocol has one contract suite in ``tests/contracts`` that every implementation passes.
"""
