"""SIGTERM and Ctrl-C: finish the chunk, save, leave with 0."""

from __future__ import annotations

import os
import signal
import threading


class Stop:
    """Context in which SIGTERM and SIGINT set `asked` instead of ending the process.

    Python runs signal handlers only between two bytecodes, so a process deep in a compilation would
    not answer for half a minute. A thread listens at the wake-up pipe instead and, while there is
    nothing to save yet (`working` is False), ends the process at once.
    """

    def __init__(self):
        self.asked = False
        self.working = False

    def __enter__(self) -> Stop:
        self._read, write = os.pipe()
        os.set_blocking(write, False)
        self._write, self._wakeup = write, signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        self._handlers = {s: signal.signal(s, self._on_signal) for s in _SIGNALS}
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._write)

    def _on_signal(self, *_) -> None:
        if self.asked:  # a second Ctrl-C is meant
            raise KeyboardInterrupt
        self.asked = True

    def _listen(self) -> None:
        while number := os.read(self._read, 1):
            if number[0] in _SIGNALS and not self.working:
                os.write(1, b"stopped; there was nothing to save, the same command goes on\n")
                os._exit(0)
        os.close(self._read)


_SIGNALS = (signal.SIGTERM, signal.SIGINT)
