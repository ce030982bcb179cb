"""Every public name says what it is: modules, classes, functions and methods."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.docs.shown import ROOT

PACKAGES = ("sites", "forecasting", "optimizer", "controller", "migrations")
FOREIGN = ("nvml",)
"""Names that are another library's, kept so that a twin can stand in for it."""
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def definitions(body: list[ast.stmt], kinds: tuple[str, ...] = ()) -> Iterator[tuple[Definition, tuple[str, ...]]]:
    """Yield public definitions, each with the bases of the class it stands in."""
    for each in body:
        if isinstance(each, Definition) and not each.name.startswith("_"):
            yield each, kinds
            if isinstance(each, ast.ClassDef):
                yield from definitions(each.body, tuple(ast.unparse(base) for base in each.bases) or ("",))


TREES = {
    str(file.relative_to(ROOT)): ast.parse(file.read_text(encoding="utf-8"))
    for package in PACKAGES
    for file in sorted((ROOT / package).rglob("*.py"))
}
PORTS = {
    each.name
    for tree in TREES.values()
    for each, kinds in definitions(tree.body)
    if any("Protocol" in kind or "ABC" in kind for kind in kinds) and ast.get_docstring(each)
}
"""Methods that a port documents; whoever implements it need not say it again."""


def undocumented(file: str, tree: ast.Module) -> Iterator[str]:
    """Yield the public names of a module that nothing explains."""
    if not ast.get_docstring(tree):
        yield file
    for each, kinds in definitions(tree.body):
        setter = any("setter" in ast.unparse(mark) or "overload" in ast.unparse(mark) for mark in each.decorator_list)
        by_port = bool(kinds) and each.name in PORTS
        if not (ast.get_docstring(each) or setter or by_port or each.name.startswith(FOREIGN)):
            yield f"{file}:{each.lineno} {each.name}"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_documented(package: str) -> None:
    found = [name for file, tree in TREES.items() if file.startswith(package) for name in undocumented(file, tree)]
    assert found == []


def test_a_name_without_words_is_noticed() -> None:
    tree = ast.parse(
        '"""M."""\ndef f():\n    pass\nclass C:\n    """C."""\n    def submit(self):\n        pass\n    def odd(self): pass'
    )
    assert [name.split()[-1] for name in undocumented("m.py", tree)] == ["f", "odd"]
    assert "submit" in PORTS
