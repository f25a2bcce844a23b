"""The parser, and what every command shares: exit codes, errors in one line, no tracebacks.

Exit codes: 0 an allocation is returned or a check passed; 1 a check failed, infeasible or unknown; 2 bad usage
or input; 3 a missing package, a missing or
failing backend, or a picture that cannot be drawn; 130 interrupted, with the incumbent saved.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from formulations.documents import InputError

from ..errors import BackendError, MissingPackageError
from .drawing import draw_to_files
from .signals import stopped_by_batch_systems

__all__ = ["main"]

EXIT_FAILED, EXIT_USAGE, EXIT_BACKEND, EXIT_INTERRUPTED = 1, 2, 3, 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse prints the usage first; one clear line is the contract.
        self.exit(EXIT_USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names may hold what the terminal cannot show
    if arguments is None:  # the process is ours
        draw_to_files()
    with stopped_by_batch_systems():
        return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        try:
            parsed = _build_parser().parse_args(arguments)
        except SystemExit:  # --help and --version have printed
            sys.stdout.flush()
            raise
        code = int(parsed.run(parsed))
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except InputError as error:
        return _complain(str(error), EXIT_USAGE)
    except KeyboardInterrupt:
        return _complain("interrupted", EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has gone, as `dashf ... | head` does; keep the interpreter from saying so.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return _complain(f"output cannot be written ({error.strerror or error})", EXIT_USAGE)
    except (BackendError, MissingPackageError) as error:
        return _complain(str(error), EXIT_BACKEND)


def _complain(message: str, code: int) -> int:
    with suppress(OSError):  # a terminal that has gone
        print(f"dashf: {' '.join(message.splitlines())}", file=sys.stderr)
    return code


def _build_parser() -> _Parser:
    from ..version import __version__
    from . import check, figures, gap, listings, scenario, solve, study

    parser = _Parser(
        prog="dashf",
        description="User association and resource allocation for mobile edge computing: "
        "DASHF, its baselines and better methods on the same scenarios, judged by one evaluator.",
    )
    parser.add_argument("--version", action="version", version=f"dashf-pyomo {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (scenario, solve, check, gap, study, figures, listings):
        module.add_to(commands)
    return parser
