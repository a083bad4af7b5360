from __future__ import annotations

import threading

from headrace_host.threads import Threads


def test_jobs_run_in_order_on_one_thread() -> None:
    threads, seen, done = Threads(1), [], threading.Event()
    for n in range(50):
        threads.run(lambda n=n: seen.append((n, threading.get_ident())))  # type: ignore[misc]
    threads.run(done.set)
    assert done.wait(10)
    assert [n for n, _ in seen] == list(range(50))
    assert len({ident for _, ident in seen}) == threads.started == 1


def test_no_more_threads_than_allowed_and_none_before_needed() -> None:
    threads, gate, all_in = Threads(2), threading.Event(), threading.Barrier(3)

    def hold() -> None:
        all_in.wait(10)
        gate.wait(10)

    assert threads.started == 0
    done = threading.Event()
    threads.run(hold)
    threads.run(hold)
    threads.run(done.set)
    all_in.wait(10)
    assert threads.started == 2
    assert not done.is_set()
    gate.set()
    assert done.wait(10)


def test_an_idle_thread_is_used_again() -> None:
    threads = Threads(8)
    for _ in range(20):
        done = threading.Event()
        threads.run(done.set)
        assert done.wait(10)
        while not threads._idle:
            threading.Event().wait(0.001)
    assert threads.started == 1


def test_forgotten_jobs_never_run() -> None:
    threads, gate, begun, ran = Threads(1), threading.Event(), threading.Event(), []

    def hold() -> None:
        begun.set()
        gate.wait(10)

    threads.run(hold)
    assert begun.wait(10)
    threads.run(lambda: ran.append(1))
    threads.forget()
    gate.set()
    done = threading.Event()
    threads.run(done.set)
    assert done.wait(10)
    assert not ran
