"""Work spread over processes, with a progress bar; when this process dies, so do they."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Item = TypeVar("Item")
Result = TypeVar("Result")


def spread(
    do: Callable[[Item], Result], items: Sequence[Item], jobs: int, what: str, console: Console
) -> Iterator[Result]:
    """Results of `do` for all items as they come, in any order; an exception of one ends all.

    do: a function of a module, it is called in processes of its own that share no memory.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("left"), TimeRemainingColumn())
    context = multiprocessing.get_context("spawn")
    with (
        Progress(*columns, console=console, transient=True) as progress,
        ProcessPoolExecutor(jobs, context, initializer=_end_with_parent) as pool,
    ):
        bar = progress.add_task(what, total=len(items))
        waiting = [pool.submit(do, item) for item in items]
        try:
            for done in as_completed(waiting):
                progress.advance(bar)
                yield done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _end_with_parent() -> None:
    """A thread that ends this process when its parent is gone, killed or not."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)
