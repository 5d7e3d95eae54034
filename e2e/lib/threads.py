"""Stops one thread of a running process, as a bug would: threads.py PID NAME. It goes on when this program ends."""

import ctypes
import os
import signal
import sys

PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def named(folder, name):
    with open(f"{folder}/comm") as file:
        return file.read().strip() == name


def ptrace(request, thread):
    if libc.ptrace(request, thread, None, None) != 0:
        sys.exit(f"ptrace({request:#x}): {os.strerror(ctypes.get_errno())}")


process, name = sys.argv[1:]
tasks = f"/proc/{process}/task"
(thread,) = [int(each) for each in os.listdir(tasks) if named(f"{tasks}/{each}", name)]
ptrace(PTRACE_SEIZE, thread)
ptrace(PTRACE_INTERRUPT, thread)
os.waitpid(thread, 0x40000000)  # __WALL
print("stopped", flush=True)
# The kernel lets the thread go on when its tracer is gone.
signal.sigwait({signal.SIGTERM, signal.SIGINT})
