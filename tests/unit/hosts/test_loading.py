from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from headrace_host.loading import Component, LoadError, load, make_importable
from headrace_sdk.signature import WrongParameters

Load = Callable[..., Component]


@pytest.fixture
def component(tmp_path: Path) -> Iterator[Load]:
    """Loads a component made of the given files; forgets its modules afterwards."""
    before, path = set(sys.modules), sys.path[:]

    def make(main: str, files: dict[str, str], kind: str = "action", trigger_type: str | None = None) -> Component:
        for name, text in files.items():
            file = tmp_path / f"{name}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(dedent(text))
        make_importable(str(tmp_path))
        return load(str(tmp_path), main, kind, trigger_type)

    yield make
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if name.startswith(("zz", "component_")):
            del sys.modules[name]


def test_the_folder_comes_after_the_standard_library_and_before_packages(tmp_path: Path) -> None:
    path = sys.path[:]
    try:
        sys.path[:] = ["/usr/lib/python3", "/usr/lib/python3/lib-dynload", "/env/site-packages", "/hosts"]
        make_importable(str(tmp_path))
        assert sys.path[2:] == [str(tmp_path), "/env/site-packages", "/hosts"]
    finally:
        sys.path[:] = path


@pytest.mark.parametrize("main", ["zzmain.py", "zzmain", "./zzmain.py"])
def test_main_is_named_with_or_without_suffix(component: Load, main: str) -> None:
    loaded = component(main, {"zzmain": "def process(ctx): ..."})
    assert loaded.module is sys.modules["zzmain"]
    assert not loaded.main.is_async


def test_main_may_be_a_package(component: Load) -> None:
    assert component("zzpack", {"zzpack/__init__": "async def process(ctx): ..."}).main.is_async


def test_main_whose_name_is_no_identifier(component: Load) -> None:
    files = {"zz-new-order": "import zzhelp\ndef process(ctx): ...", "zzhelp": ""}
    assert component("zz-new-order.py", files).module.__name__ == "component_zz_new_order"


def test_main_named_like_a_loaded_module(component: Load) -> None:
    loaded = component("json.py", {"json": "import json\ndef process(ctx): ..."})
    assert loaded.module is not sys.modules["json"]
    assert sys.modules["json"].__name__ == "json"


def test_an_import_missing_in_a_package_is_not_mistaken_for_a_missing_main(component: Load) -> None:
    with pytest.raises(ModuleNotFoundError, match="zz_not_there"):
        component("zzpack/create", {"zzpack/__init__": "import zz_not_there", "zzpack/create": "def process(ctx): ..."})


def test_a_folder_without_init_is_said_to_be_one(component: Load, tmp_path: Path) -> None:
    (tmp_path / "zzfolder").mkdir()
    with pytest.raises(LoadError, match=r"folder without __init__\.py"):
        component("zzfolder", {})


def test_an_action_needs_process_though_it_has_listen(component: Load) -> None:
    with pytest.raises(LoadError, match=r"no function `process`; it defines listen"):
        component("zzmain", {"zzmain": "def listen(ctx): ..."})


@pytest.mark.parametrize(
    ("trigger_type", "shape"), [("listener", "listen"), ("polling", "process"), ("webhook", "process")]
)
def test_a_trigger_with_both_functions(component: Load, trigger_type: str, shape: str) -> None:
    both = "def listen(ctx): ...\ndef process(ctx): ..."
    assert component("zzmain", {"zzmain": both}, "trigger", trigger_type).shape == shape


def test_a_hook_with_wrong_parameters_is_found_at_once(component: Load) -> None:
    with pytest.raises(WrongParameters, match=r"startup\(a, b, c, d\)"):
        component("zzmain", {"zzmain": "def startup(a, b, c, d): ...\ndef process(ctx): ..."})


def test_select_models_are_found_by_name(component: Load) -> None:
    loaded = component("zzmain", {"zzmain": "def regions(cfg): ...\ndef process(ctx): ..."})
    found = loaded.hook("select_model", "regions")
    assert found is not None
    assert found.takes.lone == 1
    with pytest.raises(LoadError, match="no function 'towns'"):
        loaded.hook("select_model", "towns")
    assert loaded.hook("startup", None) is None
