"""Who may ask, and how often."""

import hashlib

import pytest
from typer.testing import CliRunner

from tests.serving.running import running
from textgraft.cli import app
from textgraft.errors import OptionError
from textgraft.serving.keys import Keys, new_key, read_keys
from textgraft.serving.refusals import BusyError, UnauthorizedError
from textgraft.serving.serve import check_address


def test_only_those_with_a_key_may_ask(models, tmp_path):
    key, line = new_key("ada")
    (tmp_path / "keys").write_text(f"# who may ask\n\n{line}\n")
    assert key not in (tmp_path / "keys").read_text()
    with running(models, keys=read_keys(tmp_path / "keys", {})) as served:
        for headers in (
            {},
            {"authorization": "Bearer wrong"},
            {"authorization": key},
            {"authorization": "Bearer"},
        ):
            answer = served.post("/embed", {"inputs": "x"}, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
        given = {"authorization": f"Bearer {key}"}
        assert served.post("/embed", {"inputs": "x"}, headers=given).status_code == 200
        assert served.http.get("/metrics").status_code == 401
        assert served.http.get("/openapi.json").status_code == 401
        assert served.http.get("/livez").status_code == 200
        elsewhere = {**given, "host": "models.example.org"}
        assert served.http.get("/v1/models", headers=elsewhere).status_code == 200
        assert served.http.get("/reports/x").status_code == 401


def test_keys_come_from_the_environment_too():
    keys = read_keys(None, {"TEXTGRAFT_KEYS": "one, ada=two"})
    assert len(keys) == 2
    assert keys.check("Bearer two") == "ada"
    assert keys.check("bearer one") == "key-1"
    with pytest.raises(UnauthorizedError):
        keys.check("Bearer ada=two")


def test_a_key_has_its_rate_and_says_when_to_ask_again(tmp_path):
    now = [0.0]
    (tmp_path / "keys").write_text(f"{hashlib.sha256(b'k').hexdigest()} ada 12\n")
    keys = Keys(read_keys(tmp_path / "keys", {})._keys, lambda: now[0])
    for _ in range(2):  # a sixth of a minute's at once
        keys.check("Bearer k")
    with pytest.raises(BusyError) as refused:
        keys.check("Bearer k")
    assert refused.value.retry_after in (5, 6)
    now[0] += refused.value.retry_after
    keys.check("Bearer k")
    asked = 0
    for _ in range(600):  # a minute, asking ten times a second
        now[0] += 0.1
        try:
            keys.check("Bearer k")
            asked += 1
        except BusyError:
            pass
    assert 11 <= asked <= 13


@pytest.mark.parametrize(
    "line", ["secret", "secret ada", f"{'0' * 64}", f"{'0' * 64} ada often", f"{'0' * 64} ada 0", "\xff", ""]
)
def test_a_broken_file_of_keys_is_told_at_once(tmp_path, line):
    (tmp_path / "keys").write_bytes(line.encode("latin-1"))
    with pytest.raises(OptionError):
        read_keys(tmp_path / "keys", {})


def test_without_keys_nobody_else_can_reach_it():
    for host in ("127.0.0.1", "::1", "localhost"):
        check_address(host, Keys(()))
    for host in ("0.0.0.0", "192.168.1.2", "::", "example.org"):
        with pytest.raises(OptionError, match="no key"):
            check_address(host, Keys(()))
        check_address(host, read_keys(None, {"TEXTGRAFT_KEYS": "k"}))


def test_the_command_makes_keys(tmp_path):
    made = CliRunner().invoke(app, ["serve", "--new-key", "ada"])
    (tmp_path / "keys").write_text(made.stdout)
    key = made.stderr.split()[-1]
    assert read_keys(tmp_path / "keys", {}).check(f"Bearer {key}") == "ada"
