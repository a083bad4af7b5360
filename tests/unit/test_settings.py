from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.errors import Invalid
from headrace.settings import Settings, ignored_variables, load, options, parse_duration, parse_size, reference_page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"HEADRACE_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def mistakes(caught: pytest.ExceptionInfo[Invalid]) -> dict[str, str]:
    return {problem.path: str(problem) for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("text", "size"),
    [("512", 512), ("64KB", 65536), ("64 kib", 65536), ("256MB", 256 * 1024**2), ("1.5g", 1536 * 1024**2), (7, 7)],
)
def test_sizes_are_written_as_people_write_them(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7.0), ("250ms", 0.25), ("24h", 86400.0), ("1m30s", 90.0), ("1h 30m", 5400.0), ("7d", 604800.0), (5, 5)],
)
def test_durations_are_written_as_people_write_them(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "many", "5 parsecs", "-1MB", "1h-2m"])
def test_what_is_neither_size_nor_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a size is"):
        parse_size(text)
    with pytest.raises(ValueError, match="a duration is"):
        parse_duration(text)


def test_without_anything_the_data_folder_is_here(tmp_path: Path) -> None:
    settings = load()
    assert settings.data == tmp_path / "data"
    assert settings.store_url == f"sqlite:///{tmp_path}/data/db/headrace.sqlite3"


def test_argument_beats_environment_beats_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "headrace.toml").write_text('port = 1\nhost = "file"\njournal_keep = "2h"\n')
    monkeypatch.setenv("HEADRACE_DATA", str(tmp_path))
    monkeypatch.setenv("HEADRACE_PORT", "2")
    monkeypatch.setenv("HEADRACE_HOST", "environment")
    settings = load(port=3, data=None)
    assert (settings.port, settings.host, settings.journal_keep) == (3, "environment", 7200.0)


def test_the_file_is_looked_for_in_the_data_folder_that_was_named(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "headrace.toml").write_text("port = 8080")
    assert load(data="elsewhere").port == 8080
    assert load().port == 7475


def test_an_unknown_key_in_the_file_is_told_with_the_likely_one(tmp_path: Path) -> None:
    (tmp_path / "headrace.toml").write_text("prot = 8080")
    with pytest.raises(Invalid, match="did you mean `port`") as caught:
        load(data=tmp_path)
    assert caught.value.reason == "settings-invalid"


def test_all_mistakes_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "headrace.toml").write_text('journal_bytes = "lots"\nsandbox = "maybe"\nqueue_limit = 0')
    monkeypatch.setenv("HEADRACE_PORT", "http")
    with pytest.raises(Invalid) as caught:
        load(data=tmp_path)
    told = mistakes(caught)
    assert set(told) == {"journal_bytes", "sandbox", "queue_limit", "port"}
    assert "64KB, 256MB, 8GB, not 'lots'" in told["journal_bytes"]
    assert "HEADRACE_PORT" in told["port"]


@pytest.mark.parametrize(
    ("text", "told"),
    [("port = ", "is not TOML"), ('data = "/elsewhere"', "cannot be set inside"), (b"\xff\xfe", "cannot read")],
)
def test_a_file_that_makes_no_sense_is_told_by_name(tmp_path: Path, text: str | bytes, told: str) -> None:
    path = tmp_path / "headrace.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(Invalid, match=told) as caught:
        load(data=tmp_path)
    assert str(path) in caught.value.message


def test_variables_that_are_no_option_are_told_and_those_of_others_let_be() -> None:
    ours = {"HEADRACE_PORT": "1", "HEADRACE_URL": "u", "HEADRACE_TOKEN": "t", "HEADRACE_TEST_REQUIRE": "all"}
    assert ignored_variables({**ours, "HEADRACERS": "1", "PORT": "1"}) == ()
    told = [
        (each.path, each.suggestion) for each in ignored_variables({**ours, "HEADRACE_X": "1", "HEADRACE_PROT": "1"})
    ]
    assert told == [("HEADRACE_PROT", "did you mean HEADRACE_PORT?"), ("HEADRACE_X", "")]


def test_what_was_read_holds(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(data=tmp_path).port = 1


def test_others_reach_the_server_where_it_was_told(tmp_path: Path) -> None:
    assert load(data=tmp_path, port=7000).outside_url == "http://127.0.0.1:7000"
    assert load(data=tmp_path, public_url="https://example.com/headrace/").outside_url == "https://example.com/headrace"


def test_thousands_of_flows_have_room_for_their_journals() -> None:
    fields = Settings.model_fields
    assert fields["max_file_store"].default >= 4000 * fields["journal_bytes"].default, "JetStream reserves each in full"


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    settings = load(data=tmp_path, broker_password="pa55word", database_url="postgresql://a:pa55word@b/c")
    assert "pa55word" not in repr(settings)
    assert settings.store_url == "postgresql://a:pa55word@b/c"


def test_prepared_folders_hide_what_is_private(tmp_path: Path) -> None:
    settings = load(data=tmp_path / "deep" / "data")
    settings.prepare()
    assert mode(settings.data) == 0o711
    private = {settings.run_dir, settings.keys_dir, settings.db_dir, settings.broker_dir, settings.repos_dir}
    private |= {settings.uv_cache_dir, settings.logs_dir, settings.logs_dir / "workers"}
    assert {mode(folder) for folder in private | {settings.build_log("shop", 1).parent}} == {0o700}
    public = (settings.builds_dir, settings.envs_dir, settings.demo_dir, settings.demo_dir / "in")
    assert {mode(folder) for folder in public} == {0o755}


def test_preparing_again_repairs_modes_and_keeps_what_is_there(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    settings = load(data=tmp_path)
    settings.prepare()
    settings.cli_token_file.write_text("hr_token")
    settings.keys_dir.chmod(0o777)
    settings.prepare()
    assert mode(settings.keys_dir) == 0o700
    assert mode(tmp_path) == 0o751
    assert settings.cli_token_file.read_text() == "hr_token"


def test_the_reference_page_is_fresh() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "headrace.settings"],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "src")},
    ).stdout
    assert printed == reference_page()
    assert PAGE.read_text("utf-8") == printed, "run: python -m headrace.settings > docs/reference/settings.md"


def test_the_reference_page_tells_every_option() -> None:
    page = reference_page()
    for name, field in Settings.model_fields.items():
        assert f"| `{name}` |" in page
        assert field.description


def test_options_are_told_as_people_write_them_and_secrets_are_not() -> None:
    made = Settings(
        broker_password="hush", broker_url="nats://me:hush@host:4222", journal_bytes=2 * 1024**3, log_keep_days=3
    )
    told = {each.name: each for each in options(made)}
    assert (told["journal_bytes"].value, told["journal_bytes"].default, told["log_keep_days"].value) == (
        "2GB",
        "256MB",
        "3",
    )
    assert (told["broker_password"].value, told["broker_url"].value, told["database_url"].value) == ("set", "set", "")
    assert "hush" not in repr(told)
