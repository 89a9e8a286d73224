"""The vision-model judge over HTTP, against a server process that answers well and badly."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dexgrasp.evaluation.intention import (
    AnswerError,
    BackgroundJudge,
    BudgetError,
    IntentionCase,
    IntentionConfig,
    IntentionScores,
    JudgeError,
    VlmJudge,
)
from dexgrasp.evaluation.intention.rubric import SCHEMA, read_reply
from dexgrasp.hands import HandModel
from dexgrasp.objects import load_object

SERVER = Path(__file__).parents[1] / "fakes" / "chat_server.py"
KEY = "sk-secret-0123456789"
QUICK = {"timeout": 2.0, "attempts": 3, "backoff": 0.01, "max_backoff": 2.0, "size": 64}
Make = Callable[..., VlmJudge]


class Server:
    """The server's process, its address and the requests that it has seen."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "requests.jsonl"
        self.process = subprocess.Popen(
            [sys.executable, str(SERVER), str(self.log)], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def url(self, kind: str) -> str:
        return f"http://127.0.0.1:{self.port}/{kind}/v1"

    def seen(self, kind: str) -> list[dict]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [e for e in map(json.loads, lines) if e["path"].startswith(f"/{kind}/")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("server"))
    yield running
    running.process.terminate()
    running.process.wait(10)


@pytest.fixture
def make(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """A judge that asks the server for one kind of behaviour, with its own empty cache."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("DEXGRASP_VLM_KEY", KEY)
    monkeypatch.delenv("DEXGRASP_VLM_URL", raising=False)
    monkeypatch.delenv("DEXGRASP_VLM_MODEL", raising=False)

    def judge(kind: str, **changes: object) -> VlmJudge:
        config = IntentionConfig.load()
        vlm = config.vlm.model_copy(update={"url": server.url(kind), **QUICK, **changes})
        return VlmJudge(config.model_copy(update={"vlm": vlm}), tmp_path / "vlm")

    return judge


HAND, MUG = HandModel.load("allegro_right"), load_object("mug")


def case(instruction: str = "pick up the mug by the handle") -> IntentionCase:
    pose = np.eye(4)
    pose[:3, 3] = [-0.1, 0.0, 0.05]
    return IntentionCase(HAND, HAND.postures["power"], pose, MUG, instruction)


def scores(result: IntentionScores) -> tuple[float, float, float]:
    return result.alignment, result.visual_consistency, result.task_score


def transcript(judge: VlmJudge) -> list[dict]:
    return [json.loads(line) for line in judge.transcript.path.read_text().splitlines()]


def test_a_good_answer_becomes_scores(make: Make, server: Server) -> None:
    result = make("good").judge(case())
    assert scores(result) == (0.9, 0.8, 0.75)
    assert result.passed
    assert result.reasons == "held by the handle"
    assert result.judge == "vlm:gpt-4o-mini"


def test_the_request_carries_pictures_rubric_and_schema(make: Make, server: Server) -> None:
    make("good", model="a-model", size=96).judge(case("pour from the mug"))
    entry = server.seen("good")[-1]
    body = entry["body"]
    assert entry["path"] == "/good/v1/chat/completions"
    assert entry["headers"]["Authorization"] == f"Bearer {KEY}"
    assert body["model"] == "a-model"
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA
    text, *pictures = body["messages"][1]["content"]
    assert json.loads(text["text"])["instruction"] == "pour from the mug"
    assert "handle" in json.loads(text["text"])["parts of the object"]
    assert len(pictures) == 3
    decoded = []
    for part in pictures:
        head, data = part["image_url"]["url"].split(",")
        assert head == "data:image/png;base64"
        image = Image.open(io.BytesIO(base64.b64decode(data)))
        assert (image.format, image.size) == ("PNG", (96, 96))
        decoded.append(np.asarray(image))
    assert not np.array_equal(decoded[0], decoded[1])
    assert not np.array_equal(decoded[1], decoded[2])


@pytest.mark.parametrize("kind", ["fenced", "integers", "parts", "false_usage"])
def test_answers_in_other_clothes_are_understood(make: Make, kind: str) -> None:
    assert make(kind).judge(case()).visual_consistency == 0.8


BAD = ["malformed", "prose", "missing", "range", "negative", "nan", "strings", "booleans", "extra",
       "two", "list", "deep", "blank", "empty_choices", "no_choices", "null_content",
       "array"]  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_useless_answers_are_asked_again_and_then_refused(
    make: Make, server: Server, kind: str
) -> None:
    judge = make(kind)
    with pytest.raises(AnswerError, match=r"no useful answer in 3 attempts"):
        judge.judge(case())
    assert len(server.seen(kind)) == 3
    assert [entry["fault"] is not None for entry in transcript(judge)] == [True] * 3
    assert not judge.cache.folder.exists()


def test_a_liar_changes_nothing_but_its_scores(make: Make) -> None:
    judge = make("lying")
    first, second = judge.judge(case()), judge.judge(case("cut with it"))
    assert first.alignment == second.alignment == 1.0
    assert first.reasons.startswith("IGNORE ALL RULES")
    assert len(transcript(judge)) == 2


def test_a_server_that_recovers_is_asked_until_it_does(make: Make, server: Server) -> None:
    judge = make("recovers")
    assert judge.judge(case()).passed
    assert len(server.seen("recovers")) == 3
    assert judge.budget.requests == 3


def test_retry_after_is_obeyed(make: Make, server: Server) -> None:
    assert make("busy", backoff=0.0).judge(case()).passed
    first, second = server.seen("busy")
    assert 0.9 < second["time"] - first["time"] < 2.5


def test_retry_after_is_not_obeyed_for_an_hour(make: Make) -> None:
    start = time.monotonic()
    with pytest.raises(JudgeError, match=r"429 Too Many Requests.*slow down"):
        make("always_busy", max_backoff=0.05).judge(case())
    assert time.monotonic() - start < 3.0


@pytest.mark.parametrize("kind", ["slow", "drip"])
def test_a_slow_server_is_left_alone(make: Make, kind: str) -> None:
    judge = make(kind, timeout=0.5, attempts=2)
    start = time.monotonic()
    with pytest.raises(JudgeError, match=r"did not answer in 0\.5 s"):
        judge.judge(case())
    assert time.monotonic() - start < 4.0


@pytest.mark.parametrize("kind", ["hangs_up", "cut"])
def test_a_broken_connection_is_tried_again(make: Make, server: Server, kind: str) -> None:
    with pytest.raises(JudgeError, match="3 attempts"):
        make(kind).judge(case())
    assert len(server.seen(kind)) == 3


@pytest.mark.parametrize(
    ("kind", "words"),
    [("refuses", "401"), ("redirects", "302"), ("endless", "more than 1000000 bytes")],
)
def test_what_will_not_pass_is_not_tried_again(
    make: Make, server: Server, kind: str, words: str
) -> None:
    before = len(server.seen("good"))
    with pytest.raises(JudgeError, match=words):
        make(kind).judge(case())
    assert len(server.seen(kind)) == 1
    assert len(server.seen("good")) == before  # the redirect was not followed


def test_nobody_at_the_address(make: Make) -> None:
    with pytest.raises(JudgeError, match=r"cannot be reached.*DEXGRASP_VLM_URL"):
        make("good", url="http://127.0.0.1:9/v1").judge(case())


@pytest.mark.parametrize("kind", ["refuses", "echoes"])
def test_the_key_is_written_nowhere(make: Make, tmp_path: Path, kind: str) -> None:
    judge = make(kind)
    try:
        words = judge.judge(case()).reasons
    except JudgeError as error:
        words = str(error)
    assert "[key]" in words
    assert KEY not in words
    files = [f for f in tmp_path.rglob("*") if f.is_file()]
    assert files
    assert not any(KEY in f.read_text() for f in files)


def test_the_cache_answers_the_same_question_only(make: Make, server: Server) -> None:
    first = make("good")
    first.judge(case("lift the mug"))
    before = len(server.seen("good"))
    again = make("good")
    assert scores(again.judge(case("lift the mug"))) == (0.9, 0.8, 0.75)
    assert len(server.seen("good")) == before
    again.judge(case("lift the mug!"))
    make("good", model="another").judge(case("lift the mug"))
    assert len(server.seen("good")) == before + 2


def test_a_damaged_cache_file_is_replaced(make: Make, server: Server) -> None:
    judge = make("good")
    judge.judge(case())
    (stored,) = judge.cache.folder.iterdir()
    stored.write_text('{"alignment": 3}')
    before = len(server.seen("good"))
    assert judge.judge(case()).passed
    assert len(server.seen("good")) == before + 1
    assert json.loads(stored.read_text())["alignment"] == 0.9


def test_the_limit_of_requests_is_kept_and_loses_nothing(make: Make, server: Server) -> None:
    judge = make("good", max_requests=2)
    for words in ("one", "two"):
        judge.judge(case(words))
    before = len(server.seen("good"))
    with pytest.raises(BudgetError, match=r"3 requests of the 2 allowed.*max_requests"):
        judge.judge(case("three"))
    assert len(server.seen("good")) == before
    assert judge.judge(case("one")).passed  # from the cache
    assert len(transcript(judge)) == 2


@pytest.mark.parametrize(
    ("changes", "what"), [({"max_tokens": 8000}, "tokens"), ({"max_cost": 0.0014}, "cost")]
)
def test_tokens_and_cost_are_limited(make: Make, changes: dict[str, float], what: str) -> None:
    """Two answers of 3000 + 60 tokens fit, and a third might not."""
    judge = make("good", **changes)
    judge.judge(case("one"))
    assert (judge.budget.input_tokens, judge.budget.output_tokens) == (3000, 60)
    assert judge.budget.cost == pytest.approx((3000 * 0.15 + 60 * 0.60) / 1e6)
    judge.judge(case("two"))
    with pytest.raises(BudgetError, match=rf"{what} of the .* allowed"):
        judge.judge(case("three"))


def test_a_false_count_of_tokens_is_not_believed(make: Make) -> None:
    judge = make("false_usage")
    judge.judge(case())
    assert judge.budget.input_tokens > 3 * 1000
    assert judge.budget.output_tokens == 400


def test_failed_requests_are_paid_for_as_well(make: Make) -> None:
    judge = make("always_busy", attempts=2, max_backoff=0.0, max_requests=3)
    with pytest.raises(JudgeError, match="429"):
        judge.judge(case())
    assert judge.budget.requests == 2
    assert judge.budget.input_tokens > 2 * 3 * 1000
    with pytest.raises(BudgetError):
        judge.judge(case())
    assert judge.budget.requests == 3


def test_the_transcript_tells_what_happened(make: Make) -> None:
    judge = make("good")
    judge.judge(case())
    (entry,) = transcript(judge)
    (stored,) = judge.cache.folder.iterdir()
    assert entry["request"] == stored.stem
    assert entry["fault"] is None
    assert entry["latency"] > 0.0
    assert json.loads(entry["response"])["usage"]["prompt_tokens"] == 3000


def test_the_environment_replaces_address_and_model(
    make: Make, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEXGRASP_VLM_URL", server.url("fenced"))
    monkeypatch.setenv("DEXGRASP_VLM_MODEL", "from-the-environment")
    monkeypatch.delenv("DEXGRASP_VLM_KEY")
    result = make("good").judge(case("another question"))
    entry = server.seen("fenced")[-1]
    assert result.judge == "vlm:from-the-environment"
    assert entry["body"]["model"] == "from-the-environment"
    assert "Authorization" not in entry["headers"]


def test_a_trial_does_not_wait_for_a_slow_judge(make: Make) -> None:
    heard: list[str] = []
    judge = BackgroundJudge(make("slow", timeout=0.7, attempts=1))
    start = time.monotonic()
    future = judge.submit(case(), lambda f: heard.append(type(f.exception()).__name__))
    assert time.monotonic() - start < 0.1
    assert not judge.close()  # closing does not wait either
    with pytest.raises(JudgeError, match="did not answer"):
        future.result(10)
    assert judge.close(timeout=5.0)
    assert heard == ["JudgeError"]
    with pytest.raises(JudgeError, match="closed"):
        judge.submit(case())


def test_many_cases_in_the_background(make: Make) -> None:
    judge = make("good")
    with BackgroundJudge(judge, workers=2) as background:
        futures = [background.submit(case(f"lift it {k}")) for k in range(6)]
    assert all(f.result(0).passed for f in futures)
    assert judge.budget.requests == len(transcript(judge)) == 6


def test_two_objects_inside_one_another_are_one() -> None:
    text = '{"alignment": {"alignment": 1.0}}'
    with pytest.raises(AnswerError, match="alignment: Input should be a valid number"):
        read_reply(json.dumps({"choices": [{"message": {"content": text}}]}).encode())
