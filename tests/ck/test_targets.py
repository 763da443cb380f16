"""From the name of a target to its farm file, without Collective Knowledge and without making a single file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.ck.targets import target_file, target_names, target_of_ck_run
from harness.errors import BadInputError, NotFoundError, TargetNotSpecifiedError

SHIPPED = ["farm-11-local", "farm-5-local", "farm-6-local", "farm-9-local"]


def _machine(repository: Path, name: str, uid: str = "0123456789abcdef", *, farm: bool = True) -> Path:
    entry = repository / "machine" / name
    (entry / ".cm").mkdir(parents=True)
    (entry / ".cm/meta.json").write_text("{}")
    (repository / "machine/.cm").mkdir(exist_ok=True)
    (repository / "machine/.cm" / f"alias-u-{uid}").write_text(name + "\n")
    if farm:
        (entry / "ip").write_text('{"node": {}}')
    return entry


def _register(repos: Path, name: str, path: Path) -> None:
    folder = repos / "local/repo" / name / ".cm"
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps({"path": str(path)}))


@pytest.fixture
def environ(tmp_path):
    """A $CK_REPOS that does not exist yet."""
    return {"CK_REPOS": str(tmp_path / "CK")}


def test_shipped_targets_need_no_ck_and_make_nothing(environ, tmp_path):
    """The farms that come with this package are known before CK was ever used, and looking makes no folder."""
    assert target_names(environ) == SHIPPED
    assert target_file("farm-5-local", environ).name == "ip"
    assert list(tmp_path.iterdir()) == []


def test_order_of_search(environ, tmp_path):
    """`local` comes before other registered repositories, and these before what comes with this package."""
    repos = tmp_path / "CK"
    other = tmp_path / "other"
    _register(repos, "other", other)
    in_other = _machine(other, "farm-5-local")
    assert target_file("farm-5-local", environ) == in_other / "ip"
    in_local = _machine(repos / "local", "farm-5-local")
    assert target_file("farm-5-local", environ) == in_local / "ip"


def test_local_repository_elsewhere(environ, tmp_path):
    """CK_LOCAL_REPO is honoured."""
    entry = _machine(tmp_path / "mine", "farm-5")
    assert target_file("farm-5", {**environ, "CK_LOCAL_REPO": str(tmp_path / "mine")}) == entry / "ip"
    with pytest.raises(NotFoundError):
        target_file("farm-5", environ)


def test_by_uid(environ, tmp_path):
    """A machine is found by its UID too, as in CK."""
    entry = _machine(tmp_path / "CK/local", "farm-5", "00112233445566aa")
    assert target_file("00112233445566aa", environ) == entry / "ip"


def test_default_folder(tmp_path, monkeypatch):
    """Without CK_REPOS it is ~/CK."""
    monkeypatch.setenv("HOME", str(tmp_path))
    entry = _machine(tmp_path / "CK/local", "farm-5")
    assert target_file("farm-5", {}) == entry / "ip"


def test_paths(environ, tmp_path, monkeypatch):
    """A JSON file and a folder with `ip` are targets; a registered name wins over a folder of that name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.json").write_text("{}")
    (tmp_path / "farm").mkdir()
    (tmp_path / "farm/ip").write_text("{}")
    (tmp_path / "farm-5-local").mkdir()
    (tmp_path / "farm-5-local/ip").write_text("{}")
    assert target_file("my.json", environ) == Path("my.json")
    assert target_file("farm", environ) == Path("farm/ip")
    assert target_file(str(tmp_path / "farm"), environ) == tmp_path / "farm/ip"
    assert target_file("farm-5-local", environ).resolve() != tmp_path / "farm-5-local/ip"
    assert target_file("./farm-5-local", environ) == Path("farm-5-local/ip")


def test_unknown_target(environ):
    """An unknown name ends with CK's own code 16 and lists the known names."""
    with pytest.raises(NotFoundError, match="there is no target 'farm-7'") as caught:
        target_file("farm-7", environ)
    assert caught.value.exit_code == 16
    for name in SHIPPED:
        assert name in caught.value.hint


@pytest.mark.parametrize("name", ["missing.json", "no/such/farm", "..", ""])
def test_missing_paths(environ, name, tmp_path, monkeypatch):
    """A path to nothing is not found either."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFoundError):
        target_file(name, environ)


def test_a_machine_that_is_no_farm(environ, tmp_path):
    """machine:host and the like have no farm file, which is said."""
    _machine(tmp_path / "CK/local", "host", farm=False)
    with pytest.raises(BadInputError, match="machine:host is no farm"):
        target_file("host", environ)
    assert "host" not in target_names(environ)


def test_damaged_files_of_ck(environ, tmp_path):
    """Cache and entries that are no JSON are passed over."""
    repos = tmp_path / "CK"
    (repos / "local/repo/broken/.cm").mkdir(parents=True)
    (repos / "local/repo/broken/.cm/meta.json").write_text("{")
    (repos / "local/.ck.cache_repo_info.json").write_text("[1]")
    assert target_names(environ) == SHIPPED


def test_target_of_a_ck_run(tmp_path):
    """CK states the folder of the machine entry in CK_TARGET_PATH; unset, gone and without farm are told apart."""
    entry = _machine(tmp_path, "farm-5")
    assert target_of_ck_run({"CK_TARGET_PATH": str(entry)}) == ("farm-5", entry / "ip")
    for environ in ({}, {"CK_TARGET_PATH": ""}):
        with pytest.raises(TargetNotSpecifiedError, match="CK target is not specified"):
            target_of_ck_run(environ)
    with pytest.raises(NotFoundError):
        target_of_ck_run({"CK_TARGET_PATH": str(tmp_path / "gone")})
    with pytest.raises(BadInputError):
        target_of_ck_run({"CK_TARGET_PATH": str(_machine(tmp_path, "host", farm=False))})
