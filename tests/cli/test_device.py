"""``--device``: a fit and lists on a graphics card, run on the CPU by PyTorch."""

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[gpu]'")


@pytest.fixture(autouse=True)
def torch_on_the_cpu(monkeypatch):
    monkeypatch.setenv("PALATE_TORCH_DEVICE", "cpu")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads of PyTorch wait in busy loops, and tests run side by side
    yield
    torch.set_num_threads(threads)


def test_a_model_is_fitted_on_the_device_that_is_named(answer, folder, tmp_path):
    fit = "fit", folder / "ratings.csv", "--solver", "als", "--factors", 4, "--sweeps", 2, "--choices", "none"
    on_card = answer(*fit, "-o", tmp_path / "card", "--device", "cuda")
    assert on_card["training"]["device"] == "torch on cpu"
    assert on_card["solver"]["device"] == "cuda"
    assert answer("info", tmp_path / "card")["training"]["device"] == "torch on cpu"
    on_cpu = answer(*fit, "-o", tmp_path / "cpu")
    assert "device" not in on_cpu["training"]
    assert on_cpu["training_rmse"] == pytest.approx(on_card["training_rmse"], abs=1e-3)


def test_lists_of_all_users_are_the_same_on_any_device(palate, model, tmp_path):
    for device in ("cpu", "cuda"):
        arguments = "recommend", model, "--all", "--by", "prediction", "-o", tmp_path / f"{device}.csv"
        code, _, err = palate(*arguments, "--device", device)
        assert code == 0, err
    assert (tmp_path / "cpu.csv").read_text() == (tmp_path / "cuda.csv").read_text()


def test_a_list_for_one_user_takes_no_device(palate, model):
    code, _, err = palate("recommend", model, "--user", "1", "--device", "cuda")
    assert code == 2
    assert "--device and --engine spark go with --all" in err


def test_a_card_that_is_not_there_is_an_error(palate, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PALATE_TORCH_DEVICE", "cuda:63")
    code, _, err = palate(
        "fit", folder / "ratings.csv", "-o", tmp_path / "m", "--solver", "implicit", "--device", "cuda"
    )
    assert code == 2
    assert "no graphics card 'cuda:63'" in err
    assert not (tmp_path / "m").exists()
