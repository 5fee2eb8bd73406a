"""A page to draw digits on, or to drop a photo of some: the answer appears while you draw.

    python -m digits.serve                       on http://127.0.0.1:8000/, for this machine only
    python -m digits.serve --port 0 --open       any free port, and a browser opened on it
    python -m digits.serve --model RUN           with the net that a run exported, or any model.onnx, of either kind
    python -m digits.serve --host 0.0.0.0        for everyone who can reach this machine, a phone on the same Wi-Fi
    python -m digits.serve --collect DIR         and a wrong answer can be put right by typing, which is kept in DIR

Leaves nothing behind: no picture is kept, and the page loads nothing from elsewhere. `POST /api/read` takes a picture
of any kind as the body and answers with JSON; `GET /health` tells that the server is ready, and with which nets.
Ctrl-C ends it.

With --collect, and only then, what is corrected is kept, for `digits.train experiment=finetune data.root=DIR`: of each
digit on the picture a PNG, with what is around it, in DIR/0 to DIR/9, and in DIR/none what was read as a digit and is
none; at most 20,000 in all. Whoever reaches the page may correct. `POST /api/correct?text=2026` takes the picture as
the body, and answers with what was kept; of several lines each but the last ends with %0A.

Exit code: 1 when the port is in use or not open to you, 2 when there is no such net, port or address of this machine,
or DIR can't be written, 130 after Ctrl-C, 143 after SIGTERM.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from digits.processes.streams import print_all


def port(text: str) -> int:
    """A TCP port; 0 for any that is free."""
    if not (text.isascii() and text.isdigit()) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r:.40} is no port; give a number from 0 to 65535")
    return int(text)


def folder(text: str) -> Path:
    """A folder's path; an empty one, as of a variable that isn't set, is not the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("'' is not a folder; name one")
    return Path(text)


def serve(given: argparse.Namespace) -> int:
    """Load the net, take the port and answer until told to stop; returns the exit code where it does not begin."""
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
            print(f"what is corrected there is kept in {collect.folder}, which holds {len(collect.held()):,} digits of "
                  f"at most {collect.most:,}", flush=True)  # fmt: skip
        if given.open:
            webbrowser.open(address)  # the socket listens already, so the browser waits for us
        warnings.filterwarnings("ignore", module=r"PIL\.")  # of what is odd in a picture that is read all the same
        return run_server(app, listening, limits)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    print_all()
    parser = argparse.ArgumentParser(
        "python -m digits.serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=port, default=8000, help="where it listens; 0: any free port (default: 8000)")
    parser.add_argument("--host", default="127.0.0.1", help="the address it listens on (default: 127.0.0.1, so that "
                        "only this machine reaches it; 0.0.0.0: everyone)")  # fmt: skip
    parser.add_argument("--model", metavar="RUN|FILE", action="append", default=[], help="a net in place of the one "
                        "that comes with the package: a run that was exported, or a model.onnx; a page detector or a "
                        "classifier, or one of each")  # fmt: skip
    parser.add_argument("--collect", metavar="DIR", type=folder, help="let wrong answers be put right by typing, and "
                        "keep the digits in a folder for each class (default: nothing is kept)")  # fmt: skip
    parser.add_argument("--open", action="store_true", help="open a browser on the page")
    given = parser.parse_args(arguments)
    try:
        return serve(given)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
