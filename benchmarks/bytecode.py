"""The bot's modules as an installation leaves them: compiled.

pip compiles what it installs. Out of a folder of sources, where the environment forbids to write
bytecode (PYTHONDONTWRITEBYTECODE), every start would compile our modules anew and those of the
libraries not, and the comparison with the libraries would be one with a compiler.
"""

from __future__ import annotations

import compileall
from importlib.util import find_spec

from benchmarks.libraries import OURS
from benchmarks.model import CannotRunError


def compile_modules() -> None:
    """Compile what is not compiled yet or has changed since. Raises CannotRunError."""
    for name in sorted(OURS):
        spec = find_spec(name)
        for folder in (spec.submodule_search_locations if spec else None) or ():
            if not compileall.compile_dir(folder, quiet=2):
                raise CannotRunError(f"{name} cannot be compiled: look at its modules")
