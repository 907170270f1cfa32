"""Stops the main thread of a process, and no other, until stdin ends: PTRACE_SEIZE and PTRACE_INTERRUPT of that thread alone (ptrace(2)).

    python3 hold_thread.py PID           # prints "held"
    python3 hold_thread.py PID later     # prints "ready"; "held" once it has got a line
"""

import ctypes
import os
import sys

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000  # __WALL: threads, too

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, pid):
    if libc.ptrace(request, pid, None, None) != 0:
        raise OSError(ctypes.get_errno(), f"ptrace({request:#x})")


thread = int(sys.argv[1])
ptrace(PTRACE_SEIZE, thread)
if sys.argv[2:] == ["later"]:
    print("ready", flush=True)
    sys.stdin.readline()
ptrace(PTRACE_INTERRUPT, thread)
os.waitpid(thread, WALL)
print("held", flush=True)
sys.stdin.read()
ptrace(PTRACE_DETACH, thread)
