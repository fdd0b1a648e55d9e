import subprocess
import sys

import pytest


def test_help_imports_nothing_heavy():
    program = (
        "import sys; from adapt.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: code = end.code\n"
        "heavy = {'torch', 'mujoco', 'rclpy', 'matplotlib', 'scipy', 'cvxpy'} & set(sys.modules)\n"
        "sys.exit(code or (f'imported: {heavy}' if heavy else 0))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "replay" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["fly"], "fly"),
        (["replay"], "bags"),
        (["doctor", "--robot", "so101", "--sped"], "--sped"),
        (["bags", "info"], "bag"),
        (["doctor", "--robot", "no_such_robot"], "there are: "),
        (["doctor", "--robot", "so101", "--bag", "nowhere"], "nowhere: no such bag"),
        (["bags", "info", "nowhere"], "nowhere: no such bag"),
        (["bags", "recover", "nowhere"], "nowhere"),
        (["incidents", "show", "20200101", "--store", "nowhere"], "no such incident"),
        (["models", "list", "--store", "nowhere"], "--store"),
        (["models", "verify", "--checkpoint", "nowhere.safetensors"], "nowhere.json"),
        (["ledger", "show", "--store", "nowhere"], "--store"),
        (["ledger", "verify", "--store", "nowhere"], "--store"),
        (
            ["replay", "nowhere", "--robot", "so101", "--checkpoint", "gone.safetensors"],
            "nowhere: no such bag",
        ),
    ],
)
def test_wrong_input_ends_with_one_line_that_names_it(adapt, tmp_path, monkeypatch, arguments, named):
    monkeypatch.chdir(tmp_path)
    assert named.lower() in adapt.refused(*arguments).lower()
    assert list(tmp_path.iterdir()) == []


def test_a_bare_word_shows_the_help(adapt):
    code, out, error = adapt()
    assert code == 2
    assert "doctor" in out + error
