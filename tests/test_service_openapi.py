"""The OpenAPI document: nothing that it allows makes an error of the server, nothing is answered that it does not say."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as bounds
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from serving import client

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


BOUNDS = bounds(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.filterwarnings("ignore")
def test_answers_are_as_described(tmp_path):
    with client(tmp_path) as served:
        document = schemathesis.openapi.from_asgi("/v1/openapi.json", served.app, headers={"Host": "localhost"})
        operations = [found.ok() for found in document.get_all_operations()]
        assert len(operations) == sum(
            len(methods) for methods in served.get("/v1/openapi.json").json()["paths"].values()
        )
        for operation in operations:

            @BOUNDS
            @given(case=operation.as_strategy())
            def holds(case):
                answer = case.call(headers={"Host": "localhost", "X-Palate": "1"})
                case.validate_response(answer, checks=CHECKS)

            holds()


def test_every_operation_is_described(tmp_path):
    with client(tmp_path) as served:
        told = served.get("/v1/openapi.json").json()
    assert told["openapi"].startswith("3.1")
    for path, operations in told["paths"].items():
        for method, operation in operations.items():
            assert operation["description"], (method, path)
            assert "application/problem+json" in operation["responses"]["422"]["content"], (method, path)
    examples = [name for name, shape in told["components"]["schemas"].items() if "examples" in shape]
    assert {
        "Problem",
        "RatingRequest",
        "AnonymousRecommendationsRequest",
        "BatchRequest",
        "PredictionsRequest",
        "RecommendationsResponse",
    } <= set(examples)
    [only] = [
        one for one in told["paths"]["/v1/users/{user}/recommendations"]["get"]["parameters"] if one["name"] == "only"
    ]
    assert only["schema"]["type"] == "array"
