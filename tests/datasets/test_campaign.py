import logging
from dataclasses import replace

import campaigns
import numpy as np
import pytest
from campaigns import CLOUD, SMALL, X, draw, fingerprint, first_entries, model, square
from fem_campaigns import FIBRES, PIXELS

from genmech_fem.datasets import Campaign, Store, generate, split
from genmech_fem.errors import ContractError, ConvergenceError, DatasetError
from genmech_fem.fields import ScalarSpec
from genmech_fem.microstructure import PeriodicFibres


def test_any_order_of_samples_gives_the_same_data(tmp_path):
    generate(FIBRES, tmp_path / "whole")
    for part in ((1, 2), (0, 2)):
        generate(FIBRES, tmp_path / "parts", part=part)
    assert fingerprint(tmp_path / "whole") == fingerprint(tmp_path / "parts")
    numbers, arrays = Store.open(tmp_path / "whole").read()
    assert numbers.tolist() == list(range(6))
    np.testing.assert_array_equal(FIBRES.sample(4)["stiffness"][0], arrays["stiffness"][4])


def test_an_interrupted_campaign_resumes_and_computes_nothing_twice(tmp_path):
    def stop(progress):
        if progress.finished >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(SMALL, tmp_path / "a", progress=stop)
    report = generate(SMALL, tmp_path / "a")
    assert (report.finished, report.computed) == (50, 30)
    generate(SMALL, tmp_path / "b")
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")
    assert generate(SMALL, tmp_path / "a").computed == 0


def test_a_campaign_grows(tmp_path):
    generate(replace(SMALL, size=20), tmp_path / "a")
    assert generate(SMALL, tmp_path / "a").computed == 30
    generate(SMALL, tmp_path / "b")
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")
    assert generate(replace(SMALL, size=20), tmp_path / "a").finished == 20


def test_failures_are_data(tmp_path):
    report = generate(SMALL, tmp_path)
    x = first_entries(50)
    assert sorted(report.failures) == np.flatnonzero(x > 0.9).tolist()
    number, failure = next(iter(report.failures.items()))
    assert (failure.kind, failure.message) == ("diverged", "no convergence after 7 steps")
    assert failure.parameters["x"][0] == x[number]
    assert "campaigns.py" in failure.log
    numbers, arrays = Store.open(tmp_path).read()
    assert numbers.tolist() == np.flatnonzero(x <= 0.9).tolist()
    np.testing.assert_array_equal(arrays["y"], arrays["x"] ** 2)
    assert "diverged" in report.table()
    assert "no convergence" in report.table()


def test_large_parameters_of_failures_are_summarised(tmp_path):
    def nothing(inputs):
        raise ArithmeticError("never")

    failing = Campaign(replace(model(nothing), inputs=PIXELS.model.inputs), PIXELS.sampler, 1)
    (failure,) = generate(failing, tmp_path).failures.values()
    assert failure.parameters["youngs_modulus"]["shape"] == [1, 16, 16]
    assert 1.4 < failure.parameters["youngs_modulus"]["mean"] < 1.6


def test_the_last_warning_is_the_log_line_of_a_failure(tmp_path):
    def warned(inputs):
        logging.getLogger("solver").warning("residual %g", 0.5)
        return {"y": inputs["x"] / 0}

    with np.errstate(all="ignore"):
        (failure,) = generate(Campaign(model(warned), draw, 1), tmp_path).failures.values()
    assert (failure.kind, failure.log) == ("not finite", "solver: residual 0.5")


def test_a_failure_names_the_line_of_its_cause_not_that_of_what_wraps_it(tmp_path):
    def solve(inputs):
        raise ConvergenceError("no convergence after 7 steps")

    def wrapped(inputs):
        try:
            return solve(inputs)
        except ConvergenceError as error:
            raise ConvergenceError(f"sample 0: {error}") from error

    (failure,) = generate(Campaign(model(wrapped), draw, 1), tmp_path).failures.values()
    line = solve.__code__.co_firstlineno + 1
    assert (failure.kind, failure.message) == ("diverged", "sample 0: no convergence after 7 steps")
    assert failure.log == f"test_campaign.py:{line} solve"


def test_failed_samples_are_tried_again_on_request_only(tmp_path, monkeypatch):
    campaign = Campaign(model(campaigns.moody), draw, 20)
    monkeypatch.setattr(campaigns.Mood, "top", 0.7)
    failed = generate(campaign, tmp_path).failures
    assert sorted(failed) == np.flatnonzero(first_entries(20) > 0.7).tolist()
    monkeypatch.setattr(campaigns.Mood, "top", 2.0)
    assert generate(campaign, tmp_path).computed == 0
    report = generate(campaign, tmp_path, redo=["failed"])
    assert (report.computed, report.failures) == (len(failed), {})
    assert Store.open(tmp_path).numbers().tolist() == list(range(20))


def test_a_hopeless_campaign_stops_early_and_keeps_what_it_has(tmp_path):
    def hopeless(inputs):
        if inputs["x"][0, 0] > 0.2:
            raise ArithmeticError("too large")
        return {"y": inputs["x"]}

    campaign = Campaign(model(hopeless), draw, 1000)
    with pytest.raises(DatasetError, match=r"20 samples failed, .* limit of 50% \(\d+ ArithmeticError; such as: too"):
        generate(campaign, tmp_path)
    assert len(Store.open(tmp_path).numbers()) + len(Store.open(tmp_path).failures()) == 20
    with pytest.raises(DatasetError, match="of 20 samples failed"):
        generate(campaign, tmp_path)
    assert generate(replace(campaign, size=40), tmp_path, failure_limit=1).finished == 40


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"seed": 1}, "description.seed was 0, now 1"),
        ({"model": model(lambda inputs: {"y": inputs["x"]})}, "description.model.function.code was"),
        ({"sampler": lambda g: {"x": g.random((1, 2)) / 2}}, "description.sampler.code was"),
        ({"model": replace(SMALL.model, outputs=(ScalarSpec("y", 2, "Pa"),))}, r"specs\[1\].unit was '1', now 'Pa'"),
    ],
)
def test_changed_settings_are_refused_and_named(tmp_path, change, text):
    generate(SMALL, tmp_path)
    before = fingerprint(tmp_path)
    with pytest.raises(DatasetError, match=f"another campaign .*{text}"):
        generate(replace(SMALL, **change), tmp_path)
    assert fingerprint(tmp_path) == before


def test_a_changed_mesh_or_material_is_refused_and_named(tmp_path):
    generate(replace(FIBRES, size=1), tmp_path)
    other = replace(
        FIBRES, model=replace(FIBRES.model, refine=2, matrix=replace(FIBRES.model.matrix, poisson_ratio=0.3))
    )
    with pytest.raises(
        DatasetError, match=r"model.matrix.poisson_ratio was 0.35, now 0.3; .*model.refine was 1, now 2"
    ):
        generate(other, tmp_path)


def test_sampler_and_model_that_do_not_fit_are_refused_before_a_solve(tmp_path):
    with pytest.raises(ContractError, match=r"'phase': the sampler makes .*\(24, 24\).*the model takes .*\(16, 16\)"):
        generate(replace(FIBRES, sampler=PeriodicFibres(resolution=24)), tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ContractError, match=r"sample 0: expected the inputs \['x'\], got \[\]"):
        generate(Campaign(model(square), lambda g: {"z": g.random((1, 2))}, 5), tmp_path)


def test_a_mistake_in_the_model_is_an_error_not_a_failure(tmp_path):
    with pytest.raises(ContractError, match=r"sample 0: output 'y': expected shape \(batch, 2\), got \(1, 3\)"):
        generate(Campaign(model(lambda inputs: {"y": np.ones((1, 3))}), draw, 5), tmp_path)


def test_paths_that_cannot_be_written_fail_before_the_first_solve(tmp_path):
    def never(inputs):
        raise AssertionError("solved")

    (tmp_path / "file").write_text("")
    with pytest.raises((OSError, DatasetError)):
        generate(Campaign(model(never), draw, 5), tmp_path / "file" / "store")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("")
    with pytest.raises(DatasetError, match="files that are not of a data store"):
        generate(Campaign(model(never), draw, 5), tmp_path / "other")


def test_points_that_differ_by_sample_come_back_without_their_padding(tmp_path):
    generate(CLOUD, tmp_path)
    _, arrays = Store.open(tmp_path).read()
    counts = (3 + 10 * arrays["x"][:, 0]).astype(int)
    np.testing.assert_array_equal(arrays["v.mask"].sum(axis=1), counts)
    for v, n in zip(arrays["v"], counts, strict=True):
        np.testing.assert_array_equal(v[:, :n], np.arange(2.0 * n).reshape(2, n))


@pytest.mark.parametrize("arguments", [{"part": (2, 2)}, {"part": (-1, 1)}, {"failure_limit": 0}])
def test_arguments_out_of_range_are_refused(tmp_path, arguments):
    with pytest.raises(ValueError, match="expected part 0 <= k < n"):
        generate(SMALL, tmp_path, **arguments)
    with pytest.raises(ValueError, match="size >= 1"):
        Campaign(SMALL.model, draw, 0)
    with pytest.raises(TypeError, match="engine: expected"):
        generate(SMALL, tmp_path, engine="dask")


def test_a_sampler_with_more_outputs_has_them_stored(tmp_path):
    class Both:
        outputs = (X, ScalarSpec("kind", 1))

        def __call__(self, generator):
            return {**draw(generator), "kind": np.array([[3]])}

    generate(Campaign(model(lambda inputs: {"y": inputs["x"]}), Both(), 4), tmp_path)
    _, arrays = Store.open(tmp_path).read()
    assert arrays["kind"].tolist() == [[3]] * 4
    assert arrays["kind"].dtype.kind == "i"
    assert [spec.name for spec in Store.open(tmp_path).specs] == ["x", "kind", "y"]


def test_splits_are_disjoint_complete_and_seeded():
    parts = split(100, (0.1, 0.2), seed=4)
    assert [len(part) for part in parts] == [70, 10, 20]
    assert sorted(np.concatenate(parts)) == list(range(100))
    assert all((a == b).all() for a, b in zip(parts, split(100, (0.1, 0.2), seed=4), strict=True))
    with pytest.raises(ValueError, match="empty part"):
        split(3, (0.1,), seed=0)
