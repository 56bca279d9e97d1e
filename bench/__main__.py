"""`python3 -m bench`: runs `bench.run` in the project's environment, with the tests' tools in reach. Standard library only."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

if __name__ == "__main__":
    python = ROOT / ".venv" / "bin" / "python"
    if not python.exists():
        sys.exit("There is no .venv yet: run `python3 run.py setup` first.")
    environ = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    os.execve(python, [str(python), "-m", "bench.run", *sys.argv[1:]], environ)
