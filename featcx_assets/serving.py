"""Dagster's own programs, with the guard in front of the web UI, and ended with what started them.

`python -m featcx_assets.serving webserver …` is `dagster-webserver …`, guarded; `… dev …` is `dagster dev …`, whose
webserver is the guarded one; `… daemon …` is its daemon. Each replaces or calls a private name of Dagster; that goes
when Dagster takes a middleware.
"""

import importlib
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from typing import Any

from featcx_assets.guard import guarded
from featcx_assets.pages import Pages
from featcx_assets.resources import home

_SERVICES = {"dagster_webserver": "webserver", "dagster._daemon": "daemon"}


def webserver(arguments: Sequence[str]) -> None:
    """Serve the web UI behind the guard."""
    if "--shutdown-pipe" in arguments:  # of `dev`; alone it stays with whatever watches over it
        _end_with_parent()
    program: Any = importlib.import_module("dagster_webserver.cli")
    make = program.create_app_from_workspace_process_context

    def make_guarded(*arguments: Any, **settings: Any) -> Any:
        return guarded(Pages(make(*arguments, **settings), home=home()))

    program.create_app_from_workspace_process_context = make_guarded
    sys.argv = ["dagster-webserver", *arguments]
    program.main()


def daemon(arguments: Sequence[str]) -> None:
    """Run Dagster's daemon."""
    _end_with_parent()
    program: Any = importlib.import_module("dagster._daemon.cli")
    sys.argv = ["dagster-daemon", *arguments]
    program.main()


def dev(arguments: Sequence[str]) -> None:
    """Run webserver, daemon and code location."""
    _end_with_parent()
    program: Any = importlib.import_module("dagster._cli.dev")
    start = program.open_ipc_subprocess

    def start_ours(command: Sequence[str], **settings: Any) -> Any:
        python, flag, module, *rest = command
        ours = [__spec__.name, _SERVICES[module]] if module in _SERVICES else [module]
        return start([python, flag, *ours, *rest], **settings)

    program.open_ipc_subprocess = start_ours
    warnings.filterwarnings(
        "ignore", message=".*is superseded and its usage is discouraged"
    )  # by `dg dev`, another tool
    sys.argv = ["dagster", "dev", *arguments]
    main: Any = importlib.import_module("dagster._cli").main
    main()


def _end_with_parent() -> None:
    """Interrupt this process once the one that started it is gone: one that is killed ends nobody."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(20)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    {"webserver": webserver, "daemon": daemon, "dev": dev}[sys.argv[1]](sys.argv[2:])
