"""Command line: parses arguments, calls the verb, prints; commands are imported when run, so that --help is quick."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from slipstick.core.version import __version__

if TYPE_CHECKING:
    from cyclopts import App, CycloptsError

_USAGE = 2  # exit codes: what the user can mend
_BUG = 70  # what only we can (sysexits.h, EX_SOFTWARE)
_INTERRUPTED = 130  # 128 + SIGINT
_BROKEN_PIPE = 141  # 128 + SIGPIPE

_COMMANDS = {
    "estimate": ("answers:estimate", "How long, how much memory, energy and money: a workload on a system."),
    "compare": ("answers:compare", "Several systems, plans or saved reports side by side."),
    "simulate": ("simulate:simulate", "A training step on a fabric's links, in events: what waits for what."),
    "place": ("place:place", "A network's operators onto devices that links join, with a proven bound."),
    "hybrid": ("hybrid:hybrid", "When more devices for one worker beat more workers: time to converge over devices."),
    "mask": (
        "mask:mask",
        "A convolution kernel as a mask of mirrors in a Fourier plane, and what passes it otherwise.",
    ),
    "epochs": ("epochs:epochs", "Measure here how many epochs each batch size takes, training a small network."),
    "adapt": ("adapt:adapt", "Compress a network's weights: its accuracy before and after, its bytes, layer by layer."),
    "measure": (
        "measure:measure",
        "A network on test images or a board, weights in any format; or a pulse in colour traces.",
    ),
    "track": ("track:track", "A heart rate through a series of estimates, with its interval. Not a medical device."),
    "emit": ("emit:emit", "Firmware of a network for a board: C text, compiled and run in an emulator if asked."),
    "correlate": ("correlate:correlate", "Lags of a joint transform correlator: which are clean, what a shot loses."),
    "ops": ("answers:ops", "Every matrix product and other kernel, forward and backward, with its sizes."),
    "train": ("train:train", "A network on a data set: weights to compress, and their accuracy."),
    "search": ("search:search", "The best plans and systems of a space: every point tried, those that none beats."),
    "list": (
        "list_show:list_",
        "What a catalogue holds: systems, workloads, formats, plan, engines, prices, papers, ...",
    ),
    "show": ("list_show:show", "Every field of one entry of a catalogue, with the source of each number."),
    "validate": ("truth:validate", "Published or measured figures beside ours."),
    "calibrate": ("truth:calibrate", "Fit the efficiencies of a system to your own measured rows."),
    "cite": ("list_show:cite", "BibTeX of the papers that a report, or slipstick, stands on."),
}


def main(tokens: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its exit code."""
    if sys.stderr is None:  # closed by the caller
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  until the process ends
    if sys.stdout is None:
        sys.exit(_complain("standard output is closed", _USAGE))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without our characters shows question marks
    sys.exit(run(sys.argv[1:] if tokens is None else tokens))


def run(tokens: Sequence[str]) -> int:
    """Run one command and return its exit code: 0, or 2 with one message for an error that the user can correct."""
    from cyclopts import CycloptsError

    from slipstick.core.errors import SlipstickError

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", category=RuntimeWarning, module=r"slipstick\.")  # numpy's: overflows
            build()(tokens, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except SlipstickError as error:
        return _complain(str(error), _USAGE)
    except CycloptsError as error:
        return _complain(_usage_text(error), _USAGE)
    except RuntimeWarning as warning:
        if os.environ.get("SLIPSTICK_DEBUG"):
            raise
        return _complain(f"no finite figure: {warning}; allowed: inputs that are not absurdly large or small", _USAGE)
    except KeyboardInterrupt:
        return _complain("interrupted", _INTERRUPTED)
    except BrokenPipeError:  # the reader has seen enough: let nothing write there while Python shuts down
        _drop_output()
        return _BROKEN_PIPE
    except OSError as error:  # files of ours raise a SlipstickError: this one is a full disk behind standard output
        if os.environ.get("SLIPSTICK_DEBUG"):
            raise
        _drop_output()
        return _complain(f"{error.filename or 'standard output'}: {error.strerror or error}", _USAGE)
    except Exception as error:  # no traceback for users, but all of it for those who look for it
        if os.environ.get("SLIPSTICK_DEBUG"):
            raise
        text = f"a bug of slipstick: {type(error).__name__}: {error}\nSLIPSTICK_DEBUG=1 shows where; please report it"
        return _complain(text, _BUG)
    return 0


def build() -> App:
    """Return the command-line application; its commands are import paths until one of them runs."""
    from cyclopts import App, Parameter

    app = App(
        name="slipstick",
        help="How a neural network will run on hardware that you do not have yet.",
        version=f"slipstick {__version__}",
        default_parameter=Parameter(negative=()),
        suppress_keyboard_interrupt=False,
    )
    for name, (path, text) in _COMMANDS.items():
        app.command(f"slipstick.cli.{path}", name=name, help=text)
    app.register_install_completion_command(help="Install completion for the shell in use.")
    return app


def _usage_text(error: CycloptsError) -> str:
    """Return the message of wrong arguments: names as --help prints them, and the command whose --help says more."""
    from cyclopts import MissingArgumentError

    command = " ".join(("slipstick", *(error.command_chain or ())))
    argument = error.argument
    if isinstance(error, MissingArgumentError) and argument is not None and not argument.tokens and argument.required:
        positional = argument.field_info.is_positional
        message = f"{argument.name.lstrip('-').upper() if positional else argument.name} is missing"
    else:
        message = str(error)
    return f"{message}\n{command} --help says what there is"


def _drop_output() -> None:
    """Let nothing more be written to standard output, not even what Python flushes while it shuts down."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str, code: int) -> int:
    print(f"slipstick: {message}", file=sys.stderr)
    return code
