"""What `orchestra_core` exports: sorted, importable, lazy, and nothing hidden."""

import importlib
import subprocess
import sys

import pytest

import orchestra_core
import orchestra_core.testing
from orchestra_core import errors

MODULES = (orchestra_core, orchestra_core.testing)


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_all_is_sorted_and_without_repeats(module):
    names = list(module.__all__)
    assert len(set(names)) == len(names)
    classes = [n for n in names if n[0].isupper() and not n.isupper()]
    others = [n for n in names if n[0].islower()]
    constants = [n for n in names if n.isupper()]
    for group in (classes, others, constants):
        assert group == sorted(group)


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_everything_exported_can_be_imported(module):
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert dir(module) == sorted(module.__all__)


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_everything_with_a_home_is_exported(module):
    public = {name for name in module._HOME_OF if not name.startswith("_")}
    assert public <= set(module.__all__)
    for name in public:
        home = importlib.import_module(f"{module.__name__}.{module._HOME_OF[name]}")
        assert getattr(module, name) is getattr(home, name)


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_an_unknown_name_is_an_attribute_error(module):
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = module.Nothing


def test_every_payload_a_hook_takes_is_exported():
    import typing

    from orchestra_core import hookspecs, payloads

    taken = {
        str(annotation)
        for name, function in vars(hookspecs).items()
        if name.startswith("orchestra_")
        for key, annotation in function.__annotations__.items()
        if key != "return"
    }
    assert taken <= set(orchestra_core.__all__)
    assert all(issubclass(getattr(payloads, name), payloads.Payload) for name in taken)
    assert typing.TYPE_CHECKING is False


def test_the_tree_of_errors_is_drawn_as_it_is():
    drawn = errors.__doc__
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, errors.OrchestraError):
            assert name in drawn, f"{name} is missing from the drawing"
            (line,) = [x for x in drawn.splitlines() if f" {name} " in x]
            assert (
                line.split()[-2:] == [value.code, str(value.exit_code)]
                or value is errors.OrchestraError
            )


def test_error_codes_are_unique():
    classes = [v for v in vars(errors).values() if isinstance(v, type) and hasattr(v, "exit_code")]
    codes = [c.code for c in classes]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("module", ["orchestra_core", "orchestra_core.testing.fixtures"])
def test_importing_costs_next_to_nothing(module):
    """The fixtures are loaded in every pytest session where orchestra-core is installed."""
    script = (
        f"import sys, {module}; "
        "print([m for m in ('numpy', 'scipy', 'pydantic', 'yaml', 'click') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
