"""Imports modules, says so, and stays: how long that takes, and what memory it costs.

The modules are given on the command line, in the order in which they are to be imported.
"""

import importlib
import sys

for name in sys.argv[1:]:
    importlib.import_module(name)
sys.stdout.write("imported\n")
sys.stdout.flush()
sys.stdin.read()
