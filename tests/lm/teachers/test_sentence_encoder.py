"""The setting `encoder`: MiniLM, a folder, or a model on the hub, and what a run is known by."""

import shutil
from importlib.util import find_spec

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError

from baselines.hybrid.gram import GRAM
from baselines.preference.c_apo import CAPO
from baselines.prompted.chat_rec import ChatRec
from benchkit.errors import ConfigError
from benchkit.fingerprint import canonical_settings
from benchkit.lm.teachers import sentence_encoder
from benchkit.lm.teachers.encoder import MiniLMEncoder, load_or_encode
from benchkit.lm.teachers.questions import build_training_questions
from benchkit.lm.teachers.sentence_encoder import (
    MINILM,
    EncoderSetting,
    SentenceEncoder,
    check_encoder,
    open_encoder,
)
from benchkit.lm.teachers.template import TemplateTeacher, TemplateTeacherConfig
from benchkit.testing.fixtures import run_context, toy_dataset
from tests.support.tiny_models import tiny_backbone
from tests.support.tiny_sentence_model import WIDTH, make_sentence_model

MPNET = "sentence-transformers/all-mpnet-base-v2"
pytestmark = pytest.mark.skipif(
    find_spec("sentence_transformers") is None, reason="benchkit[teacher] is not installed"
)


class Settings(BaseModel):
    encoder: EncoderSetting = MINILM


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_sentence_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """A machine without a network and without a downloaded model."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    sentence_encoder._open_once.cache_clear()


def identity(name):
    return canonical_settings(Settings(encoder=str(name)))


def test_a_local_model_has_its_own_size_and_unit_vectors(folder):
    encoder = open_encoder(str(folder))
    assert isinstance(encoder, SentenceEncoder) and encoder.size == WIDTH
    vectors = encoder.encode(["green tea", "motor oil"])
    assert vectors.shape == (2, WIDTH) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert abs(vectors[0] @ vectors[1]) < 0.999


def test_minilm_is_the_default_and_leaves_no_trace_in_an_identity():
    assert identity(MINILM) == {}
    assert isinstance(open_encoder(MINILM, "cuda"), MiniLMEncoder)
    assert "encoder" not in canonical_settings(CAPO.Config())
    assert "encoder" not in canonical_settings(CAPO.Config())["teacher"]
    assert "encoder" not in canonical_settings(ChatRec.Config())
    assert canonical_settings(GRAM.Config())["text_encoder"] == "minilm"


def test_the_identity_holds_the_content_of_a_folder_and_not_its_place(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert identity(copy) == identity(folder) != identity(MPNET) == {"encoder": MPNET}
    assert open_encoder(str(copy)).name == open_encoder(str(folder)).name
    other = make_sentence_model(tmp_path / "other", seed=1)
    assert identity(other) != identity(folder)
    assert open_encoder(str(other)).name != open_encoder(str(folder)).name


def test_vectors_of_two_models_are_stored_apart(folder, tmp_path):
    other = make_sentence_model(tmp_path / "other", width=8)
    cache = tmp_path / "cache"
    first = load_or_encode(open_encoder(str(folder)), ["tea"], cache)
    second = load_or_encode(open_encoder(str(other)), ["tea"], cache)
    assert first.shape == (1, WIDTH) and second.shape == (1, 8)
    assert len(list(cache.glob("*.npy"))) == 2
    on_gpu = SentenceEncoder(str(folder), "cuda:1").name
    assert on_gpu == SentenceEncoder(str(folder), "cuda").name != SentenceEncoder(str(folder)).name


@pytest.mark.parametrize("name", ["./nowhere", "minilmm", "."])
def test_what_names_no_encoder_stops_planning(name):
    with pytest.raises(ValidationError, match="local folder of sentence-transformers"):
        Settings(encoder=name)


def test_a_model_that_is_not_here_is_said_to_be_missing(offline):
    with pytest.raises(ConfigError, match=r"all-mpnet.* is not on this machine"):
        check_encoder(MPNET, "cpu")
    check_encoder(MINILM, "cpu")
    check_encoder("tf-idf", "cpu")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("GatedRepoError", "is gated"),
        ("RepositoryNotFoundError", "the hub has no such model, or it is private"),
        ("RemoteEntryNotFoundError", "is no model of sentence-transformers"),
        ("HfHubHTTPError", "cannot be loaded"),
    ],
)
def test_what_the_hub_says_is_a_configuration_error(monkeypatch, error, message):
    import huggingface_hub

    kind = getattr(huggingface_hub.errors, error)

    def refuse(*_, **__):
        raise kind.__new__(kind, "too many requests")  # without the reply that it is made from

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    with pytest.raises(ConfigError, match=message):
        SentenceEncoder("org/model").check()


def test_a_downloaded_model_is_known_by_its_commit(folder, offline, tmp_path):
    commit = "0123456789abcdef0123456789abcdef01234567"
    stored = tmp_path / "hub" / "models--org--tiny"
    shutil.copytree(folder, stored / "snapshots" / commit)
    (stored / "refs").mkdir()
    (stored / "refs" / "main").write_text(commit)
    for name in ("org/tiny", f"org/tiny@{commit}"):
        assert SentenceEncoder(name).name == f"org/tiny@{commit}"
    encoder = SentenceEncoder("org/tiny")
    encoder.check()
    np.testing.assert_array_equal(
        encoder.encode(["tea"]), SentenceEncoder(str(folder)).encode(["tea"])
    )


def test_a_damaged_model_is_named(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"copy.* cannot be loaded"):
        check_encoder(str(copy), "cpu")


def test_scores_of_the_template_teacher_are_read_from_it(folder):
    view = toy_dataset(users=40, items=60, length=8).train_view()
    questions = build_training_questions(view, negatives=2, candidates=8)
    scores = []
    for encoder in (str(folder), MINILM):
        settings = TemplateTeacherConfig(encoder=encoder, scores="continuous")
        teacher = TemplateTeacher.from_config(settings, None, None)
        scores.append([r.score for r in teacher.write(questions, view.catalog)])
    assert len(scores[0]) == len(questions) and scores[0] != scores[1]
    assert all(1 <= score <= 7 for score in scores[0])


TRAIN = {
    "epochs": 1, "batch_size": 8, "micro_batch": 4, "learning_rate": 1e-3, "max_length": 4000,
    "lora": None, "gradient_checkpointing": False,
}  # fmt: skip
TINY = {
    "limit_users": 8, "candidates": 8, "validation_cases": 4, "backbone": tiny_backbone(),
    "template": "compact", "rationale_tokens": 12, "train": TRAIN, "sft": TRAIN,
}  # fmt: skip


def test_c_apo_trains_a_calibrator_of_the_models_size(folder, tmp_path):
    data = toy_dataset(users=40, items=60, length=8)
    method = CAPO(CAPO.Config.model_validate({**TINY, "encoder": str(folder)}))
    run = run_context(data.catalog, tmp_path / "run", cache=tmp_path / "cache")
    method.fit(data.train_view(), run)
    sizes = {np.load(path).shape[1] for path in (tmp_path / "cache").glob("vectors-*.npy")}
    assert sizes == {WIDTH, 384}  # the calibrator's, and those of the teacher's scores
    (answer,) = method.predict(list(data.requests(data.test, 0, 1)), run)
    assert np.isfinite(answer.scores).all()


def test_a_missing_model_stops_c_apo_before_its_backbone_is_loaded(offline, tmp_path, monkeypatch):
    data = toy_dataset(users=40, items=60, length=8)
    run = run_context(data.catalog, tmp_path, cache=tmp_path)

    def load(*_, **__):
        raise AssertionError("the backbone was loaded")

    monkeypatch.setattr(CAPO, "load_backbone", load)
    method = CAPO(CAPO.Config.model_validate({**TINY, "encoder": MPNET}))
    with pytest.raises(ConfigError, match="is not on this machine"):
        method.fit(data.train_view(), run)
    settings = {**TINY, "teacher": {"kind": "template", "encoder": MPNET}}
    with pytest.raises(ConfigError, match="is not on this machine"):
        CAPO(CAPO.Config.model_validate(settings)).fit(data.train_view(), run)
    frozen = CAPO(CAPO.Config.model_validate({**TINY, "encoder": MPNET, "calibrator": "frozen"}))
    with pytest.raises(AssertionError):  # which embeds nothing
        frozen.fit(data.train_view(), run)
