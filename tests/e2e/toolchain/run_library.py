"""Act as `terraform`: call the shared library named by the first argument with the remaining ones.

The entry is `int RunCli(int argc, char **argv, int64 stdout_fd, int64 stderr_fd)`; its result is the exit code. Runs
under a bare interpreter (`python3 -I -S`), so that a start costs little; it must import nothing but the standard library.
"""

import ctypes
import os
import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Terraform installs its own handler; Python's would never run

arguments = [os.fsencode(argument) for argument in sys.argv[2:]]
argv = (ctypes.c_char_p * len(arguments))(*arguments)
run = ctypes.CDLL(sys.argv[1]).RunCli
run.restype = ctypes.c_int
code = run(ctypes.c_longlong(len(arguments)), argv, ctypes.c_longlong(1), ctypes.c_longlong(2))
os._exit(code & 0xFF)
