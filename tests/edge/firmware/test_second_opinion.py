"""Second opinion, where it is installed: gcc compiles the folder for the board, and QEMU runs it from reset."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from trained.tflite_writer import small

pytest.importorskip("tflite")
pytest.importorskip("numba")

from slipstick.core.catalogue import resolve_system
from slipstick.edge.firmware.firmware_build import build_firmware
from slipstick.edge.firmware.folder import write_folder
from slipstick.trained.tflite import parse_tflite

WARNINGS = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-O2", "-ffunction-sections", "-fdata-sections"]
ARM, QEMU, RISCV = "arm-none-eabi-gcc", "qemu-system-arm", "riscv64-unknown-elf-gcc"


def firmware_folder(board: str, folder: Path) -> Path:
    firmware = build_firmware(parse_tflite(small("int8"), name="small"), resolve_system(board))
    return write_folder(folder / board, firmware.files())


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


@contextmanager
def debugged(image: Path) -> Iterator[socket.socket]:
    """Start an image in QEMU's STM32F405 and yield a connection to its debugger's port; the core waits."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [QEMU, "-M", "netduinoplus2", "-display", "none", "-monitor", "none", "-serial", "none"]
    process = subprocess.Popen([*command, "-kernel", str(image), "-S", "-gdb", f"tcp:127.0.0.1:{port}"])
    try:
        for attempt in range(50):
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                    yield connection
                    return
            except ConnectionRefusedError:
                assert attempt < 49
                time.sleep(0.1)
    finally:
        process.kill()
        process.wait()


def asked(connection: socket.socket, command: str) -> str:
    """Return the debugger's answer to a command of the remote protocol."""
    connection.sendall(f"${command}#{sum(command.encode()) % 256:02x}".encode())
    return answered(connection)


def answered(connection: socket.socket) -> str:
    """Return the next packet of the debugger."""
    received = b""
    while (answer := re.search(rb"\$([^#]*)#..", received)) is None:
        received += connection.recv(1)  # what follows is another packet
    connection.sendall(b"+")
    return answer[1].decode()


def word_at(connection: socket.socket, address: int) -> int:
    answer = asked(connection, f"m{address:x},4")
    while answer[:1] in ("T", "S"):  # a stop that was told late, on a busy machine: the answer follows
        answer = answered(connection)
    return int.from_bytes(bytes.fromhex(answer), "little", signed=True)


def test_gcc_and_qemu_agree_from_reset(tmp_path: Path) -> None:
    need(ARM, QEMU)
    folder = firmware_folder("nucleo-f446", tmp_path)
    sources = [*map(str, folder.glob("src/*.[cS]")), "test/main.c", "board/startup.c"]
    machine = ["-mcpu=cortex-m4", "-mthumb", "-nostartfiles", "-Wl,--gc-sections", "-T", "board/link.ld", "-Isrc"]
    subprocess.run([ARM, *WARNINGS, *machine, *sources, "-o", "image.elf"], cwd=folder, check=True, timeout=120)
    names = subprocess.run(["arm-none-eabi-nm", "image.elf"], cwd=folder, capture_output=True, text=True, check=True)
    address = re.search(r"(\w+) \w network_test_result", names.stdout)
    assert address is not None
    with debugged(folder / "image.elf") as connection:
        result = -1
        for _ in range(100):
            connection.sendall(b"$c#63")
            time.sleep(0.1)
            connection.sendall(b"\x03")
            asked(connection, "?")
            result = word_at(connection, int(address[1], 16))
            if result != -1:
                break
        assert result == 0  # bytes that differ from the golden vectors


def test_riscv_gcc_compiles_it(tmp_path: Path) -> None:
    need(RISCV)
    folder = firmware_folder("esp32-c3-devkitm", tmp_path)
    sources = [*map(str, folder.glob("src/*.[cS]")), "board/startup.c"]
    machine = ["-march=rv32imac", "-mabi=ilp32", "-ffreestanding", "-Isrc", "-c"]
    subprocess.run([RISCV, *WARNINGS, *machine, *sources], cwd=folder, check=True, timeout=120)
