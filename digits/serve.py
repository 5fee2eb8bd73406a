"""Serve a page to draw digits on, or to drop a photo on: the prediction appears while you draw.

    python -m digits.serve                       on http://127.0.0.1:8000/, for this machine only
    python -m digits.serve --port 0 --open       any free port, opened in a browser
    python -m digits.serve --model RUN           with an exported run, or any model.onnx: a detector or a classifier
    python -m digits.serve --host 0.0.0.0        for everyone who can reach this machine, say a phone on the same Wi-Fi
    python -m digits.serve --collect DIR         wrong predictions can be corrected by typing; corrections go to DIR

Writes nothing: no picture is kept, and the page loads nothing from elsewhere. `POST /api/read` takes a picture of any
supported format as its body and returns JSON; `GET /health` reports that the server is ready, and with which models.
Ctrl-C ends it.

With --collect, and only then, corrections are kept, for `digits.train experiment=finetune data.root=DIR`: each digit on
the picture as a PNG, with its surroundings, in DIR/0 to DIR/9, and in DIR/none what was read as a digit but is not one;
at most 20,000 in all. Everyone who can reach the page can correct. `POST /api/correct?text=2026` takes the picture as
its body and reports what was kept; %0A separates several lines.

Exit code: 1 the port is in use or not permitted; 2 there is no such model, port or address of this machine, or DIR
can't be written; 130 after Ctrl-C; 143 after SIGTERM.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from digits.processes.streams import print_all


def port(text: str) -> int:
    """A TCP port; 0 means any free one."""
    if not (text.isascii() and text.isdigit()) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r:.40} is not a port; give a number from 0 to 65535")
    return int(text)


def folder(text: str) -> Path:
    """A folder's path; an empty one, say from an unset variable, is refused, not taken as the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("'' is not a folder; name one")
    return Path(text)


def serve(given: argparse.Namespace) -> int:
    """Load the models, bind the port and serve until stopped; returns the exit code."""
    import warnings
    import webbrowser

    from digits.reading.model.net import ModelError
    from digits.reading.reader import Reader
    from digits.serving.app import make_app
    from digits.serving.corrections import Collection, CollectionError
    from digits.serving.limits import Limits
    from digits.serving.security import is_loopback
    from digits.serving.server import HostError, PortError, address_of, bind, run_server

    limits = Limits()
    try:
        reader = Reader(given.model)
        listening = bind(given.host, given.port)
    except (ModelError, HostError) as error:
        print(error, file=sys.stderr)
        return 2
    except PortError as error:
        print(error, file=sys.stderr)
        return 1
    with listening:
        loopback = is_loopback(listening.getsockname()[0])
        try:
            collect = Collection(given.collect) if given.collect else None
        except CollectionError as error:
            print(error, file=sys.stderr)
            return 2
        nets = {"detector": reader.detector.sha256, "classifier": reader.classifier.sha256}
        app = make_app(reader.read, nets, limits, loopback, collect)
        address = address_of(listening)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        audience = "this machine only" if loopback else "everyone who can reach this machine"
        print(f"draw on {address}, open to {audience}; Ctrl-C ends it", flush=True)
        if given.model:
            print(reader.models, flush=True)
        if collect:
            print(f"corrections are kept in {collect.folder}, which holds {len(collect.held()):,} digits of at most "
                  f"{collect.most:,}", flush=True)  # fmt: skip
        if given.open:
            webbrowser.open(address)  # the socket listens already, so the browser waits for us
        warnings.filterwarnings("ignore", module=r"PIL\.")  # about oddities in pictures that PIL reads anyway
        return run_server(app, listening, limits)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    print_all()
    parser = argparse.ArgumentParser(
        "python -m digits.serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--port", type=port, default=8000, help="the port to listen on; 0: any free one (default: 8000)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1, which only "
                        "this machine can reach; 0.0.0.0: everyone)")  # fmt: skip
    parser.add_argument("--model", metavar="RUN|FILE", action="append", default=[], help="a model to use instead of "
                        "the bundled one: an exported run, or a model.onnx; a page detector, a classifier, or one of "
                        "each")  # fmt: skip
    parser.add_argument("--collect", metavar="DIR", type=folder, help="let users correct predictions by typing, and "
                        "keep the digits in one folder per class (default: nothing is kept)")  # fmt: skip
    parser.add_argument("--open", action="store_true", help="open a browser on the page")
    given = parser.parse_args(arguments)
    try:
        return serve(given)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
