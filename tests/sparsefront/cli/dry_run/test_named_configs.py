"""`--config <(command)`: a configuration comes through a pipe, which can be read once."""

import os
import threading
from pathlib import Path

import pytest
import yaml

from sparsefront.cli.command import main
from sparsefront.cli.dry_run.config_files import check_config_files
from sparsefront.cli.dry_run.named_configs import with_texts

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("in_an_empty_folder")]
SETTINGS = {
    "model": {"classifier": {"class_path": "ConvNet"}},
    "data": {"class_path": "MNIST5k", "init_args": {"val_size": 7}},
    "trainer": {"fast_dev_run": 1, "accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False},
}


@pytest.fixture
def piped():
    """Texts -> descriptors of pipes that hold them, as a shell leaves them to a command."""
    ends, threads = [], []

    def made(text):
        out, into = os.pipe()
        ends.append(out)

        def fill():
            with os.fdopen(into, "wb") as file:
                file.write(text if isinstance(text, bytes) else text.encode())

        threads.append(threading.Thread(target=fill, daemon=True))
        threads[-1].start()
        return out

    yield made
    for end in ends:
        os.close(end)
    for thread in threads:
        thread.join(timeout=10)


@pytest.mark.parametrize("start", ["", "---\n", "\ufeff", "# a comment = with signs: --config\n" * 4000])
def test_settings_come_through_a_pipe(start, piped):
    pipe = piped(start + yaml.safe_dump(SETTINGS))
    Path("more.yaml").write_text("trainer: {max_epochs: 3}\n")
    cli = main(["fit", "--config", f"/dev/fd/{pipe}", "--config", "more.yaml"])
    assert cli.datamodule.val_size == 7
    assert type(cli.model.classifier).__name__ == "ConvNet"
    assert cli.config["fit"]["trainer"]["max_epochs"] == 3


@pytest.mark.parametrize(
    "text",
    [
        "model: {lr: 1e-3, x: 1.e-3}\n",
        "model: &a {lr: 0x10, b: yes, c: 'yes', d: ~}\ntrainer:\n  <<: *a\n  e: |\n    two\n    lines\n",
        "attacks+:\n- name: \"a: b, {c}\"\n  attack: {class_path: PGD}\n- {name: 'ü # no comment'}\n",
        "run_dir: " + "long words " * 100 + "\n",
    ],
)
def test_the_settings_mean_the_same_in_braces(text):
    (word,) = with_texts(["--config=/dev/fd/9"], {"/dev/fd/9": text.encode()})
    inside = word.removeprefix("--config=")
    assert inside.startswith("{")
    for reader in (yaml.SafeLoader, yaml.BaseLoader):
        assert yaml.load(inside, Loader=reader) == yaml.load(text, Loader=reader)


@pytest.mark.parametrize("form", [["--config", "{}"], ["-c", "{}"], ["--config={}"]])
@pytest.mark.parametrize("folder", ["/dev/fd", "/proc/self/fd"])
def test_a_pipe_is_read_once_and_its_text_takes_its_place(form, folder, piped):
    pipe = piped("run_dir: här\n")
    path = f"{folder}/{pipe}"
    words = check_config_files(["fit", *(word.format(path) for word in form), "--run_dir", path])
    assert words == ["fit", "--config={run_dir: här}", "--run_dir", path]


def test_standard_input_is_read(piped):
    kept = os.dup(0)
    try:
        os.dup2(piped("run_dir: here\n"), 0)
        assert check_config_files(["fit", "--config", "/dev/stdin"]) == ["fit", "--config={run_dir: here}"]
    finally:
        os.dup2(kept, 0)
        os.close(kept)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found nothing"),
        ("a\n", "a single value"),
        ("run_dri: x\n", "line 1, must name"),
        (b"run_dir: \xff", "UTF-8"),
    ],
)
def test_what_comes_through_a_pipe_is_looked_at_like_a_file(text, said, piped):
    pipe = piped(text)
    with pytest.raises(ValueError, match=said) as error:
        check_config_files(["fit", "--config", f"/dev/fd/{pipe}"])
    assert f"/dev/fd/{pipe}" in str(error.value)


@pytest.mark.parametrize("path", ["fifo", "/dev/null", "/dev/fd/987"])
def test_other_special_files_are_refused_and_not_waited_for(path):
    os.mkfifo("fifo")
    with pytest.raises(ValueError, match=r"must name a YAML file, found (a special file|none)"):
        check_config_files(["fit", "--config", path])
