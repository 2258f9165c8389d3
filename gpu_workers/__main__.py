"""`python -m gpu_workers`: one worker, until SIGTERM or SIGINT; settings come from the environment."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType

import structlog

from contracts.errors import SophiaError
from gpu_workers.cache import VectorCache
from gpu_workers.engine import open_engine
from gpu_workers.worker import Worker
from resources.profile import Profile


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when stopped or caught up; 1, with one line on stderr, where it cannot work."""
    parser = argparse.ArgumentParser(
        prog="python -m gpu_workers",
        description="Embeds documents: documents.v1 → chunks → vectors → memory.v1.",
    )
    parser.add_argument(
        "--until-caught-up",
        action="store_true",
        help="end when all that the topic held at the start is embedded",
    )
    options = parser.parse_args(arguments)
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    _log_json_to_stderr()
    try:
        profile = Profile.read()
        engine = open_engine(profile.embedding)
        with VectorCache(profile.cache_path, engine.model_id, engine.dimension) as cache:
            Worker(profile, engine, cache).run(until_caught_up=options.until_caught_up, stop=stop)
    except SophiaError as error:
        sys.stderr.write(f"gpu_workers: {error}\n")
        return 1
    return 0


def _log_json_to_stderr() -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


if __name__ == "__main__":
    sys.exit(main())
