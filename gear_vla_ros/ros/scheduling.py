"""A place before ordinary processes, where the system grants it."""

import os


def ask_for_realtime(priority: int) -> bool:
    """Run the calling thread as SCHED_FIFO with `priority` (1 to 99; 0: do not ask). False where it stays ordinary.

    Linux grants it to root, or with `rtprio` in /etc/security/limits.conf. Child processes do not inherit it.
    """
    if priority == 0 or not hasattr(os, "sched_setscheduler"):
        return False
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    except PermissionError:
        return False
    return True
