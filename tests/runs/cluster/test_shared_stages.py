"""Which runs go first, and what a run reserves."""

from types import SimpleNamespace

from benchkit.runs.cluster.shared_stages import StageTurns, sort_by_stages
from benchkit.runs.executors.resources import estimate_resources


def make_job(
    name, family="preference", seed=0, train="data", packages=("transformers",), **changes
):
    return SimpleNamespace(
        run_id=f"{name}-{seed}-{train}",
        card=SimpleNamespace(family=family, packages=packages, gpus=0.5, memory_gb=2.0),
        identity={"train": train, "device": changes.pop("device", "cpu")},
        seed=seed,
        threads=2,
        component={"config": changes},
    )


def test_one_run_goes_first_and_the_others_after_it():
    turns = StageTurns()
    first, second = make_job("dpo"), make_job("sft", "sft")
    assert turns.take(first) and not turns.take(second)
    assert turns.take(make_job("ease", packages=())) and turns.take(make_job("dpo", train="other"))
    turns.end(first, complete=True)
    assert turns.take(second) and turns.take(make_job("pl"))


def test_each_seed_has_a_first_run_once_the_model_is_there():
    turns = StageTurns()
    assert turns.take(make_job("dpo")) and not turns.take(make_job("dpo", seed=1))
    turns.end(make_job("dpo"), complete=True)
    assert turns.take(make_job("dpo", seed=1)) and turns.take(make_job("dpo", seed=2))
    assert not turns.take(make_job("sft", seed=1)) and turns.take(make_job("sft"))


def test_after_a_failure_another_one_goes_first():
    turns = StageTurns()
    assert turns.take(make_job("dpo"))
    turns.end(make_job("dpo"), complete=False)
    assert turns.take(make_job("sft")) and not turns.take(make_job("pl"))


def test_who_has_the_most_stages_comes_first():
    jobs = [make_job("sft", "sft"), make_job("dpo"), make_job("ease", packages=())]
    assert [job.run_id[:3] for job in sort_by_stages(jobs)] == ["eas", "dpo", "sft"]


def test_a_run_reserves_its_threads_and_its_gpus():
    needs = estimate_resources(make_job("dpo"))
    assert (needs.cpus, needs.gpus, needs.memory_gb) == (2, 0.0, 2.0)
    assert estimate_resources(make_job("dpo", device="cuda")).gpus == 0.5
    assert estimate_resources(make_job("dpo", device="cuda"), gpus=2, memory_gb=8).gpus == 2
    needs = estimate_resources(make_job("dpo", device="cuda", train_pref={"processes": 4}))
    assert (needs.cpus, needs.gpus, needs.processes) == (8, 4.0, 4)
