"""The command line: parses, calls the API, shows progress, and says in one line what went wrong."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from reportgen import __version__, commands, redaction
from reportgen.errors import InputError, Told, one_line
from reportgen.terminal import guarded, say

# Typer gives this class no public name, and which package holds it depends on Typer's version.
UsageError = typer.BadParameter.__bases__[0]
EXAMPLES = """\b
Examples:
  reportgen demo
  reportgen generate --model my_pkg.models:build --weights best.safetensors \\
      --data my_pkg.data:val_set --logs runs/exp42 --out report.html --out report.pdf
  reportgen generate exp.toml
  reportgen render report.json --out other.pdf
"""
GENERATE_EXAMPLES = """\b
Examples:
  reportgen generate --logs runs/exp42
  reportgen generate --model exp.py:Net --weights best.pt --data exp.py:val_set \\
      --class-names cat,dog --fact "Purpose=sorts the shelter's photos"
  reportgen generate exp.toml --out report.pdf --strict
  reportgen generate --logs stdout=train.txt --logs s3://bucket/runs/exp42
\b
A log is recognised by its content. KIND=PATH names its kind instead, one of
checkpoint, events, jsonl, stdout, table and so on (an unknown one lists them all).
\b
Every option is also a key of exp.toml, with _ for -, and logs, out, sections, layers as lists,
[facts] as a table. Paths there are meant from its own folder. The command line wins.
\b
Exit codes: 0 done, 1 not written, 2 a mistake in what was given, 3 written with a failed section,
130 interrupted.
"""

WATCH_EXAMPLES = """\b
Examples:
  reportgen watch runs/exp42
  reportgen watch runs/exp42 --out exp42.html --every 10
"""

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        with _terminable(), guarded():
            code = _run(words)
            sys.stdout.flush()
            return code
    except InputError as error:
        return _say_error(str(error), error.hint, commands.USAGE)
    except UsageError as error:  # type: ignore[misc]
        return _say_error(error.format_message(), "", commands.USAGE)
    except Told as error:
        hint = error.hint if error.input else "run again with --debug to see where"
        return _say_error(error.line, hint, commands.USAGE if error.input else commands.UNWRITTEN)
    except BrokenPipeError:
        # Whoever read the output has gone: no more of it, and no complaint when Python closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return commands.UNWRITTEN
    except OSError as error:
        return _say_error(_os_error(error), "", commands.UNWRITTEN)
    except KeyboardInterrupt as stop:
        say(f"interrupted; {str(stop) or 'nothing was written'}")
        return commands.INTERRUPTED
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a user gets one line, and the traceback with --debug
        return _say_error(one_line(error), "run again with --debug to see where", commands.UNWRITTEN)


def _open_streams() -> None:
    """Put nothing in the place of what was closed (`reportgen ... >&-`), so that no file gets its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115


def _run(words: list[str]) -> int:
    # Typer only parses: a command returns what is to be done, and it is done here, where errors are ours.
    job = app(args=words, prog_name="reportgen", standalone_mode=False)
    return (
        job(shlex.join(["reportgen", *redaction.command(words)]))
        if callable(job)
        else int(job or commands.OK)
    )


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """End on SIGTERM as on Ctrl-C, so that no half-written file stays."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say_error(message: str, hint: str, code: int) -> int:
    say(message, before="error: ")
    if hint:
        say(hint, before="hint: ")
    return code


def _os_error(error: OSError) -> str:
    what = error.strerror or str(error)
    return f"{error.filename}: {what}" if error.filename else what


def _version(asked: bool) -> None:
    if asked:
        print(f"reportgen {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True, epilog=EXAMPLES)
def reportgen(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """One self-contained HTML, PDF or JSON report about a trained PyTorch model, its data and its logs."""
    if context.invoked_subcommand is None:
        print(context.get_help())


def _option(metavar: str, text: str, *names: str) -> Any:
    return typer.Option(*names, metavar=metavar, help=text, show_default=False)


Outputs = _option("FILE", "A file to write: .html, .pdf or .json. Repeatable.")
Templates = _option("DIR", "A folder whose templates replace the built-in ones of the same names.")
Quiet = Annotated[
    bool | None, typer.Option("--quiet/--no-quiet", help="Say nothing but errors.", show_default=False)
]
Debug = Annotated[
    bool | None, typer.Option("--debug", help="Show the traceback of an error.", show_default=False)
]
REF = "REF"


@app.command(epilog=GENERATE_EXAMPLES, short_help="Make a report of a model, its data and its logs.")
def generate(
    config: Annotated[Path | None, typer.Argument(metavar="CONFIG.toml", show_default=False)] = None,
    model: Annotated[
        str | None, _option(REF, "The model: package.module:name, path/file.py:name, net.pt2 or TorchScript.")
    ] = None,
    weights: Annotated[
        str | None, _option("FILE", "Its weights: .safetensors, .pt, .pth, .ckpt or .bin.")
    ] = None,
    data: Annotated[str | None, _option(REF, "A Dataset, a DataLoader, or a tuple of arrays.")] = None,
    example_inputs: Annotated[str | None, _option(REF, "Inputs, where there is no data.")] = None,
    logs: Annotated[
        list[str] | None,
        _option("[KIND=]PATH", "A folder, file or address (s3://...) of training logs. Repeatable."),
    ] = None,
    log_pattern: Annotated[
        str | None, _option("REGEX", "For plain text, as in 'step (?P<step>\\d+) loss (?P<loss>\\S+)'.")
    ] = None,
    out: Annotated[list[str] | None, Outputs] = None,
    title: Annotated[str | None, _option("TEXT", "The title of the report.")] = None,
    class_names: Annotated[
        str | None, _option("NAMES", "cat,dog; or a text file with a name a line; or REF.")
    ] = None,
    feature_names: Annotated[str | None, _option("NAMES", "The same for the input's columns.")] = None,
    categorical: Annotated[
        str | None,
        _option("COLUMNS", "The columns that hold categories: names or numbers, parted by commas."),
    ] = None,
    task: Annotated[str | None, _option("TASK", "classification or regression; inferred by default.")] = None,
    modality: Annotated[
        str | None, _option("KIND", "image, table, text, signal or spectrogram; inferred by default.")
    ] = None,
    normalization: Annotated[str | None, _option("MEAN;STD", 'As in "0.5,0.5,0.5;0.2,0.2,0.2".')] = None,
    target: Annotated[
        str | None,
        _option("OUTPUT", "The output to explain: its number, or a class; the largest by default."),
    ] = None,
    tokenizer: Annotated[
        str | None,
        _option("REF|FILE", "What tells the texts of token ids: tokenizer.json, a folder, vocab.txt."),
    ] = None,
    sample_rate: Annotated[str | None, _option("HZ", "Of sound, as in 16000.")] = None,
    fact: Annotated[list[str] | None, _option("KEY=VALUE", "What to say of the model. Repeatable.")] = None,
    section: Annotated[list[str] | None, _option("NAME", "Only these sections. Repeatable.")] = None,
    samples: Annotated[
        str | None, _option("N", "How many samples are shown and explained, 8 by default.")
    ] = None,
    explain: Annotated[
        str | None, _option("N,N", "The numbers of the samples to explain; by default those that teach most.")
    ] = None,
    method: Annotated[
        list[str] | None, _option("NAME", "Explain by this method, as in lime or shap-kernel. Repeatable.")
    ] = None,
    check: Annotated[
        list[str] | None,
        _option("NAME", "Judge explanations by this too: infidelity or max-sensitivity. Repeatable."),
    ] = None,
    seed: Annotated[str | None, _option("N", "Where every random choice starts from, 0 by default.")] = None,
    device: Annotated[
        str | None, _option("NAME", "cpu, cuda, cuda:0 or mps; by default where the model is.")
    ] = None,
    time_limit: Annotated[
        str | None, _option("S", "Seconds after which a section fails, 300 by default, 0: never.")
    ] = None,
    trust: Annotated[
        bool | None,
        typer.Option("--trust", help="Load a model's file though it could run code.", show_default=False),
    ] = None,
    profile: Annotated[
        bool | None, typer.Option("--profile", help="Measure the time of each layer.", show_default=False)
    ] = None,
    autograd: Annotated[
        str | None, _option("LAYER", "Draw the autograd graph of this layer, as in encoder.layers.0.")
    ] = None,
    show_attrs: Annotated[
        bool | None,
        typer.Option("--show-attrs", help="Its nodes show their attributes.", show_default=False),
    ] = None,
    show_saved: Annotated[
        bool | None,
        typer.Option("--show-saved", help="It shows what is kept for the backward pass.", show_default=False),
    ] = None,
    layer: Annotated[
        list[str] | None,
        _option("NAME", "Draw this layer, by Grad-CAM too, as in encoder.layers.0. Repeatable."),
    ] = None,
    redact: Annotated[
        bool | None,
        typer.Option("--redact", help="Leave out samples and texts, keep numbers.", show_default=False),
    ] = None,
    templates: Annotated[str | None, Templates] = None,
    strict: Annotated[
        bool | None,
        typer.Option("--strict/--no-strict", help="Write nothing where a section fails.", show_default=False),
    ] = None,
    quiet: Quiet = None,
    debug: Debug = None,
) -> Any:
    """Make a report of a model, its data and its logs (report.html by default)."""
    options = dict(locals())
    path = options.pop("config")
    for key in ("fact", "section", "layer", "method", "check"):
        options[f"{key}s"] = options.pop(key)
    return partial(commands.generate, path, options)


@app.command(short_help="Write a report in another format, or with other templates.")
def render(
    report: Annotated[Path, typer.Argument(metavar="REPORT", help="A report: .json, .html or .pdf.")],
    out: Annotated[list[str], Outputs],
    templates: Annotated[str | None, Templates] = None,
    quiet: Quiet = None,
    debug: Debug = None,
) -> Any:
    """Write a report anew, in another format or with other templates; needs no model."""
    return partial(commands.render, report, out, templates, quiet=bool(quiet), debug=bool(debug))


@app.command(epilog=WATCH_EXAMPLES, short_help="Keep a report up to date while a training is still going.")
def watch(
    logs: Annotated[list[str], typer.Argument(metavar="LOGS...", help="Folders or files of training logs.")],
    out: Annotated[list[str] | None, _option("FILE", "A file to write: .html or .json. Repeatable.")] = None,
    log_pattern: Annotated[
        str | None, _option("REGEX", "What a printed line says, by named groups: step, loss, ...")
    ] = None,
    title: Annotated[str | None, _option("TEXT", "The title of the report.")] = None,
    every: Annotated[
        float, typer.Option(metavar="S", help="Seconds between two writings at the least.", min=1, max=3600)
    ] = 5,
    redact: Annotated[
        bool, typer.Option("--redact", help="Leave out the texts and pictures of logs.")
    ] = False,
    templates: Annotated[str | None, Templates] = None,
    quiet: Quiet = None,
    debug: Debug = None,
) -> Any:
    """Keep a report up to date while a training is still going (report.html by default).

    Reads only what is new, and ends with Ctrl-C or when every run's log says that it has finished. An open
    page reads itself anew and stays where it is. Of a report that is there already, Training is kept up to date.
    """
    return partial(
        commands.watch, logs, out or ["report.html"], log_pattern or "", title or "", every, templates,
        redact=redact, quiet=bool(quiet), debug=bool(debug),
    )  # fmt: skip


@app.command()
def sections() -> Any:
    """List what can be in a report."""
    return commands.sections


@app.command(short_help="Train a small network on real digits and report on it.")
def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to put it.")] = Path("out/demo"),
    quiet: Quiet = None,
    debug: Debug = None,
) -> Any:
    """Train a small network on real digits and report on it: HTML, PDF and JSON."""
    return partial(commands.demo, out, quiet=bool(quiet), debug=bool(debug))


@app.command()
def schema() -> Any:
    """Print the JSON schema of a report."""
    return commands.schema


if __name__ == "__main__":
    sys.exit(main())
