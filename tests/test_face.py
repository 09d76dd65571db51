"""The public face: what `import cineloop` promises, and that it stays light."""

import subprocess
import sys

import cineloop


def test_every_promised_name_is_there_and_nothing_else_is() -> None:
    assert cineloop.__all__ == ["Decision", "Denied", "InputError", "Studio", "__version__", "open_studio"]
    for name in cineloop.__all__:
        assert getattr(cineloop, name) is not None
    try:
        cineloop.nonsense  # type: ignore[attr-defined]  # noqa: B018
    except AttributeError as said:
        assert "nonsense" in str(said)
    else:
        raise AssertionError("a name that is not promised was found")


def test_importing_the_face_imports_no_room() -> None:
    check = "import sys, cineloop; print([m for m in sys.modules if m.startswith('cineloop.')])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
