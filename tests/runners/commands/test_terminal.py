"""The command line on a terminal: streams that close, files that cannot be read, a person who waited long enough."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from tests.runners.commands.terminal import Run
from tests.waiting import PATIENCE

VEILBOT = (sys.executable, "-m", "veilbot_runners")
FULL = Path("/dev/full")
"""Takes nothing: the disk is always full."""


def environment() -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VEILBOT_", "PYTHON"))}
    return {**kept, "PYTHONPATH": os.pathsep.join(sys.path)}


def process(folder: Path, command: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a shell's line in which ``veilbot`` is the command, as a process of its own."""
    line = ["/bin/bash", "-c", command.replace("veilbot", " ".join(VEILBOT))]
    return subprocess.run(line, cwd=folder, env={**environment(), **more}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"VEILBOT_ENV=dev\nVEILBOT_CURRENCY=\xff\n", "is not text in UTF-8: look at line 2"),
        ("VEILBOT_ENV=dev\n".encode("utf-16"), "is not text in UTF-8: look at line 1"),
    ],
)
@pytest.mark.parametrize("command", [("order", "list"), ("migrate",), ("openapi",), ("demo",), ("run",)])
def test_settings_that_are_no_text_are_one_sentence(
    run: Run, content: bytes, says: str, command: tuple[str, ...]
) -> None:
    Path(".env").write_bytes(content)
    done = run(*command)
    assert (done.code, done.out, done.err) == (1, "", f"veilbot: the settings file .env {says}\n")


def test_the_doctor_says_that_the_settings_are_no_text(run: Run) -> None:
    Path(".env").write_bytes(b"\xff")
    done = run("doctor")
    assert (done.code, done.err) == (1, "")
    assert done.out.startswith("FAIL  settings: the settings file .env is not text in UTF-8")


def test_settings_may_begin_with_a_mark(run: Run) -> None:
    Path(".env").write_bytes(b"\xef\xbb\xbfVEILBOT_ENV=nonsense\n")
    assert "VEILBOT_ENV" in run("order", "list").err


@pytest.mark.parametrize("file", ["/proc/self/mem", "folder", "absent.env", "a" * 300])
def test_settings_that_cannot_be_read_are_one_sentence(run: Run, file: str) -> None:
    Path("folder").mkdir()
    done = run("--env-file", file, "order", "list")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert file in done.err


@pytest.mark.parametrize("command", [("order", "list"), ("init",), ("init", "--force")])
def test_a_folder_in_the_place_of_settings_is_one_sentence(run: Run, command: tuple[str, ...]) -> None:
    Path(".env").mkdir(mode=0o755)
    done = run(*command)
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert Path(".env").stat().st_mode & 0o777 == 0o755


def test_settings_go_nowhere_into_a_folder_that_is_not_there(run: Run) -> None:
    done = run("--env-file", "absent/shop.env", "init")
    assert (done.code, done.out) == (1, "")
    assert done.err == "veilbot: absent/shop.env: No such file or directory\n"


@pytest.mark.parametrize("command", ["failpoints", "openapi"])
def test_a_reader_who_has_seen_enough_hears_no_complaint(tmp_path: Path, command: str) -> None:
    done = process(tmp_path, f"veilbot {command} | true; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr) == (1, "")


def test_the_first_line_of_many_is_all_there_is(tmp_path: Path) -> None:
    done = process(tmp_path, "veilbot openapi | head -1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "{\n", "")


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    done = process(tmp_path, f"veilbot failpoints > {FULL}")
    assert done.returncode == 1
    assert done.stderr == "veilbot: what was to be printed is lost: No space left on device\n"


@pytest.mark.parametrize(("closing", "code"), [(">&-", 0), ("2>&-", 0), (">&- 2>&-", 0)])
def test_a_closed_stream_swallows_what_is_printed(tmp_path: Path, closing: str, code: int) -> None:
    migrated = process(tmp_path, f"veilbot migrate {closing}")
    assert (migrated.returncode, migrated.stderr) == (code, "")
    assert process(tmp_path, f"veilbot rotate-keys {closing}").returncode == code


def test_an_old_terminal_shows_foreign_letters_somehow(tmp_path: Path) -> None:
    added = "veilbot user add --name Аня"
    done = process(tmp_path, f"veilbot migrate > migrated && {added} --json && {added}", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\\u0410") == 2


def test_what_is_no_text_is_wrong_usage(tmp_path: Path) -> None:
    done = process(tmp_path, "veilbot user add --name $'\\xff'")
    assert (done.returncode, done.stderr) == (2, "veilbot: what was typed is not text in UTF-8\n")


def test_ctrl_c_ends_a_command_that_waits(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        address = f"postgresql+asyncpg://shop@127.0.0.1:{port}/shop"
        waiting = subprocess.Popen(
            [*VEILBOT, "order", "list"],
            cwd=tmp_path,
            env={**environment(), "VEILBOT_DATABASE_URL": address},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        silent.settimeout(600)
        heard, _ = silent.accept()
        heard.recv(1)  # it waits for an answer now
        waiting.send_signal(signal.SIGINT)
        out, err = waiting.communicate(timeout=600)
        heard.close()
    assert (waiting.returncode, out, err) == (130, "", "")


def test_ctrl_c_is_heard_while_the_command_line_is_loaded(tmp_path: Path) -> None:
    impatient = """
        import runpy, sys

        class Person:
            def find_spec(self, name, *_):
                if name == "typer":
                    raise KeyboardInterrupt

        sys.meta_path.insert(0, Person())
        runpy.run_module("veilbot_runners", run_name="__main__")
    """
    command = [sys.executable, "-c", textwrap.dedent(impatient)]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_setting_that_is_no_text_is_one_sentence(tmp_path: Path) -> None:
    done = process(tmp_path, "VEILBOT_DATABASE_URL=$'sqlite+aiosqlite:///\\xff.db' veilbot migrate")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "veilbot: VEILBOT_DATABASE_URL is not text in UTF-8\n"


def test_the_demo_tells_a_program_where_everything_is(tmp_path: Path) -> None:
    with _demo(tmp_path) as (demo, port, line):
        assert demo.stdout is not None
        told = json.loads(line)
        url = f"http://127.0.0.1:{port}"
        assert told["home"] == f"{url}/"
        headers = {"Authorization": f"Bearer {told['api_key']}"}
        assert (
            httpx.get(f"{url}/api/v1/billing/tariffs", headers=headers, trust_env=False, timeout=PATIENCE).status_code
            == 200
        )
        for place in ("home", "bot", "backstage", "documentation"):
            assert httpx.get(told[place], trust_env=False, follow_redirects=True, timeout=PATIENCE).status_code == 200
        assert "VEILBOT_STRIPE__API_BASE" in Path(told["env_file"]).read_text(encoding="utf-8")
        demo.send_signal(signal.SIGINT)
        assert demo.stdout.read() == ""
    assert demo.returncode == 0


@contextlib.contextmanager
def _demo(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    """Start a demo; yield it, its port and its first line. Another port is tried where somebody was quicker."""
    for port in range(20_480, 21_480, 100):  # below those that the system gives to whoever asks for any
        command = [*VEILBOT, "demo", "--json", "--port", str(port)]
        with _ended(
            subprocess.Popen(
                command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        ) as demo:
            assert demo.stdout is not None
            if line := demo.stdout.readline():
                yield demo, port, line
                return
    raise AssertionError("there is no port at which it starts")


@contextlib.contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """See a process to its end, and to a quick one if the test fails: it would be waited for for ever."""
    with process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def test_a_fault_of_our_own_is_one_sentence_that_can_be_reported(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("json.dumps", lambda *_, **__: 1 / 0)
    done = run("failpoints", "--json")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert "ZeroDivisionError in test_terminal.py, line " in done.err
    monkeypatch.setenv("VEILBOT_LOG_LEVEL", "debug")
    with pytest.raises(ZeroDivisionError):
        run("failpoints", "--json")
