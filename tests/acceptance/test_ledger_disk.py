"""The ledger, while the disk of the store is full: what runs runs on, what is wished is refused with the reason."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.cast import Cast
from tests.acceptance.test_ledger import perfect

from headrace.testing.plane import until
from headrace.testing.platform import Platform, Refusal
from headrace.testing.trial import Trial

pytestmark = [pytest.mark.needs("git"), pytest.mark.timeout(120)]


@pytest.fixture
def small() -> Iterator[Platform]:
    """A platform whose database is on a file system of its own, of a few megabytes."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system; tests/unit/store/test_database.py has the error itself")
    with tempfile.TemporaryDirectory(prefix="headrace-small-") as folder:
        Path(folder).chmod(0o755)
        data = Path(folder) / "data"
        (data / "db").mkdir(parents=True)
        data.chmod(0o711)
        mount = ["mount", "-t", "tmpfs", "-o", "size=6m,mode=700", "none", str(data / "db")]
        if (done := subprocess.run(mount, capture_output=True, text=True, check=False)).returncode:
            pytest.skip(f"cannot mount a small file system here: {done.stderr.strip()}")
        running = Platform(data)
        try:
            running.headrace("up", "--no-demo")
            yield running
        finally:
            running.try_("down")
            subprocess.run(["umount", "--lazy", str(data / "db")], check=True)


async def test_a_full_disk_of_the_store_is_told_and_stops_no_event(small: Platform) -> None:
    cast = Cast(small)
    first, second = cast.use(), cast.use(sink="2")
    filler = small.data / "db" / "filler"
    async with Trial(small, use=first) as trial:
        await trial.live()
        async with trial.load():
            with filler.open("wb") as file:
                _fill(file.fileno())
            with pytest.raises(Refusal) as caught:
                for number in range(200):  # the last free page of the database may take a few drafts
                    await trial.draft(use=second, more={"middle": {"note": "x" * 4000 + str(number)}})
                await trial.api.post(f"/flows/{trial.name}/publish")
            problem = caught.value.problem
            assert (problem["status"], problem["reason"]) == (503, "store-full"), problem
            assert "disk" in problem["detail"]
            assert "free disk space" in problem["next_step"]
            later = trial.ledger.account.sent
            await until(lambda: later in trial.ledger.account.arrivals, what="events pass all the same")
            filler.unlink()
            await trial.live(use=second)
        account = await trial.settled()
        perfect(account)
        assert account.marks[account.sent - 1] == 2


def _fill(descriptor: int) -> None:
    try:
        while True:
            os.write(descriptor, b"x" * 4096)
    except OSError:
        return
