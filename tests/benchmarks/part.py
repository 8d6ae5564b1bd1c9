"""One part in its own process: `python -m tests.benchmarks.part NAME DEVICE RESULT`."""

import json
import sys
from importlib import import_module
from pathlib import Path

name, device, result = sys.argv[1:]
rows = import_module(f"tests.benchmarks.{name}").measure(device)
Path(result).write_text(json.dumps([row._asdict() for row in rows]))
