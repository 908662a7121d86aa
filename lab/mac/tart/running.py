"""`tart run`: blocks for the VM's life, and is it: its death is the guest's power cut.

Source: reference/tart.md §1.5 (Run.swift, VM.swift).
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from dataclasses import asdict
from typing import Any

from ..virtualization import wire
from . import (
    directory_shares,
    disk_image,
    home,
    local_storage,
    run_options,
    softnet_process,
    vm_config,
)
from .arguments import Values
from .control_socket import ControlSocket
from .errors import OtherError, TartError, VMAlreadyRunningError
from .vm_directory import VMDirectory

SUSPEND_FAILED = "Failed to suspend the VM: saving the machine's state is not supported by the lab"


def run(values: Values) -> int:
    """Run a VM until it ends. The exit status is 0 for a crash of the guest, too."""
    if "list" in values.repeated["net-bridged"]:
        print('en0 (or "Ethernet")')
        return 0
    try:
        vm = run_options.validate(values)
    except TartError as error:
        raise OtherError(str(error)) from error
    network = run_options.network_of(values)
    with home.locked(home.home()):
        _give_own_mac(vm)
        if network in ("softnet", "host") and sys.stdout.isatty():
            softnet_process.set_up_privileges()
        run_options.check_devices(values)
        config = vm.config()
        softnet = None
        if network in ("softnet", "host"):
            mac = config["macAddress"]
            softnet = softnet_process.Softnet(mac, values, host_only=network == "host")
        shares = directory_shares.shares(values.repeated["dir"])
        name = values.positionals[0]
        order = {
            "op": "vm.start",
            "name": name,
            "disk": disk_image.disk_of(vm.disk) or "",
            "mac": config["macAddress"],
            "cpu": config["cpuCount"],
            "memory_mb": config["memorySize"] // vm_config.MIB,
            "disk_gb": vm.disk_gb(),
            "shares": [asdict(share) for share in shares],
            "network": network,
        }
        # Reading config.json after this would lose the lock: such are fcntl's locks.
        if vm.lock() is None:
            raise VMAlreadyRunningError(f'VM "{name}" is already running!')
    return Session(vm, order, softnet, values).run()


def _give_own_mac(vm: VMDirectory) -> None:
    own = vm.config()["macAddress"]
    others = (one for one in local_storage.list_vms() if one.path.name != vm.path.name)
    if any(one.running_pid() and one.config()["macAddress"] == own for one in others):
        print("There is already a running VM with the same MAC address!")
        print("Resetting VM to assign a new MAC address...")
        vm.regenerate_mac()


class Session:
    """A VM's life, as `tart run` sees it. Events come from the service, softnet and signals."""

    def __init__(
        self,
        vm: VMDirectory,
        order: dict[str, Any],
        softnet: softnet_process.Softnet | None,
        values: Values,
    ) -> None:
        self._vm = vm
        self._order = order
        self._softnet = softnet
        self._values = values
        self._events: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._line: wire.Line | None = None

    def run(self) -> int:
        """Start the VM and wait for its end; return the exit status."""
        signal.signal(signal.SIGINT, lambda *_: self._events.put(("interrupt", "")))
        signal.signal(signal.SIGUSR1, lambda *_: self._events.put(("suspend", "")))
        signal.signal(signal.SIGUSR2, lambda *_: self._events.put(("request stop", "")))
        try:
            if self._softnet:
                child = self._softnet.start()
                self._in_thread(lambda: self._events.put(("softnet", str(child.wait()))))
            self._line = wire.Line.dial()
            started = self._line.ask(self._order)
            ControlSocket(str(self._vm.path), started["vsock"]).start()
        except wire.RefusedError as error:
            return self._failed(self._explain(error))
        except OSError as error:
            return self._failed(str(error))
        if self._values.flags & {"vnc", "vnc-experimental"}:
            print("VNC server is running at vnc://127.0.0.1")
        self._in_thread(self._listen)
        return self._wait()

    def _wait(self) -> int:
        assert self._line is not None
        while True:
            event, detail = self._next_event()
            if event == "suspend":
                print(SUSPEND_FAILED)
                return self._failed(None)
            if event == "request stop":
                print("Requesting guest OS to stop...")
            elif event == "interrupt":
                print("Stopping VM...")
                self._line.send({"op": "cut"})
                while self._next_event()[0] not in ("cut", "stopped", "crashed", "gone"):
                    pass
                break
            elif event == "softnet":
                return self._failed(softnet_process.TERMINATED)
            elif event == "stopped":
                print("guest has stopped the virtual machine")
                break
            elif event in ("crashed", "gone"):
                error = f'Error Domain=VZErrorDomain Code=1 "{detail or "Internal error."}"'
                print(f"guest has stopped the virtual machine due to error: {error}")
                break
        if self._softnet:
            self._softnet.interrupt()
        return 0

    def _next_event(self) -> tuple[str, str]:
        return self._events.get()

    def _listen(self) -> None:
        assert self._line is not None
        while (message := self._line.receive()) is not None:
            if "event" in message:
                self._events.put((message["event"], message.get("detail", "")))
        self._events.put(("gone", ""))

    def _explain(self, error: wire.RefusedError) -> str:
        if error.code != "limit":
            return str(error)
        names = [one.path.name for one in local_storage.list_vms() if one.running_pid()]
        hint = f" (other running VMs: {', '.join(names)})" if names else ""
        return f"The number of VMs exceeds the system limit{hint}"

    def _failed(self, text: str | None) -> int:
        if text:
            print(text, file=sys.stderr, flush=True)
        if self._line:
            self._line.close()
        if self._softnet:
            self._softnet.interrupt()
        sys.stdout.flush()
        os._exit(1)

    @staticmethod
    def _in_thread(body: Any) -> None:
        threading.Thread(target=body, daemon=True).start()
