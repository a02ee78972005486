"""Files and folders are whole or absent, wherever a process is killed on the way."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from textgraft import files
from textgraft.errors import OutputError
from textgraft.files import atomic_folder, atomic_writer, exchange, write_atomic

# Replaces a folder in forked children, the k-th of which dies at its k-th step: immediately before or after a
# call into the operating system, or before or after the exchange, which is no Python call. Prints what a
# reader finds under the name after each death, and the first k at which a child lived to its end.
DYING = """
import os, sys
from pathlib import Path
from textgraft import files

folder = Path(sys.argv[1])
target, what = folder / "model", sys.argv[2]

def write(version):
    if what == "file":
        files.write_atomic(target, version * 100)
        return
    with files.atomic_folder(target) as new:
        for part in ("a", "b"):
            (new / part).write_text(version)
        (new / "inner").mkdir()
        (new / "inner" / "c").write_text(version)

def read():
    if what == "file":
        found = target.read_text()
        return found[0] if len(found) == 100 and len(set(found)) == 1 else "broken"
    found = [(target / part).read_text() for part in ("a", "b", "inner/c")]
    return found[0] if len(set(found)) == 1 and len(list(target.iterdir())) == 3 else "broken"

class Countdown:
    def __init__(self, steps):
        self.left = steps
    def __call__(self, frame, event, called):
        system = event in ("c_call", "c_return") and getattr(called, "__module__", None) in ("posix", "_io")
        swap = event in ("call", "return") and frame.f_code.co_name == "exchange"
        if system or swap:
            if self.left == 0:
                os._exit(9)
            self.left -= 1

os.fsync = os.fstat  # as much a step, and faster
write("0")
version, step, seen = 0, 0, []
while True:
    child = os.fork()
    if not child:
        sys.setprofile(Countdown(step))
        write("01"[version ^ 1])
        os._exit(0)
    _, status = os.waitpid(child, 0)
    found = read()
    assert found in ("0", "1"), (step, found)
    for rest in folder.glob(".*"):  # looked at, they would be steps of the next child
        files._discard(rest)
    seen.append(int(found) != version)
    version = int(found)
    if os.waitstatus_to_exitcode(status) == 0:
        break
    step += 1
print(step, sum(seen))
"""


def killed_at_every_step(folder: Path, what: str) -> tuple[int, int]:
    """Return at how many steps a child was killed, and after how many of them the new content stood there."""
    done = subprocess.run(  # noqa: PLW1510  told below with what it said
        [sys.executable, "-c", DYING, str(folder), what], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    steps, replaced = map(int, done.stdout.split())
    return steps, replaced


@pytest.mark.skipif(sys.platform != "linux", reason="the exchange is Linux's and macOS's; forks in this test")
@pytest.mark.parametrize(("what", "least"), [("folder", 60), ("file", 20)])
def test_killed_at_any_system_call_leaves_a_whole_old_or_new_one(tmp_path, what, least):
    steps, replaced = killed_at_every_step(tmp_path, what)
    # Both ends were met: kills before the exchange left the old one, later ones the new one.
    assert steps > least
    assert 1 < replaced < steps


KILLED = """
import sys
from itertools import count
from pathlib import Path
from textgraft.files import atomic_folder

for version in count():
    with atomic_folder(Path(sys.argv[1])) as new:
        for part in range(20):
            (new / str(part)).write_text(str(version))
    print(version, flush=True)
"""


@pytest.mark.slow
def test_kill_9_while_a_folder_is_replaced_again_and_again(tmp_path):
    target = tmp_path / "model"
    for _ in range(100):
        with subprocess.Popen([sys.executable, "-c", KILLED, str(target)], stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(random.uniform(0, 0.05))
            os.kill(process.pid, signal.SIGKILL)
        assert len({file.read_text() for file in target.iterdir()}) == 1
        assert len(list(target.iterdir())) == 20


def test_a_file_system_without_exchange_gets_two_renames(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "exchange", lambda *_: False)
    for version in ("old", "new"):
        with atomic_folder(tmp_path / "model") as folder:
            (folder / "part").write_text(version)
    assert (tmp_path / "model" / "part").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_failed_replacement_without_exchange_keeps_the_old_folder(tmp_path, monkeypatch):
    with atomic_folder(tmp_path / "model") as folder:
        (folder / "part").write_text("old")
    monkeypatch.setattr(files, "exchange", lambda *_: False)
    real = Path.rename

    def rename(path, target):
        if (path / "part").exists() and (path / "part").read_text() == "new":
            raise OSError(errno.EIO, "I/O error")
        return real(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(OutputError), atomic_folder(tmp_path / "model") as folder:
        (folder / "part").write_text("new")
    assert (tmp_path / "model" / "part").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_exchange_says_what_is_missing(tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "there", tmp_path / "missing")


def test_a_link_in_the_place_of_the_folder_is_replaced_and_its_target_kept(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").write_text("kept")
    (tmp_path / "model").symlink_to("elsewhere")
    with atomic_folder(tmp_path / "model") as folder:
        (folder / "part").write_text("new")
    assert not (tmp_path / "model").is_symlink()
    assert (tmp_path / "elsewhere" / "precious").read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "model"]


def leave_behind(folder: Path, name: str, age: float) -> Path:
    rest = folder / f".{name}.abcdefgh.partial"
    rest.mkdir()
    (rest / "half").write_text("a model")
    os.utime(rest, (time.time() - age,) * 2)
    return rest


def test_what_a_killed_process_left_is_swept_by_the_next_write(tmp_path):
    rests = [leave_behind(tmp_path, "model", 3600), leave_behind(tmp_path, "table.csv", 3600)]
    with atomic_folder(tmp_path / "model"):
        pass
    write_atomic(tmp_path / "table.csv", "a,b")
    assert not any(rest.exists() for rest in rests)


def test_what_a_living_process_writes_is_not_swept(tmp_path):
    young = leave_behind(tmp_path, "other", 1)
    with atomic_folder(tmp_path / "model") as first:
        (first / "part").write_text("first")
        os.utime(first, (0, 0))  # it takes long
        with atomic_folder(tmp_path / "model") as second:
            (second / "part").write_text("second")
    assert (tmp_path / "model" / "part").read_text() == "first"
    write_atomic(tmp_path / "other", "")
    assert young.exists()


def test_an_interrupted_write_leaves_nothing(tmp_path):
    for path, writer in ((tmp_path / "folder", atomic_folder), (tmp_path / "file", atomic_writer)):
        with pytest.raises(KeyboardInterrupt), writer(path):
            raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
